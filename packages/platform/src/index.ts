/**
 * @cloister/platform: The host's side of an enclave: images, machines, attesters, endorsements and launch.
 */
export {
  type BuiltImage,
  buildImage,
  DEFAULT_ENCLAVE_LIMITS,
  IMAGE_NAME,
  type ImageBuildOptions,
} from './image/build.ts';
export { ImageError, type ImageErrorCode } from './image/image-error.ts';
export {
  IMAGE_SIGNATURE_FILE,
  type ImageDeviation,
  type ImageInspection,
  inspectImage,
  measureImage,
} from './image/inspect.ts';
export {
  IMAGE_PAYLOAD_TYPE,
  type ImageSignatureCode,
  imageSigner,
  signImage,
  verifyImageSignature,
} from './image/sign.ts';
export { EnclaveLaunchError, type LaunchedEnclave, type LaunchOptions, launchEnclave } from './launch/launch.ts';
export type { HardwareOrder, MachineOrder, SimulatedMachineOrder } from './machines/machine-order.ts';
export type { TamperedImage } from './process/sealed-image.ts';
export {
  type TrialCode,
  type TrialLimits,
  type TrialRefusal,
  type TrialReport,
  type TrialResult,
  type TrialSubject,
  tryModel,
} from './trial/try-model.ts';
