/**
 * @cloister/confidential: the formats of confidential inference. Pure: randomness, keys and heights come in.
 */

export type { DocumentErrorCode } from './document.ts';
export type { EnclaveDescription } from './image/enclave-description.ts';
export {
  type EnclaveLimits,
  encodeImageManifest,
  IMAGE_LIMITS,
  IMAGE_MANIFEST_FILE,
  IMAGE_MANIFEST_SCHEMA,
  type ImageFile,
  type ImageManifest,
  imageDigest,
  imageMeasurement,
  isImagePath,
  parseImageManifest,
} from './image/image-manifest.ts';
export {
  isModelSize,
  MODEL_BYTES_MAX,
  MODEL_CHUNK_BYTES,
  MODEL_KEY_BYTES,
  modelKeyCommitment,
  openModelKey,
  type SealedModel,
  type SealedModelKey,
  saltedOnnxDigest,
  sealModel,
  sealModelKey,
} from './model/model.ts';
export {
  checkModelManifest,
  type ExecutionPolicy,
  encodeModelManifest,
  MODEL_CIPHERTEXT_BYTES_MAX,
  MODEL_MANIFEST_BYTES_MAX,
  MODEL_MANIFEST_SCHEMA,
  type ModelManifest,
  modelId,
  modelManifestFromJson,
  modelManifestToJson,
  parseModelManifest,
  type ReleasePolicy,
} from './model/model-manifest.ts';
export { ModelOpening, type OpenModelCode, openModel } from './model/model-opening.ts';
export { type ModelSignature, type SignatureDifference, signatureDifferences } from './model/model-signature.ts';
export { type OnnxRefusal, screenOnnx } from './model/onnx-screen.ts';
export {
  contentDigest,
  inputCommitment,
  inputSalt,
  isRequestNonce,
  keyCommitment,
  outputCommitment,
  outputSalt,
  REQUEST_KEY_BYTES,
  REQUEST_NONCE_BYTES,
  SALT_BYTES,
  taskId,
} from './receipt/commitments.ts';
export { type DsseEnvelope, dssePae, encodeDsse, IN_TOTO_PAYLOAD_TYPE, parseDsse, verifyDsse } from './receipt/dsse.ts';
export {
  buildReceiptStatement,
  encodeReceipt,
  parseReceipt,
  parseReceiptStatement,
  RECEIPT_BYTES_MAX,
  RECEIPT_PREDICATE_TYPE,
  RECEIPT_STATUSES,
  type Receipt,
  type ReceiptEngine,
  type ReceiptErrorCode,
  type ReceiptStatement,
  type ReceiptStatus,
  STATEMENT_TYPE,
  verifyReceipt,
} from './receipt/receipt.ts';
export {
  INLINE_SEALED_BYTES,
  isSealedSize,
  LARGEST_SEALED_BYTES,
  SMALLEST_SEALED_BYTES,
  sealedSizeClass,
} from './request/padding.ts';
export {
  checkRequestContext,
  contextTaskId,
  MAX_ALLOWED_IMAGES,
  MAX_EXECUTORS,
  payloadAad,
  type RequestContext,
  requestKeyAad,
} from './request/request-context.ts';
export {
  type OpenedRequest,
  type OpenRequestCode,
  openPayload,
  openRequest,
  type RequestRandomness,
  type SealedExecutorKey,
  type SealedRequest,
  type SealRequestCode,
  type SealRequestInput,
  sealRequest,
} from './request/sealed-request.ts';
export {
  checkFinite,
  checkInputs,
  checkTensors,
  decodeTensors,
  encodeTensors,
  INPUT_BYTES_MAX,
  isTensorName,
  matchTensors,
  TENSOR_DATATYPES,
  TENSOR_LIMITS,
  type Tensor,
  type TensorDatatype,
  type TensorErrorCode,
  type TensorMatchCode,
  type TensorSpec,
} from './request/tensors.ts';
export {
  checkOutcome,
  decodeOutcome,
  encodeOutcome,
  OUTCOME_DETAIL_BYTES_MAX,
  type Outcome,
} from './response/outcome.ts';
export {
  type OpenedResponse,
  type OpenResponseCode,
  openResponse,
  type SealedResponse,
  sealResponse,
} from './response/sealed-response.ts';
