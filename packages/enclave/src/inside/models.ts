/**
 * Models that were granted to this enclave.
 *
 * A grant is taken only from a proven ledger event that names own keyset, under the owner-signed policies as well as the
 * ledger's; key, ciphertext and ONNX file are checked against the manifest before anything is loaded.
 */
import type { Platform } from '@cloister/attestation';
import {
  type EnclaveLimits,
  type ModelManifest,
  modelId,
  type OpenModelCode,
  openModel,
  openModelKey,
  parseModelManifest,
  type TensorSpec,
} from '@cloister/confidential';
import { type Digest, fail, ok, parseBase64, parseHex, type Result } from '@cloister/crypto';
import type { ModelKeyGrantAuthorised } from '@cloister/ledger';
import { areSupported } from '../engine/datatypes.ts';
import type { EngineFailure, EnginePool, OwnerEngine } from './engines.ts';
import type { AuthorisationRefusal, LedgerView } from './light-client.ts';
import { type OnnxRefusal, screenOnnx } from './onnx-screen.ts';
import type { Vault } from './vault.ts';

export interface GrantedModel {
  readonly manifest: ModelManifest;
  readonly engine: OwnerEngine;
  readonly numericClass: string;
}

export type ProvisionCode =
  | AuthorisationRefusal
  | 'MANIFEST_MALFORMED'
  | 'MANIFEST_OTHER_MODEL'
  | 'RELEASE_POLICY'
  | 'ENGINE_MISMATCH'
  | 'MODEL_TOO_LARGE'
  | 'GRANT_MALFORMED'
  | 'MODEL_KEY_NOT_OPENED'
  | OpenModelCode
  | OnnxRefusal
  | EngineFailure
  | 'MODEL_SIGNATURE_MISMATCH';

export interface ModelsContext {
  readonly vault: Vault;
  readonly view: LedgerView;
  readonly engines: EnginePool;
  readonly limits: EnclaveLimits;
  /** Of the image's manifest. */
  readonly engine: { readonly name: string; readonly version: string };
}

/** What a validator brings: all of it public or sealed. */
export interface ProvisionRequest {
  readonly grantProof: Uint8Array;
  readonly manifest: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** Whether what the file declares fits what the manifest promises: the same names and types, and no contrary dimension. */
function sameSignature(declared: readonly TensorSpec[], promised: readonly TensorSpec[]): boolean {
  const fits = (spec: TensorSpec): boolean => {
    const found = declared.find(({ name }) => name === spec.name);
    if (found?.datatype !== spec.datatype || found.shape.length !== spec.shape.length) return false;
    return found.shape.every((dimension, i) => dimension === -1 || spec.shape[i] === -1 || dimension === spec.shape[i]);
  };
  return declared.length === promised.length && promised.every(fits);
}

/** The models whose weights are loaded. */
export class Models {
  readonly #context: ModelsContext;
  readonly #granted = new Map<Digest, GrantedModel>();

  constructor(context: ModelsContext) {
    this.#context = context;
  }

  get ids(): readonly Digest[] {
    return [...this.#granted.keys()].sort();
  }

  get(model: Digest): GrantedModel | undefined {
    return this.#granted.get(model);
  }

  /** Opens a granted model and loads it. Given again, it changes nothing. */
  async provision(request: ProvisionRequest): Promise<Result<void, ProvisionCode>> {
    const { vault, view, limits } = this.#context;
    const authorised = view.authoriseModelKey(request.grantProof);
    if (!authorised.ok) return authorised;
    const { event, acceptance } = authorised.value;
    if (this.#granted.has(event.model)) return ok(undefined);
    const manifest = parseModelManifest(request.manifest);
    if (!manifest.ok) return fail('MANIFEST_MALFORMED', manifest.code);
    const refused = this.#checkManifest(manifest.value, event, acceptance.event.platform);
    if (refused !== undefined) return fail(refused);
    if (request.ciphertext.length > limits.modelBytesMax) return fail('MODEL_TOO_LARGE');
    const enc = parseHex(event.enc);
    const sealedKey = parseBase64(event.sealedKey);
    if (enc === undefined || sealedKey === undefined) return fail('GRANT_MALFORMED');
    const modelKey = await openModelKey({
      enc,
      sealedKey,
      modelId: event.model,
      keyCommitment: manifest.value.keyCommitment,
      chainId: vault.identity.chainId,
      keyset: vault.identity.keyset,
      hpkeSecretKey: vault.hpkeSecretKey,
    });
    if (!modelKey.ok) return modelKey;
    const onnx = openModel({ ciphertext: request.ciphertext, modelKey: modelKey.value, manifest: manifest.value });
    return onnx.ok ? this.#load(event.model, manifest.value, onnx.value) : onnx;
  }

  /** `platform` is the one that the ledger accepted evidence of: what the host says of it counts for nothing. */
  #checkManifest(
    manifest: ModelManifest,
    event: ModelKeyGrantAuthorised,
    platform: Platform,
  ): ProvisionCode | undefined {
    const { vault, engine } = this.#context;
    if (modelId(manifest) !== event.model || manifest.owner !== event.owner) return 'MANIFEST_OTHER_MODEL';
    const { images, platforms } = manifest.releasePolicy;
    if (!images.includes(vault.identity.image) || !platforms.includes(platform)) return 'RELEASE_POLICY';
    const sameEngine = manifest.engine.name === engine.name && manifest.engine.version === engine.version;
    if (!sameEngine) return 'ENGINE_MISMATCH';
    return areSupported([...manifest.inputs, ...manifest.outputs]) ? undefined : 'MODEL_UNSUPPORTED_TYPE';
  }

  async #load(model: Digest, manifest: ModelManifest, onnx: Uint8Array): Promise<Result<void, ProvisionCode>> {
    const screened = screenOnnx(onnx);
    // Its detail quotes the weights' file, which is secret.
    if (!screened.ok) return fail(screened.code);
    const engine = this.#context.engines.of(manifest.owner);
    const loaded = await engine.load(model, onnx);
    if (!loaded.ok) return loaded;
    const { inputs, outputs, numericClass } = loaded.value;
    if (!sameSignature(inputs, manifest.inputs) || !sameSignature(outputs, manifest.outputs)) {
      return fail('MODEL_SIGNATURE_MISMATCH');
    }
    this.#granted.set(model, { manifest, engine, numericClass });
    return ok(undefined);
  }
}
