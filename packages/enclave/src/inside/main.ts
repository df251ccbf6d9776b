/**
 * The program inside the enclave: keys, light client, sealing, receipts. Bundled into the image as `enclave.mjs`.
 *
 * What is open in it stands in channel/descriptors.ts; the platform is reached over Node's own channel to the parent. Whichever of
 * the two ends, the process ends, and its keys with it.
 */
import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import {
  VAULT_PLATFORM_DESCRIPTOR,
  VAULT_STARTER_DESCRIPTOR,
  VAULT_VALIDATOR_DESCRIPTOR,
} from '../channel/descriptors.ts';
import { MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { RpcChannel } from '../channel/rpc.ts';
import { beginProgram } from '../process/begin-program.ts';
import { createEnclave } from './enclave.ts';
import { PlatformLink } from './platform-link.ts';

const DESCRIPTORS = {
  starter: VAULT_STARTER_DESCRIPTOR,
  given: [VAULT_VALIDATOR_DESCRIPTOR, VAULT_PLATFORM_DESCRIPTOR],
} as const;
const LIMITS = { descriptors: 256, writesNothing: true } as const;

const foreign = beginProgram(DESCRIPTORS, LIMITS);
process.permission?.drop('fs.read');
const { link, launch } = await PlatformLink.open();
const enclave = createEnclave(launch, link, (length) => new Uint8Array(randomBytes(length)));
if (foreign.length > 0) link.tell({ type: 'refused', code: 'DESCRIPTORS_OPEN' });
else if (!enclave.ok) link.tell({ type: 'refused', code: enclave.code });
else {
  const stream = new Socket({ fd: VAULT_VALIDATOR_DESCRIPTOR, readable: true, writable: true });
  new RpcChannel(stream, {
    messageBytesMax: MESSAGE_BYTES_MAX,
    onCall: enclave.value,
    onClose: () => process.exit(0),
  });
  link.tell({ type: 'launched' });
}
