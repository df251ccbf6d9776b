/**
 * The platform: a process of its own that simulates a machine, or asks the confidential guest that it runs in.
 *
 * Simulated, it measures an image, runs what it measured, holds the device key, and signs evidence only for that
 * measurement. On hardware the machine signs, and only an image that its evidence names is started. Either way evidence
 * is given only when that enclave asks, over a channel that the validator process does not hold. Descriptor 3 is the
 * validator's channel to the enclave, handed on unread; 4 takes the validator's orders: `launch`, then `pids`. When 4
 * ends, everything ends.
 */
import { Socket } from 'node:net';
import { answersTo, MESSAGE_BYTES_MAX, RpcChannel } from '@cloister/enclave';
import { foreignDescriptors, openDescriptors, shieldProcess } from '@cloister/enclave/process';
import { assert, CodedError, fail, ok, type Result } from '@cloister/encoding';
import { parseGenesis } from '@cloister/ledger';
import { launchOnHardware } from '../machines/hardware-machine.ts';
import type { LaunchedDevice } from '../machines/launched-device.ts';
import type { MachineOrder } from '../machines/machine-order.ts';
import { launchDevice, readDeviceSeed } from '../machines/simulated-device.ts';
import { EnclaveProcess } from './enclave-process.ts';
import { ORDERS_DESCRIPTOR, PLATFORM_CHANNELS, VALIDATOR_DESCRIPTOR } from './platform-channels.ts';
import { type LaunchAnswer, type LaunchOrder, PLATFORM_ORDERS } from './platform-orders.ts';
import { findSandbox } from './sandbox.ts';
import { sealImage } from './sealed-image.ts';

let enclave: EnclaveProcess | undefined;
let ordered = false;
let ending = false;

/** Ends the enclave, and ends: the sealed image is gone with this process. */
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  await enclave?.kill();
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
  if (!genesis.ok) throw new CodedError('LAUNCH_GENESIS', genesis.detail ?? genesis.code);
  return launchOnHardware(machine, genesis.value.genesis.trustAnchors, manifest);
}

async function launch(order: LaunchOrder): Promise<Result<LaunchAnswer>> {
  const { machine, genesis } = order;
  // Before anything is copied.
  const seed = machine.kind === 'simulated' ? await readDeviceSeed(machine.deviceSeedFile) : undefined;
  const sealed = await sealImage(order.imageDirectory, order.tampered);
  const device = await deviceOf(machine, seed, sealed.manifestBytes, genesis);
  const { platform, product, measurement, image } = device;
  const sandbox = await findSandbox(order.bubblewrap ?? undefined);
  const isolated = sandbox !== undefined;
  enclave = await EnclaveProcess.start({
    launch: {
      type: 'launch',
      manifest: sealed.manifestBytes,
      genesis,
      nodeId: order.nodeId,
      platform,
      product,
      simulated: machine.kind === 'simulated',
      measurement,
      isolated,
    },
    image: sealed,
    label: order.label,
    sandbox,
    validatorDescriptor: VALIDATOR_DESCRIPTOR,
    collect: (reportData) => device.collect(reportData),
    onExit: () => void end(),
  });
  const launched = await enclave.launched;
  if (!launched.ok) return fail(launched.code);
  return ok({ measurement, image, isolated, enclavePid: enclave.vaultPid ?? 0 });
}

/** Takes one order, and never another. */
async function launchOnce(order: LaunchOrder): Promise<Result<LaunchAnswer>> {
  if (ordered) return fail('LAUNCHED_ALREADY');
  ordered = true;
  const [foreign] = foreignAtStart;
  if (foreign !== undefined) return fail('DESCRIPTORS_OPEN', `${foreign.descriptor} is ${foreign.target}`);
  try {
    return await launch(order);
  } catch (error) {
    if (error instanceof CodedError) return fail(error.code, error.message);
    return fail('LAUNCH_FAILED', error instanceof Error ? error.message : undefined);
  }
}

shieldProcess();
// Before this process opens anything itself.
const foreignAtStart = foreignDescriptors(openDescriptors(), PLATFORM_CHANNELS);

process.on('SIGTERM', () => void end());
process.on('SIGINT', () => void end());
new RpcChannel(new Socket({ fd: ORDERS_DESCRIPTOR, readable: true, writable: true }), {
  messageBytesMax: MESSAGE_BYTES_MAX,
  onCall: answersTo(PLATFORM_ORDERS, {
    launch: launchOnce,
    pids: () => ok({ engines: enclave?.enginePids ?? [] }),
  }),
  onClose: () => void end(),
});
