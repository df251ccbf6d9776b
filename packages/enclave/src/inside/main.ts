/**
 * The program inside the enclave: keys, light client, sealing, receipts. Bundled into the image as `enclave.mjs`.
 *
 * Descriptor 3 is the channel to the validator; the platform is reached over Node's own channel to the parent. Whichever of
 * the two ends, the process ends, and its keys with it.
 */
import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import { ENCLAVE_MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { RpcChannel } from '../channel/rpc.ts';
import { createEnclave } from './enclave.ts';
import { PlatformLink } from './platform-link.ts';

const VALIDATOR_DESCRIPTOR = 3;

const { link, launch } = await PlatformLink.open();
const enclave = createEnclave(launch, link, (length) => new Uint8Array(randomBytes(length)));
if (!enclave.ok) link.tell({ type: 'refused', code: enclave.code });
else {
  const stream = new Socket({ fd: VALIDATOR_DESCRIPTOR, readable: true, writable: true });
  new RpcChannel(stream, {
    messageBytesMax: ENCLAVE_MESSAGE_BYTES_MAX,
    onCall: enclave.value,
    onClose: () => process.exit(0),
  });
  link.tell({ type: 'launched' });
}
