/**
 * The platform: a process of its own that stands for the machine, or asks the one that it runs in.
 *
 * Simulated, it measures an image, runs what it measured, holds the device key, and signs evidence only for that measurement.
 * On hardware the machine signs, and only an image that its evidence names is started. Either way evidence is given only when
 * that enclave asks, over a channel that the validator process does not hold. Descriptor 3 is the validator's channel to the
 * enclave, handed on unread; 4 takes the validator's orders: `launch`, then `pids`. When 4 ends, everything ends.
 */
import { rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { assert, fail, ok, type Result } from '@cloister/crypto';
import { parseGenesis } from '@cloister/ledger';
import { AttesterError } from '../attesters/attester-error.ts';
import { HOST_MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { headOnly, type Payload, RpcChannel } from '../channel/rpc.ts';
import { ImageError } from '../image/image-error.ts';
import { EnclaveProcess } from './enclave-process.ts';
import { ImageNotEnforcedError, launchOnHardware } from './hardware-machine.ts';
import { type LaunchOrder, parseLaunchOrder } from './launch-order.ts';
import type { LaunchedDevice } from './launched-device.ts';
import type { MachineOrder } from './machine-order.ts';
import { makePrivateCopy } from './private-copy.ts';
import { findSandbox } from './sandbox.ts';
import { DeviceSeedError, launchDevice, readDeviceSeed } from './simulated-device.ts';

const VALIDATOR_DESCRIPTOR = 3;
const ORDERS_DESCRIPTOR = 4;

class LaunchGenesisError extends Error {
  readonly code = 'LAUNCH_GENESIS';
}

let enclave: EnclaveProcess | undefined;
let copyDirectory: string | undefined;

let ending = false;

/** Ends the enclave, removes the copy, and ends. */
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  await enclave?.kill();
  if (copyDirectory !== undefined) rmSync(copyDirectory, { recursive: true, force: true });
  process.exit(0);
}

async function deviceOf(
  machine: MachineOrder,
  seed: Uint8Array | undefined,
  manifest: Uint8Array,
  genesisBytes: Uint8Array,
): Promise<LaunchedDevice> {
  if (machine.kind === 'simulated') {
    assert(seed !== undefined, 'the seed was read');
    return launchDevice(seed, machine, manifest, Date.now);
  }
  const genesis = parseGenesis(genesisBytes);
  if (!genesis.ok) throw new LaunchGenesisError(genesis.detail ?? genesis.code);
  return launchOnHardware(machine, genesis.value.genesis.trustAnchors, manifest);
}

async function launch(order: LaunchOrder, genesis: Uint8Array): Promise<Result<Payload>> {
  const { machine } = order;
  // Before anything is copied.
  const seed = machine.kind === 'simulated' ? await readDeviceSeed(machine.deviceSeedFile) : undefined;
  const copy = await makePrivateCopy(order.imageDirectory, order.dataDirectory, order.tampered);
  copyDirectory = copy.directory;
  const device = await deviceOf(machine, seed, copy.manifestBytes, genesis);
  const { platform, product, measurement, image } = device;
  const sandbox = await findSandbox(copy.directory, copy.directory, order.bubblewrap);
  const isolated = sandbox !== undefined;
  enclave = new EnclaveProcess({
    launch: {
      type: 'launch',
      manifest: copy.manifestBytes,
      genesis,
      nodeId: order.nodeId,
      platform,
      product,
      simulated: machine.kind === 'simulated',
      measurement,
      isolated,
    },
    image: copy.directory,
    entry: copy.manifest.entry,
    sandbox,
    memoryMibMax: copy.manifest.limits.memoryMibMax,
    validatorDescriptor: VALIDATOR_DESCRIPTOR,
    collect: (reportData) => device.collect(reportData),
    onExit: () => void end(),
  });
  const launched = await enclave.launched;
  if (!launched.ok) return fail(launched.code);
  return ok(headOnly({ measurement, image, isolated, enclavePid: enclave.vaultPid ?? 0 }));
}

type LaunchError = ImageError | DeviceSeedError | AttesterError | ImageNotEnforcedError | LaunchGenesisError;

function isLaunchError(error: unknown): error is LaunchError {
  return [ImageError, DeviceSeedError, AttesterError, ImageNotEnforcedError, LaunchGenesisError].some(
    (kind) => error instanceof kind,
  );
}

async function onCall(method: string, { head, parts }: Payload): Promise<Result<Payload>> {
  if (method === 'pids') return ok(headOnly({ engines: [...(enclave?.enginePids ?? [])] }));
  const order = parseLaunchOrder(head);
  const [genesis] = parts;
  if (method !== 'launch' || order === undefined || genesis === undefined) return fail('LAUNCH_MALFORMED');
  if (copyDirectory !== undefined) return fail('LAUNCHED_ALREADY');
  try {
    return await launch(order, genesis);
  } catch (error) {
    if (isLaunchError(error)) return fail(error.code, error.message);
    return fail('LAUNCH_FAILED', error instanceof Error ? error.message : undefined);
  }
}

process.on('SIGTERM', () => void end());
process.on('SIGINT', () => void end());
new RpcChannel(new Socket({ fd: ORDERS_DESCRIPTOR, readable: true, writable: true }), {
  messageBytesMax: HOST_MESSAGE_BYTES_MAX,
  onCall,
  onClose: () => void end(),
});
