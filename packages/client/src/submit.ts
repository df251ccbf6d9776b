/**
 * Signing a transaction, handing it in, and learning its fate. The same signed bytes are handed in again when the node
 * forgot them: a transaction executes once, whatever is sent.
 */
import { asHeight, type Digest, type JsonValue, toHex } from '@cloister/crypto';
import {
  type LedgerEvent,
  type PayloadByKind,
  settledBy,
  signTransaction,
  signUploadClaim,
  type Transaction,
  type TransactionFields,
  type TransactionKind,
} from '@cloister/ledger';
import type { NodeStatus } from './api.ts';
import type { ClientContext } from './context.ts';
import { ClientError } from './errors.ts';
import { type Deadline, poll } from './polling.ts';
import type { ProvenEvent } from './trusted-chain.ts';

/** Blocks after which a transaction of the SDK can no longer be executed. */
const EXPIRY_BLOCKS = 300;
/** Polls in a row that answer UNKNOWN before the transaction is handed in again. */
const UNKNOWN_BEFORE_RESUBMIT = 8;

/** Blocks that a node may be ahead of the newest header that it proves. */
const UNPROVEN_BLOCKS_MAX = 16;

/**
 * The node's status, when it is of the trusted chain. Its height is believed to a little beyond what the node proves: a
 * transaction that is made to expire far ahead could be kept back and handed in long after its sender gave it up.
 */
export async function trustedStatus({ api, chain }: ClientContext): Promise<NodeStatus> {
  const status = await api.status();
  if (status.chainId !== chain.chainId) throw new ClientError('GENESIS_MISMATCH', `the node follows ${status.chainId}`);
  await chain.follow();
  return { ...status, height: Math.min(status.height, chain.trustedHeight + UNPROVEN_BLOCKS_MAX) };
}

/** Last height at which a transaction signed now may be executed. */
export function expiryHeightAfter(context: ClientContext, status: NodeStatus): ReturnType<typeof asHeight> {
  const window = context.chain.genesis.genesis.params.transactionWindow;
  return asHeight(status.height + Math.min(EXPIRY_BLOCKS, Math.max(1, window - 1)));
}

/** Signs as the caller, with a fresh nonce. */
export function sign<K extends TransactionKind>(
  { chain, keyPair, edge }: ClientContext,
  kind: K,
  payload: PayloadByKind[K],
  expiryHeight: ReturnType<typeof asHeight>,
): Transaction {
  const nonce = toHex(edge.randomBytes(16));
  const fields = {
    chainId: chain.chainId,
    sender: keyPair.id,
    nonce,
    expiryHeight,
    kind,
    payload,
  } as TransactionFields;
  const signed = signTransaction(keyPair, fields);
  if (!signed.ok) throw new ClientError('TRANSACTION_INVALID', [signed.code, signed.detail].filter(Boolean).join(' '));
  return signed.value;
}

/** Blocks within which an upload must have begun. */
const UPLOAD_BLOCKS = 300;

/** Hands a blob to the node under the caller's claim: a node keeps blobs for accounts that the chain knows. */
export async function uploadBlob(
  { api, chain, keyPair }: ClientContext,
  bytes: Uint8Array,
  digest: Digest,
  status: NodeStatus,
): Promise<void> {
  const expiryHeight = asHeight(status.height + UPLOAD_BLOCKS);
  const claim = { chainId: chain.chainId, account: keyPair.id, digest, size: bytes.length, expiryHeight };
  await api.putBlob(bytes, { digest, claim: signUploadClaim(keyPair, claim) });
}

/** Waits until the node says that the transaction was executed. Throws when it was rejected or has expired. */
export async function awaitCommitted(
  { api, edge }: ClientContext,
  transaction: { readonly id: Digest; readonly bytes: Uint8Array },
  deadline: Deadline,
): Promise<void> {
  const options = { transaction: transaction.id };
  let unknown = 0;
  await poll(edge, deadline, 'the transaction is not executed', async () => {
    const fate = await api.transactionFate(transaction.id);
    switch (fate.fate) {
      case 'COMMITTED':
        return true;
      case 'REJECTED':
        throw new ClientError('TRANSACTION_REJECTED', `${fate.code} ${fate.detail}`.trim(), options);
      case 'EXPIRED':
        throw new ClientError('TRANSACTION_EXPIRED', undefined, options);
      case 'PENDING':
        unknown = 0;
        return undefined;
      case 'UNKNOWN':
        if (++unknown % UNKNOWN_BEFORE_RESUBMIT === 0) await api.submitTransaction(transaction.bytes);
        return undefined;
    }
  });
}

/** Hands in, waits, and proves the event that the transaction became. */
export async function submitAndProve<T extends 'ModelPublished' | 'ModelKeyGrantAuthorised' | 'RecordPut'>(
  context: ClientContext,
  transaction: Transaction,
  expected: { readonly type: T; readonly from: number; readonly deadline: Deadline },
): Promise<ProvenEvent<Extract<LedgerEvent, { type: T }>>> {
  await context.api.submitTransaction(transaction.bytes);
  await awaitCommitted(context, transaction, expected.deadline);
  const isOwn = (payload: { readonly [key: string]: JsonValue }): boolean => payload.transaction === transaction.id;
  const proven = await context.chain.find(expected.type, expected.from, isOwn, expected.deadline);
  if (settledBy(proven.event)?.id !== transaction.id) throw new ClientError('EVENT_MISMATCH', 'of another transaction');
  return proven;
}
