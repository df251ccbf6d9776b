/**
 * The blob protocol: one piece of one blob for one request, so that neither side ever frames a whole model.
 *
 *     request   version u8 = 1 ‖ digest 32 ‖ offset u64
 *     answer    version u8 = 1 ‖ status u8 ‖ total u64 ‖ var piece      status 0 piece, 1 not held, 2 refused
 */
import { ByteWriter, DecodeError, type Digest, decodeWith, type Result } from '@cloister/encoding';

export const BLOB_PIECE_BYTES: number = 2 * 1024 * 1024;
export const BLOB_ANSWER_BYTES_MAX: number = BLOB_PIECE_BYTES + 64;
const VERSION = 1;

export interface BlobRequest {
  readonly digest: Digest;
  readonly offset: number;
}

export type BlobAnswer =
  | { readonly status: 'piece'; readonly total: number; readonly piece: Uint8Array }
  | { readonly status: 'not-held' }
  | { readonly status: 'refused' };

const STATUSES = ['piece', 'not-held', 'refused'] as const;

export function encodeBlobRequest({ digest, offset }: BlobRequest): Uint8Array {
  return new ByteWriter(48).u8(VERSION).digest(digest).u64(offset).finish();
}

export function decodeBlobRequest(bytes: Uint8Array): Result<BlobRequest, 'MALFORMED'> {
  return decodeWith(bytes, (reader) => {
    if (reader.u8() !== VERSION) throw new DecodeError('unknown version');
    return { digest: reader.digest(), offset: reader.u64() };
  });
}

export function encodeBlobAnswer(answer: BlobAnswer): Uint8Array {
  const held = answer.status === 'piece';
  const piece = held ? answer.piece : new Uint8Array(0);
  const writer = new ByteWriter(16 + piece.length).u8(VERSION).u8(STATUSES.indexOf(answer.status));
  return writer
    .u64(held ? answer.total : 0)
    .var(piece)
    .finish();
}

export function decodeBlobAnswer(bytes: Uint8Array): Result<BlobAnswer, 'MALFORMED'> {
  return decodeWith(bytes, (reader): BlobAnswer => {
    if (reader.u8() !== VERSION) throw new DecodeError('unknown version');
    const status = STATUSES[reader.u8()];
    if (status === undefined) throw new DecodeError('unknown status');
    const total = reader.u64();
    const piece = reader.var(BLOB_PIECE_BYTES);
    return status === 'piece' ? { status, total, piece } : { status };
  });
}
