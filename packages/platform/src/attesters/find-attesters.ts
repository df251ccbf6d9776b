/**
 * Finds out what a machine can do: for each way to get evidence that this project knows, whether the machine has it and
 * whether this process can use it.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Platform } from '@cloister/attestation';
import { AttesterError } from './attester-error.ts';
import { TSM_DIRECTORY, tsmProviderName } from './configfs-tsm.ts';
import { DSTACK_SOCKET } from './dstack-socket.ts';

export type AttestationWayName =
  | 'configfs-tsm'
  | 'dstack'
  | 'sgx-device'
  | 'sev-guest-device'
  | 'tdx-guest-device'
  | 'nitro-device'
  | 'simulated';

export interface AttestationWay {
  readonly name: AttestationWayName;
  /** What was looked at. */
  readonly paths: readonly string[];
  /** All of it is there. */
  readonly present: boolean;
  /** This build can collect with it, in this process. */
  readonly usable: boolean;
  /** Undefined where it is not known, and for simulated platforms, of which there is every kind. */
  readonly platform: Platform | undefined;
  /** As the kernel names it, through configfs-tsm. */
  readonly provider: string | undefined;
  /** True: evidence of this way is worth nothing. Shown as SIMULATED. */
  readonly simulated: boolean;
  /** For people. */
  readonly reason: string;
}

/** Questions to the machine; paths that are not there are answered like all others. */
export interface MachineProbe {
  kindOf(path: string): Promise<'absent' | 'directory' | 'socket' | 'device' | 'other'>;
  isWritable(path: string): Promise<boolean>;
  /** Whether somebody listens. */
  accepts(socketPath: string): Promise<boolean>;
  /** Rejects with `AttesterError`. */
  tsmProvider(directory: string): Promise<string>;
}

const CONNECT_TIMEOUT_MS = 2000;

export const NODE_MACHINE_PROBE: MachineProbe = {
  kindOf: async (path) => {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) return 'absent';
    if (found.isDirectory()) return 'directory';
    if (found.isSocket()) return 'socket';
    return found.isCharacterDevice() ? 'device' : 'other';
  },
  isWritable: (path) =>
    access(path, constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    ),
  accepts: (socketPath) =>
    new Promise((resolve) => {
      const socket = connect({ path: socketPath, timeout: CONNECT_TIMEOUT_MS });
      const answer = (accepted: boolean): void => {
        socket.destroy();
        resolve(accepted);
      };
      socket.once('connect', () => answer(true));
      socket.once('error', () => answer(false));
      socket.once('timeout', () => answer(false));
    }),
  tsmProvider: (directory) => tsmProviderName({ directory }),
};

/** Where each interface is looked for. */
export interface MachinePaths {
  readonly tsm: string;
  readonly dstack: string;
}

interface Device {
  readonly name: AttestationWayName;
  readonly paths: readonly string[];
  readonly platform: Platform;
  readonly reason: string;
}

const DEVICES: readonly Device[] = [
  {
    name: 'sgx-device',
    paths: ['/dev/sgx_enclave', '/dev/sgx_provision'],
    platform: 'sgx',
    reason: 'this build verifies SGX quotes and has no attester that makes them',
  },
  {
    name: 'sev-guest-device',
    paths: ['/dev/sev-guest'],
    platform: 'sev-snp',
    reason: 'this build collects through configfs-tsm, not through the device',
  },
  {
    name: 'tdx-guest-device',
    paths: ['/dev/tdx_guest'],
    platform: 'tdx',
    reason: 'this build collects through configfs-tsm or dstack, not through the device',
  },
  {
    name: 'nitro-device',
    paths: ['/dev/nsm'],
    platform: 'nitro',
    reason: 'this build verifies Nitro documents and has no attester that asks for them',
  },
];

const PROVIDER_PLATFORMS: ReadonlyMap<string, Platform> = new Map([
  ['tdx_guest', 'tdx'],
  ['sev_guest', 'sev-snp'],
]);

/** Every way, the usable ones among the real before the simulated, in a fixed order. Never rejects for what a machine lacks. */
export async function findAttesters(
  options: { readonly paths?: Partial<MachinePaths>; readonly probe?: MachineProbe } = {},
): Promise<readonly AttestationWay[]> {
  const { probe = NODE_MACHINE_PROBE } = options;
  const { tsm = TSM_DIRECTORY, dstack = DSTACK_SOCKET } = options.paths ?? {};
  return [
    await findTsm(probe, tsm),
    await findDstack(probe, dstack),
    ...(await Promise.all(DEVICES.map((device) => findDevice(probe, device)))),
    {
      name: 'simulated',
      paths: [],
      present: true,
      usable: true,
      platform: undefined,
      provider: undefined,
      simulated: true,
      reason: 'SIMULATED: keys of the simulated platforms are public, and their evidence proves nothing',
    },
  ];
}

async function findTsm(probe: MachineProbe, directory: string): Promise<AttestationWay> {
  const way = {
    name: 'configfs-tsm',
    paths: [directory],
    present: true,
    usable: false,
    platform: undefined,
    provider: undefined,
    simulated: false,
  } as const;
  if ((await probe.kindOf(directory)) !== 'directory') {
    return { ...way, present: false, reason: 'no such directory: no confidential guest, or a kernel before 6.7' };
  }
  if (!(await probe.isWritable(directory))) return { ...way, reason: 'this process may not write there; root may' };
  try {
    const provider = await probe.tsmProvider(directory);
    const platform = PROVIDER_PLATFORMS.get(provider);
    return platform === undefined
      ? { ...way, provider, reason: 'evidence of this provider is not verified by this build' }
      : { ...way, provider, platform, usable: true, reason: 'collects evidence' };
  } catch (error) {
    if (!(error instanceof AttesterError)) throw error;
    return { ...way, reason: `no provider answers: ${error.message}` };
  }
}

async function findDstack(probe: MachineProbe, socketPath: string): Promise<AttestationWay> {
  const way = {
    name: 'dstack',
    paths: [socketPath],
    present: true,
    usable: false,
    platform: 'tdx',
    provider: undefined,
    simulated: false,
  } as const;
  if ((await probe.kindOf(socketPath)) !== 'socket') return { ...way, present: false, reason: 'no such socket' };
  if (!(await probe.isWritable(socketPath))) return { ...way, reason: 'this process may not use the socket' };
  return (await probe.accepts(socketPath))
    ? { ...way, usable: true, reason: 'collects evidence' }
    : { ...way, reason: 'nobody listens' };
}

async function findDevice(probe: MachineProbe, device: Device): Promise<AttestationWay> {
  const { name, paths, platform } = device;
  const kinds = await Promise.all(paths.map((path) => probe.kindOf(path)));
  const missing = paths.filter((_, index) => kinds[index] !== 'device');
  const present = missing.length === 0;
  const reason = present ? device.reason : `no device ${missing.join(' and ')}`;
  return { name, paths, present, usable: false, platform, provider: undefined, simulated: false, reason };
}
