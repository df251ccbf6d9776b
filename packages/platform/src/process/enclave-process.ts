/**
 * The processes that a platform starts from its sealed image: one vault, and keyless engines at the vault's request.
 *
 * The vault gets the validator's channel and a channel to this platform; an engine gets a channel to the vault, whose other
 * end is passed on, and a lifeline. Nothing else is open in them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { CollectedEvidence } from '@cloister/attestation';
import type { EnclaveMessage, LaunchMessage, PlatformMessage } from '@cloister/enclave';
import { ENGINE_STARTER_DESCRIPTOR, VAULT_STARTER_DESCRIPTOR } from '@cloister/enclave';
import { ENGINE_PROGRAM, NATIVE_BINDING, NATIVE_DIRECTORY, NATIVE_LIBRARY } from '../image/program-names.ts';
import { residentBytes } from './process-memory.ts';
import { openStarter, type Program, programCommand, type Sandbox } from './sandbox.ts';
import type { SealedImage } from './sealed-image.ts';

const MEMORY_CHECK_MS = 250;
const MEBIBYTE: number = 1024 * 1024;
const ENGINE_FILES = [
  ENGINE_PROGRAM,
  `${NATIVE_DIRECTORY}/${NATIVE_LIBRARY}`,
  `${NATIVE_DIRECTORY}/${NATIVE_BINDING}`,
] as const;

export interface EnclaveProcessOptions {
  readonly launch: LaunchMessage;
  readonly image: SealedImage;
  /** Stands in the command lines of the processes. */
  readonly label: string;
  readonly sandbox: Sandbox;
  /** Descriptor of the channel to the validator; closed here once the vault has it. */
  readonly validatorDescriptor: number;
  /** Evidence for what was launched, over report data of the enclave's choice. */
  readonly collect: (reportData: Uint8Array) => Promise<CollectedEvidence>;
  readonly onExit: () => void;
}

type Stdio = 'ignore' | 'pipe' | 'ipc' | number;

/** A running enclave. */
export class EnclaveProcess {
  readonly #options: EnclaveProcessOptions;
  readonly #vault: ChildProcess;
  readonly #engines = new Map<number, ChildProcess>();
  readonly #memoryTimer: NodeJS.Timeout;
  readonly launched: Promise<{ readonly ok: true } | { readonly ok: false; readonly code: string }>;
  #nextEngine = 0;
  #killed = false;

  /** Starts the vault. Throws `ImageError` when what would run is not what was measured. */
  static async start(options: EnclaveProcessOptions): Promise<EnclaveProcess> {
    const [program = -1] = await options.image.open([options.image.manifest.entry]);
    return new EnclaveProcess(options, program);
  }

  private constructor(options: EnclaveProcessOptions, program: number) {
    this.#options = options;
    const { entry } = options.image.manifest;
    const stdio: Stdio[] = [program, 'ignore', 'ignore', options.validatorDescriptor, 'ipc'];
    this.#vault = this.#spawn('vault', entry, stdio, VAULT_STARTER_DESCRIPTOR);
    closeSync(program);
    closeSync(options.validatorDescriptor);
    this.launched = new Promise((resolve) => {
      this.#vault.on('message', (message: EnclaveMessage) => {
        if (message.type === 'launched') resolve({ ok: true });
        else if (message.type === 'refused') resolve({ ok: false, code: message.code });
        else this.#receive(message);
      });
      this.#vault.on('exit', () => resolve({ ok: false, code: 'ENCLAVE_EXITED' }));
      this.#vault.on('error', () => resolve({ ok: false, code: 'ENCLAVE_NOT_STARTED' }));
    });
    this.#vault.on('exit', options.onExit);
    this.#vault.on('error', options.onExit);
    this.#memoryTimer = setInterval(() => void this.#checkMemory(), MEMORY_CHECK_MS);
    this.#tell(options.launch);
  }

  get vaultPid(): number | undefined {
    return this.#vault.pid;
  }

  get enginePids(): readonly number[] {
    return [...this.#engines.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** Kills everything at once; resolves when all of it is gone. */
  async kill(): Promise<void> {
    this.#killed = true;
    clearInterval(this.#memoryTimer);
    await Promise.all([this.#vault, ...this.#engines.values()].map(killed));
  }

  /** `stdio` is everything below the `starter` descriptor. */
  #spawn(program: Program, entry: string, stdio: readonly Stdio[], starter: number): ChildProcess {
    const { sandbox, label, image } = this.#options;
    const memoryBytesMax = image.manifest.limits.memoryMibMax * MEBIBYTE;
    const words = [String(memoryBytesMax), join(label, entry)];
    const command = programCommand(sandbox, { program, starter, words });
    const opened = openStarter(sandbox);
    try {
      return spawn(command.file, command.arguments, {
        cwd: '/',
        env: {},
        stdio: [...stdio, opened],
        serialization: 'advanced',
      });
    } finally {
      closeSync(opened);
    }
  }

  #tell(message: PlatformMessage, handle?: Socket): void {
    if (!this.#vault.connected) return;
    // A failure to send means that the vault is going; its exit is handled.
    this.#vault.send(message, handle, undefined, () => undefined);
  }

  #receive(message: EnclaveMessage): void {
    if (message.type === 'collect') void this.#collect(message.id, message.reportData);
    else if (message.type === 'start-engine') void this.#startEngine(message.id);
    else if (message.type === 'stop-engine') this.#engines.get(message.engine)?.kill('SIGKILL');
  }

  /** Kept with what the platform said last, for the validator's operator. */
  #failed(id: number, what: string, error: unknown): void {
    process.stderr.write(`${what}: ${error instanceof Error ? error.message : String(error)}\n`);
    this.#tell({ type: 'failed', id });
  }

  async #collect(id: number, reportData: Uint8Array): Promise<void> {
    try {
      const collected = await this.#options.collect(reportData);
      this.#tell({ type: 'evidence', id, ...collected });
    } catch (error) {
      this.#failed(id, 'no evidence', error);
    }
  }

  async #startEngine(id: number): Promise<void> {
    let files: number[] = [];
    let child: ChildProcess;
    try {
      files = await this.#options.image.open(ENGINE_FILES);
      if (this.#killed) return;
      const [program = -1, library = -1, binding = -1] = files;
      const stdio: Stdio[] = [program, 'ignore', 'ignore', 'pipe', 'pipe', library, binding];
      child = this.#spawn('engine', ENGINE_PROGRAM, stdio, ENGINE_STARTER_DESCRIPTOR);
    } catch (error) {
      this.#failed(id, 'no engine', error);
      return;
    } finally {
      for (const descriptor of files) closeSync(descriptor);
    }
    this.#adopt(id, child);
  }

  #adopt(id: number, child: ChildProcess): void {
    const engine = this.#nextEngine++;
    const forget = (): void => {
      this.#engines.delete(engine);
    };
    child.on('exit', forget);
    child.on('error', forget);
    const channel = child.stdio[3] as Socket | null | undefined;
    if (child.pid === undefined || channel === null || channel === undefined) {
      this.#tell({ type: 'failed', id });
      return;
    }
    this.#engines.set(engine, child);
    this.#tell({ type: 'engine-started', id, engine }, channel);
  }

  async #checkMemory(): Promise<void> {
    const { memoryMibMax } = this.#options.image.manifest.limits;
    for (const child of this.#engines.values()) {
      if (child.pid === undefined) continue;
      if ((await residentBytes(child.pid)) > memoryMibMax * MEBIBYTE) child.kill('SIGKILL');
    }
  }
}

function killed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
