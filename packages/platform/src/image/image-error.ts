/** The faults of an enclave image on disk, of its signature, or of the machine that builds or starts it. */
import { CodedError } from '@cloister/encoding';

export type ImageErrorCode =
  /** The directory or one of its files cannot be read or written. */
  | 'IMAGE_IO'
  /** No canonical manifest of the known schema. */
  | 'IMAGE_MANIFEST_INVALID'
  /** A file differs from the manifest, is missing, or is not named in it. */
  | 'IMAGE_TAMPERED'
  /** Something that was measured at launch is not what it was. */
  | 'IMAGE_CHANGED'
  /** Another Node.js than the manifest names. */
  | 'IMAGE_NODE_MISMATCH'
  /** Node.js, the engine or a program differs from what the published package was packed with. */
  | 'IMAGE_INPUT_CHANGED'
  /** The engine's native library does not exist for this machine. */
  | 'PLATFORM_UNSUPPORTED'
  | 'IMAGE_BUILD_FAILED'
  | 'IMAGE_NOT_EMPTY';

export class ImageError extends CodedError<ImageErrorCode> {}
