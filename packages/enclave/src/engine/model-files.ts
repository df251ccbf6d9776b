/**
 * ONNX files on their way in, piece by piece, each into the one buffer that is then loaded from.
 */
import { fail, ok, type Result } from '@cloister/encoding';

export type ModelFileCode = 'MODEL_TOO_LARGE' | 'MODEL_NOT_LOADED';

interface IncomingFile {
  readonly bytes: Uint8Array;
  received: number;
}

/** By the name of a transfer. */
export class ModelFiles {
  readonly #incoming = new Map<string, IncomingFile>();

  begin(transfer: string, bytes: number): Result<void, ModelFileCode> {
    try {
      this.#incoming.set(transfer, { bytes: new Uint8Array(bytes), received: 0 });
      return ok(undefined);
    } catch {
      // No number of bytes, or more than there is memory for.
      return fail('MODEL_TOO_LARGE');
    }
  }

  append(transfer: string, piece: Uint8Array): Result<void, ModelFileCode> {
    const file = this.#incoming.get(transfer);
    if (file === undefined) return fail('MODEL_NOT_LOADED');
    if (piece.length > file.bytes.length - file.received) return fail('MODEL_TOO_LARGE');
    file.bytes.set(piece, file.received);
    file.received += piece.length;
    return ok(undefined);
  }

  /** The file when all of it came; the transfer is over in any case. */
  end(transfer: string): Result<Uint8Array, ModelFileCode> {
    const file = this.#incoming.get(transfer);
    this.#incoming.delete(transfer);
    return file !== undefined && file.received === file.bytes.length ? ok(file.bytes) : fail('MODEL_NOT_LOADED');
  }
}
