/**
 * A validator's signed statement that it holds and serves a sealed response which is too large for the ledger.
 *
 * Signed bytes: "CLOISTER/HOLDING/1\0" ‖ chainId 32 ‖ task 32 ‖ responseDigest 32, by the holder's validator key. Text
 * form: the holder in hex ‖ the signature in base64.
 *
 * The digest says which bytes they are, so a holder that was shown other bytes has signed another statement. Executors
 * of one task whose outputs are equal have one sealed response, and so may show the same statements.
 */

import { type Ed25519KeyPair, verifyEd25519Exact } from '@cloister/crypto';
import {
  type AccountId,
  accountBytes,
  asValidatorId,
  ByteWriter,
  type Digest,
  parseAccountId,
  parseBase64,
  toBase64,
  utf8,
} from '@cloister/encoding';
import { settingsOf } from '../state/settings-of.ts';
import type { LedgerState } from '../state/state.ts';

const PREFIX: Uint8Array = utf8('CLOISTER/HOLDING/1\0');
const SIGNATURE_BYTES = 64;
const HOLDER_LENGTH = 64;

/** What is held, and for which task of which chain. */
export interface HeldResponse {
  readonly chainId: Digest;
  readonly task: Digest;
  /** SHA-256 of the sealed response. */
  readonly responseDigest: Digest;
}

function signedBytes({ chainId, task, responseDigest }: HeldResponse): Uint8Array {
  return new ByteWriter(128).fixed(PREFIX).digest(chainId).digest(task).digest(responseDigest).finish();
}

/** The text form, signed by the holder. */
export function signHolding(keyPair: Ed25519KeyPair, held: HeldResponse): string {
  return `${keyPair.id}${toBase64(keyPair.sign(signedBytes(held)))}`;
}

/** The holder, when it signed just this. */
export function verifyHolding(text: string, held: HeldResponse): AccountId | undefined {
  const holder = parseAccountId(text.slice(0, HOLDER_LENGTH));
  const signature = parseBase64(text.slice(HOLDER_LENGTH));
  if (holder === undefined || signature?.length !== SIGNATURE_BYTES) return undefined;
  return verifyEd25519Exact(accountBytes(holder), signedBytes(held), signature) ? holder : undefined;
}

type Members = Pick<LedgerState, 'members'>;

function weightOf({ members }: Members, id: AccountId): number {
  return members.get(asValidatorId(id))?.weight ?? 0;
}

/**
 * Whether these validators are enough, so that one of them is honest as long as the network is: weight of a third without the
 * executor's own, which may be the one that withholds. An executor of so much weight that the others may be too few, with the
 * faulty among them silent, is itself one that must be honest; so the others need only what the honest ones of them surely have.
 */
export function isHeldByEnough({ members }: Members, executor: AccountId, holders: readonly AccountId[]): boolean {
  let total = 0;
  let others = 0;
  for (const { id, weight } of members.values()) {
    total += weight;
    if (id !== executor) others += weight;
  }
  const third = Math.ceil(total / 3);
  const needed = Math.min(third, Math.max(0, others - (third - 1)));
  const counted = [...new Set(holders)].filter((holder) => holder !== executor);
  return counted.reduce((sum, holder) => sum + weightOf({ members }, holder), 0) >= needed;
}

/**
 * The validators that signed, up to the first statement that is not one of a validator about this response: the
 * statements after a false one are not read, so that a list costs everybody at most one failed check.
 */
export function validHolders(
  state: LedgerState,
  executor: AccountId,
  about: Omit<HeldResponse, 'chainId'>,
  holdings: readonly string[],
): readonly AccountId[] {
  const { chainId } = settingsOf(state);
  const holders: AccountId[] = [];
  for (const holding of holdings) {
    const claimed = parseAccountId(holding.slice(0, HOLDER_LENGTH));
    if (claimed === undefined || claimed === executor || weightOf(state, claimed) === 0) break;
    const holder = verifyHolding(holding, { chainId, ...about });
    if (holder === undefined) break;
    holders.push(holder);
  }
  return holders;
}
