/** The pieces of one blob as one member sends them, each checked for where it belongs. */
import type { AccountId, Digest } from '@cloister/encoding';
import { BLOB_ANSWER_BYTES_MAX, BLOB_PIECE_BYTES, decodeBlobAnswer, encodeBlobRequest } from './blob-messages.ts';

export type BlobPieces = AsyncIterable<{ readonly total: number; readonly piece: Uint8Array }>;

export type AskMember = (member: AccountId, bytes: Uint8Array, maxBytes: number) => Promise<Uint8Array>;

/** Throws when the member refuses, has it not, or breaks the rules. */
export async function* blobPieces(
  ask: AskMember,
  { member, digest, bytesMax }: { readonly member: AccountId; readonly digest: Digest; readonly bytesMax: number },
): AsyncGenerator<{ readonly total: number; readonly piece: Uint8Array }> {
  let first: number | undefined;
  for (let offset = 0; ; ) {
    const answer = decodeBlobAnswer(await ask(member, encodeBlobRequest({ digest, offset }), BLOB_ANSWER_BYTES_MAX));
    if (!answer.ok || answer.value.status !== 'piece') throw new TypeError('no piece');
    const { total, piece } = answer.value;
    first ??= total;
    if (total !== first || total > bytesMax || offset + piece.length > total) throw new TypeError('another size');
    offset += piece.length;
    // All pieces but the last must be full, so that a peer cannot prolong a transfer with tiny pieces.
    if (offset < total && piece.length < BLOB_PIECE_BYTES) throw new TypeError('a crumb');
    yield { total, piece };
    if (offset === total) return;
  }
}
