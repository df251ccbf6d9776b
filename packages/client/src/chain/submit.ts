/**
 * Signing a transaction, handing it in, and learning its fate. The same signed bytes are handed in again when the node
 * forgot them: a transaction executes once, whatever is sent.
 */
import { asHeight, type Digest, toHex } from '@cloister/encoding';
import {
  type LedgerEvent,
  type LedgerEventType,
  type PayloadByKind,
  settledBy,
  signTransaction,
  signUploadClaim,
  type Transaction,
  type TransactionFields,
  type TransactionKind,
} from '@cloister/ledger';
import type { ClientContext } from '../context.ts';
import { ClientError } from '../errors.ts';
import { type Deadline, poll } from '../node/polling.ts';
import type { Head, ProvenEvent } from './trusted-chain.ts';

/** Blocks after which a transaction of the SDK can no longer be executed. */
const EXPIRY_BLOCKS = 300;
/** Polls in a row that answer UNKNOWN before the transaction is handed in again. */
const UNKNOWN_BEFORE_RESUBMIT = 8;

/** Last height at which a transaction signed now may be executed. */
export function expiryHeightAfter(context: ClientContext, head: Head): ReturnType<typeof asHeight> {
  const window = context.chain.genesis.genesis.params.transactionWindow;
  return asHeight(head.height + Math.min(EXPIRY_BLOCKS, Math.max(1, window - 1)));
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
  head: Head,
): Promise<void> {
  const expiryHeight = asHeight(head.height + UPLOAD_BLOCKS);
  const claim = { chainId: chain.chainId, account: keyPair.id, digest, size: bytes.length, expiryHeight };
  await api.putBlob(bytes, { digest, claim: signUploadClaim(keyPair, claim) });
}

/**
 * Waits for the event that settled the transaction, and proves it. A node's word on the fate only says where to look: a rejection
 * counts when its event is proven, and an expiry when the proven chain is past the last height.
 * Throws TRANSACTION_REJECTED and TRANSACTION_EXPIRED.
 */
export async function awaitSettled(
  { nodes, chain, edge }: ClientContext,
  transaction: Transaction,
  deadline: Deadline,
): Promise<ProvenEvent<LedgerEvent>> {
  const options = { transaction: transaction.id };
  let unknown = 0;
  const sequence = await poll(edge, deadline, 'the transaction is not executed', (attempt) =>
    nodes.inTurn(attempt, async (api) => {
      const found = await api.transactionFate(transaction.id);
      switch (found.fate) {
        case 'COMMITTED':
        case 'REJECTED':
          return found.sequence;
        case 'EXPIRED':
          await chain.head(deadline);
          if (chain.trustedHeight <= transaction.expiryHeight) return undefined;
          throw new ClientError('TRANSACTION_EXPIRED', undefined, options);
        case 'PENDING':
          unknown = 0;
          return undefined;
        case 'UNKNOWN':
          if (++unknown % UNKNOWN_BEFORE_RESUBMIT === 0) await api.submitTransaction(transaction.bytes);
          return undefined;
      }
    }),
  );
  const proven = await chain.eventAt(sequence, deadline);
  const { event } = proven;
  if (settledBy(event)?.id !== transaction.id) {
    throw new ClientError('EVENT_MISMATCH', 'of another transaction', options);
  }
  if (event.type === 'TransactionRejected') {
    throw new ClientError('TRANSACTION_REJECTED', `${event.code} ${event.detail}`.trim(), options);
  }
  return proven;
}

/** Hands in, waits, and proves the event that the transaction became, of the type that is expected. */
export async function submitAndProve<T extends LedgerEventType>(
  context: ClientContext,
  transaction: Transaction,
  type: T,
  deadline: Deadline,
): Promise<ProvenEvent<Extract<LedgerEvent, { type: T }>>> {
  await context.api.submitTransaction(transaction.bytes);
  return ofType(await awaitSettled(context, transaction, deadline), type);
}

/** The event as one of the types that are expected. */
export function ofType<T extends LedgerEventType>(
  { event, ...where }: ProvenEvent<LedgerEvent>,
  ...types: readonly T[]
): ProvenEvent<Extract<LedgerEvent, { type: T }>> {
  if (!isOneOf(event, types)) throw new ClientError('EVENT_MISMATCH', event.type);
  return { ...where, event };
}

function isOneOf<T extends LedgerEventType>(
  event: LedgerEvent,
  types: readonly T[],
): event is Extract<LedgerEvent, { type: T }> {
  return types.some((type) => type === event.type);
}
