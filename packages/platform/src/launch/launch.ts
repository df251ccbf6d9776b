/**
 * Starting an enclave from a validator process, and ending it.
 *
 * The validator starts a platform process and keeps two channels: one to the platform for orders, one that the platform hands
 * on to the enclave. Both sides end when either channel does, so nothing outlives a validator that is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { ChannelError, callBy, MESSAGE_BYTES_MAX, RpcChannel } from '@cloister/enclave';
import { type AccountId, CodedError, type Digest, type Measurement } from '@cloister/encoding';
import type { EnclavePort } from '@cloister/validator';
import { pinnedNode } from '../image/pinned-node.ts';
import type { MachineOrder } from '../machines/machine-order.ts';
import { type LaunchAnswer, PLATFORM_ORDERS } from '../process/platform-orders.ts';
import type { TamperedImage } from '../process/sealed-image.ts';
import { ChannelEnclavePort } from './port.ts';

/** Without warnings of what is experimental, and without a debugger that a signal starts. */
const PLATFORM_FLAGS = ['--no-warnings', '--disable-sigusr1'];
const LAUNCH_TIMEOUT_MS = 60_000;
const STDERR_BYTES_KEPT = 4_096;
const DEFAULT_CALL_TIMEOUT_MS = 120_000;

export interface LaunchOptions {
  readonly imageDirectory: string;
  /** Stands in the command lines of vault and engines, so that an operator sees whose they are; the image's directory. */
  readonly label?: string;
  readonly machine: MachineOrder;
  readonly genesis: Uint8Array;
  readonly nodeId: AccountId;
  /** 'measure' starts a tampered image under the measurement that it has; see `TamperedImage`. */
  readonly tampered?: TamperedImage;
  /** Paths of bubblewrap to try in place of the usual ones; empty for no sandbox. */
  readonly bubblewrap?: readonly string[];
  /** After which a call counts as unanswered. */
  readonly callTimeoutMs?: number;
}

/** The platform could not launch the image; `code` is the platform's own where it gave one. */
export class EnclaveLaunchError extends CodedError<string> {}

export interface LaunchedEnclave {
  readonly port: EnclavePort;
  /** What evidence of its platform shows for the image. */
  readonly measurement: Measurement;
  readonly image: Digest;
  /** False: status lines say UNISOLATED. */
  readonly isolated: boolean;
  /** Process ids; `engines` of those that run now. */
  readonly pids: {
    readonly platform: number;
    readonly enclave: number;
    engines(): Promise<readonly number[]>;
  };
  /** Resolves when platform and enclave are gone, for whatever reason. */
  readonly exited: Promise<void>;
  /** Ends platform, enclave and engines. */
  stop(): Promise<void>;
}

function platformProgram(): string {
  const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js';
  return join(import.meta.dirname, '..', 'process', `clean-start.${extension}`);
}

/** What the platform wrote to its standard error last. */
function keepStderr(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-STDERR_BYTES_KEPT);
  });
  return () => text;
}

/** Its paths from the root: the platform has a working folder of its own. */
function absolute(machine: MachineOrder): MachineOrder {
  if (machine.kind === 'simulated') return { ...machine, deviceSeedFile: resolve(machine.deviceSeedFile) };
  const { endorsements } = machine;
  const directory = resolve(endorsements.directory);
  return { ...machine, path: resolve(machine.path), endorsements: { ...endorsements, directory } };
}

async function orderLaunch(orders: RpcChannel, options: LaunchOptions): Promise<LaunchAnswer> {
  const order = {
    imageDirectory: resolve(options.imageDirectory),
    label: options.label ?? resolve(options.imageDirectory),
    nodeId: options.nodeId,
    machine: absolute(options.machine),
    tampered: options.tampered ?? 'refuse',
    bubblewrap: options.bubblewrap ?? null,
    genesis: options.genesis,
  };
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new EnclaveLaunchError('LAUNCH_TIMEOUT', 'the launch took too long')),
      LAUNCH_TIMEOUT_MS,
    );
  });
  try {
    const answer = await Promise.race([callBy(PLATFORM_ORDERS, orders, 'launch', order), timeout]);
    if (!answer.ok) throw new EnclaveLaunchError(answer.code, answer.detail ?? answer.code);
    return answer.value;
  } finally {
    clearTimeout(timer);
  }
}

/** Launches an enclave on a machine. Throws `EnclaveLaunchError`, and then leaves no process behind. */
export async function launchEnclave(options: LaunchOptions): Promise<LaunchedEnclave> {
  const child = spawn(pinnedNode(), [...PLATFORM_FLAGS, platformProgram()], {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C reaches the validator, which ends its enclave when it is ready to.
    detached: true,
  });
  const stderr = keepStderr(child);
  const exited = new Promise<void>((resolve) => {
    child.on('exit', () => resolve());
    child.on('error', () => resolve());
  });
  const orders = new RpcChannel(child.stdio[4] as unknown as Socket, { messageBytesMax: MESSAGE_BYTES_MAX });
  const enclave = new RpcChannel(child.stdio[3] as unknown as Socket, { messageBytesMax: MESSAGE_BYTES_MAX });
  const stop = async (): Promise<void> => {
    enclave.close();
    orders.close();
    await exited;
  };
  let launched: LaunchAnswer;
  try {
    launched = await orderLaunch(orders, options);
  } catch (cause) {
    await stop();
    if (!(cause instanceof ChannelError)) throw cause;
    throw new EnclaveLaunchError('PLATFORM_GONE', `the platform process ended: ${stderr()}`, { cause });
  }
  return {
    port: new ChannelEnclavePort(enclave, options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS),
    measurement: launched.measurement,
    image: launched.image,
    isolated: launched.isolated,
    pids: {
      platform: child.pid ?? 0,
      enclave: launched.enclavePid,
      engines: async () => {
        const answer = await callBy(PLATFORM_ORDERS, orders, 'pids', {});
        return answer.ok ? answer.value.engines : [];
      },
    },
    exited,
    stop,
  };
}
