/**
 * The simulated platform: a process of its own that stands for the machine.
 *
 * It measures an image, runs what it measured, holds the device key, and signs evidence only for that measurement and only
 * when that enclave asks, over a channel that the validator process does not hold. Descriptor 3 is the validator's channel to
 * the enclave, handed on unread; 4 takes the validator's orders: `launch`, then `pids`. When 4 ends, everything ends.
 */
import { rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { imageDigest, imageMeasurement } from '@cloister/confidential';
import { fail, ok, type Result } from '@cloister/crypto';
import { HOST_MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { headOnly, type Payload, RpcChannel } from '../channel/rpc.ts';
import { ImageError } from '../image/image-error.ts';
import { EnclaveProcess } from './enclave-process.ts';
import { type LaunchOrder, parseLaunchOrder } from './launch-order.ts';
import { makePrivateCopy } from './private-copy.ts';
import { findSandbox } from './sandbox.ts';
import { DeviceSeedError, LaunchedDevice, readDeviceSeed } from './simulated-device.ts';

const VALIDATOR_DESCRIPTOR = 3;
const ORDERS_DESCRIPTOR = 4;

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

async function launch(order: LaunchOrder, genesis: Uint8Array): Promise<Result<Payload>> {
  const seed = await readDeviceSeed(order.deviceSeedFile);
  const copy = await makePrivateCopy(order.imageDirectory, order.dataDirectory, order.tampered);
  copyDirectory = copy.directory;
  const measurement = imageMeasurement(copy.manifestBytes);
  const image = imageDigest(copy.manifestBytes);
  const device = new LaunchedDevice(seed, order.product, { measurement, image });
  const sandbox = await findSandbox(copy.directory, copy.directory, order.bubblewrap);
  const isolated = sandbox !== undefined;
  enclave = new EnclaveProcess({
    launch: {
      type: 'launch',
      manifest: copy.manifestBytes,
      genesis,
      nodeId: order.nodeId,
      product: order.product,
      isolated,
    },
    image: copy.directory,
    entry: copy.manifest.entry,
    sandbox,
    memoryMibMax: copy.manifest.limits.memoryMibMax,
    validatorDescriptor: VALIDATOR_DESCRIPTOR,
    collect: (reportData) => device.collect(reportData, Date.now()),
    onExit: () => void end(),
  });
  const launched = await enclave.launched;
  if (!launched.ok) return fail(launched.code);
  return ok(headOnly({ measurement, image, isolated, enclavePid: enclave.vaultPid ?? 0 }));
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
    if (error instanceof ImageError || error instanceof DeviceSeedError) return fail(error.code, error.message);
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
