/**
 * The sealed response of a completed task: from the ledger, or from whichever node gives the right bytes. A node asks the validators
 * that said to hold it, so the executor is not needed for it.
 */
import { contentDigest, LARGEST_SEALED_BYTES } from '@cloister/confidential';
import { type AccountId, type Digest, parseBase64 } from '@cloister/encoding';
import type { ReceiptAccepted } from '@cloister/ledger';
import type { ClientContext } from '../context.ts';
import { ClientError, isTransientError } from '../errors.ts';
import type { NodeApi } from '../node/api.ts';
import type { Deadline } from '../node/polling.ts';

/** Between two rounds through the nodes, each of which may be busy with fetches of others. */
const PAUSE_MS = 2_000;

type Accepted = Pick<ReceiptAccepted, 'response' | 'holders'>;

/** The validators that signed that they hold the response; none when it stands on the ledger. */
export function holdersOf(accepted: readonly Accepted[]): readonly AccountId[] {
  return [...new Set(accepted.flatMap(({ holders }) => holders))];
}

/** Throws BLOB_MISSING when no node has it in time, and BLOB_MISMATCH for other bytes. */
export async function fetchResponse(
  { nodes, edge }: Pick<ClientContext, 'nodes' | 'edge'>,
  accepted: readonly Accepted[],
  digest: Digest,
  deadline: Deadline,
): Promise<Uint8Array> {
  const { transaction } = deadline;
  const checked = (bytes: Uint8Array): Uint8Array => {
    if (contentDigest(bytes) !== digest) throw new ClientError('BLOB_MISMATCH', undefined, { transaction });
    return bytes;
  };
  const inline = accepted.map(({ response }) => response).find((response) => response !== null);
  if (inline !== undefined) return checked(parseBase64(inline) ?? new Uint8Array(0));
  let mayPass = false;
  const ask = async (node: NodeApi): Promise<Uint8Array> => {
    const bytes = await node.getBlob(digest, LARGEST_SEALED_BYTES);
    if (bytes !== undefined) return checked(bytes);
    const holders = holdersOf(accepted);
    throw new ClientError('BLOB_MISSING', [digest, ...holders.map((id) => `held by ${id}`)].join(', '), {
      transaction,
    });
  };
  // One node that lies must not end the asking: as long as any other may have the response later, it is asked again.
  const noting = async (node: NodeApi): Promise<Uint8Array> => {
    try {
      return await ask(node);
    } catch (error) {
      mayPass ||= isTransientError(error) || (error instanceof ClientError && error.code === 'BLOB_MISSING');
      throw error;
    }
  };
  for (;;) {
    mayPass = false;
    try {
      return await nodes.first(noting);
    } catch (error) {
      if (!mayPass || edge.nowMs() + PAUSE_MS > deadline.atMs) throw error;
      await edge.sleep(PAUSE_MS);
    }
  }
}
