/**
 * The processes that a platform starts from its copy of the image: one vault, and keyless engines at the vault's request.
 *
 * The vault gets the validator's channel and a channel to this platform; an engine gets a channel to the vault, whose other
 * end is passed on, and a lifeline. Nothing else is open in them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { CollectedEvidence } from '@cloister/attestation';
import type { EnclaveMessage, LaunchMessage, PlatformMessage } from '../channel/platform-messages.ts';
import { ENGINE_PROGRAM } from '../image/program-names.ts';
import { residentBytes } from './process-memory.ts';
import { openFilter, type Program, programCommand, type Sandbox } from './sandbox.ts';

const MEMORY_CHECK_MS = 250;
const MEBIBYTE: number = 1024 * 1024;

export interface EnclaveProcessOptions {
  readonly launch: LaunchMessage;
  /** The platform's copy of the image. */
  readonly image: string;
  readonly entry: string;
  readonly sandbox: Sandbox;
  readonly memoryMibMax: number;
  /** Descriptor of the channel to the validator; closed here once the vault has it. */
  readonly validatorDescriptor: number;
  /** Evidence for what was launched, over report data of the enclave's choice. */
  readonly collect: (reportData: Uint8Array) => Promise<CollectedEvidence>;
  readonly onExit: () => void;
}

/** A running enclave. */
export class EnclaveProcess {
  readonly #options: EnclaveProcessOptions;
  readonly #vault: ChildProcess;
  readonly #engines = new Map<number, ChildProcess>();
  readonly #memoryTimer: NodeJS.Timeout;
  readonly launched: Promise<{ readonly ok: true } | { readonly ok: false; readonly code: string }>;
  #nextEngine = 0;

  constructor(options: EnclaveProcessOptions) {
    this.#options = options;
    this.#vault = this.#spawn('vault', options.entry, [
      'ignore',
      'ignore',
      'ignore',
      options.validatorDescriptor,
      'ipc',
    ]);
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
    clearInterval(this.#memoryTimer);
    await Promise.all([this.#vault, ...this.#engines.values()].map(killed));
  }

  #spawn(program: Program, entry: string, stdio: ('ignore' | 'pipe' | 'ipc' | number)[]): ChildProcess {
    const { sandbox, image } = this.#options;
    const command = programCommand(sandbox, program, image, entry);
    const filter = sandbox === undefined ? undefined : openFilter(sandbox);
    const padding: 'ignore'[] = stdio.length === 4 ? ['ignore'] : [];
    const descriptors = filter === undefined ? stdio : [...stdio, ...padding, filter];
    try {
      return spawn(command.file, command.arguments, {
        cwd: image,
        env: {},
        stdio: descriptors,
        serialization: 'advanced',
      });
    } finally {
      if (filter !== undefined) closeSync(filter);
    }
  }

  #tell(message: PlatformMessage, handle?: Socket): void {
    if (!this.#vault.connected) return;
    // A failure to send means that the vault is going; its exit is handled.
    this.#vault.send(message, handle, undefined, () => undefined);
  }

  #receive(message: EnclaveMessage): void {
    if (message.type === 'collect') void this.#collect(message.id, message.reportData);
    else if (message.type === 'start-engine') this.#startEngine(message.id);
    else if (message.type === 'stop-engine') this.#engines.get(message.engine)?.kill('SIGKILL');
  }

  async #collect(id: number, reportData: Uint8Array): Promise<void> {
    let collected: CollectedEvidence;
    try {
      collected = await this.#options.collect(reportData);
    } catch (error) {
      // Kept with what the platform said last, for the validator's operator.
      process.stderr.write(`no evidence: ${error instanceof Error ? error.message : String(error)}\n`);
      this.#tell({ type: 'failed', id });
      return;
    }
    this.#tell({ type: 'evidence', id, ...collected });
  }

  #startEngine(id: number): void {
    const engine = this.#nextEngine++;
    const child = this.#spawn('engine', ENGINE_PROGRAM, ['pipe', 'ignore', 'ignore', 'pipe']);
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
    for (const child of this.#engines.values()) {
      if (child.pid === undefined) continue;
      if ((await residentBytes(child.pid)) > this.#options.memoryMibMax * MEBIBYTE) child.kill('SIGKILL');
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
