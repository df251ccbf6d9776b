/**
 * Models that were granted to this enclave.
 *
 * A grant is taken only from a proven ledger event that names own keyset and was not taken back, under the owner-signed
 * policies as well as the ledger's; key, ciphertext and ONNX file are checked against the manifest before anything is loaded. The ciphertext comes
 * in pieces, and each goes on to the owner's engine as soon as it is opened: this process holds one piece at a time.
 */
import type { Platform } from '@cloister/attestation';
import {
  type EnclaveLimits,
  type ModelManifest,
  ModelOpening,
  modelId,
  type OpenModelCode,
  openModelKey,
  parseModelManifest,
  signatureDifferences,
} from '@cloister/confidential';
import { concatBytes, type Digest, fail, ok, parseBase64, parseHex, type Result } from '@cloister/encoding';
import type { ModelKeyGrantAuthorised } from '@cloister/ledger';
import { areSupported } from '../engine/datatypes.ts';
import type { EnginePool } from './engine-pool.ts';
import type { EngineFailure, ModelEngine } from './engines.ts';
import type { AuthorisationRefusal, EnclaveLightClient } from './light-client.ts';
import { ModelRoom } from './model-room.ts';
import type { Vault } from './vault.ts';

export interface GrantedModel {
  readonly manifest: ModelManifest;
  readonly engine: ModelEngine;
  readonly numericClass: string;
}

export type ProvisionCode =
  | AuthorisationRefusal
  | 'MANIFEST_MALFORMED'
  | 'MANIFEST_OTHER_MODEL'
  | 'RELEASE_POLICY'
  | 'ENGINE_MISMATCH'
  | 'GRANT_MALFORMED'
  | 'MODEL_KEY_NOT_OPENED'
  | OpenModelCode
  | EngineFailure
  | 'MODEL_SIGNATURE_MISMATCH'
  /** Never begun, given up for others or for want of pieces, or over. */
  | 'TRANSFER_UNKNOWN'
  /** Files that are on their way fill the room: worth another request. */
  | 'TRANSFERS_FULL';

/**
 * Transfers under way; the oldest gives way to a new one. More than a validator executes at a time, so that no model's transfer
 * ends for the sake of another's.
 */
const TRANSFERS_MAX = 16;
/** A transfer ends when no piece of it came for this long, because its part in an engine would stay there for ever. */
export const TRANSFER_IDLE_MS = 60_000;
/** Part of an engine's memory that the files of all loaded models may come to: a loaded model takes more than its file. */
const LOADED_SHARE = 0.5;
const MEBIBYTE: number = 1024 * 1024;

export interface ModelsContext {
  readonly vault: Vault;
  readonly lightClient: EnclaveLightClient;
  readonly engines: EnginePool;
  readonly limits: EnclaveLimits;
  /** The engine that the image's manifest names. */
  readonly engine: { readonly name: string; readonly version: string };
}

/** What a validator brings first: all of it public or sealed. */
export interface ProvisionRequest {
  /** Encoded AuthorityProof of the ModelKeyGrantAuthorised event. */
  readonly authority: Uint8Array;
  readonly manifest: Uint8Array;
}

/** A ciphertext on its way in. */
interface Transfer {
  readonly model: Digest;
  readonly manifest: ModelManifest;
  readonly opening: ModelOpening;
  readonly engine: ModelEngine;
  /** Whether the engine was told of the file. */
  begun: boolean;
  /** Ends the transfer, unless a piece comes before. */
  idle: NodeJS.Timeout;
}

/** The models whose weights are loaded. */
export class Models {
  readonly #context: ModelsContext;
  readonly #loaded = new Map<Digest, GrantedModel>();
  readonly #transfers = new Map<string, Transfer>();
  readonly #room: ModelRoom;
  readonly #fileBytesMax: number;
  #nextTransfer = 0;

  constructor(context: ModelsContext) {
    this.#context = context;
    this.#fileBytesMax = context.limits.memoryMibMax * MEBIBYTE * LOADED_SHARE;
    this.#room = new ModelRoom(this.#fileBytesMax);
  }

  /** Files on their way in. */
  get transfers(): number {
    return this.#transfers.size;
  }

  get ids(): readonly Digest[] {
    return [...this.#loaded.keys()].filter((model) => this.#find(model) !== undefined).sort();
  }

  /** A model that can be run now: its use counts. */
  get(model: Digest): GrantedModel | undefined {
    this.#room.used(model);
    this.#context.engines.used(model);
    return this.#find(model);
  }

  #find(model: Digest): GrantedModel | undefined {
    const found = this.#loaded.get(model);
    if (found === undefined || found.engine.has(model)) return found;
    // Gone with its engine.
    this.#forget(model);
    return undefined;
  }

  #forget(model: Digest): void {
    this.#loaded.delete(model);
    this.#room.forget(model);
  }

  /** Opens a grant and begins a transfer: its name, or undefined for a model that is loaded. */
  async begin(request: ProvisionRequest): Promise<Result<string | undefined, ProvisionCode>> {
    const { vault, lightClient } = this.#context;
    const authorised = lightClient.authoriseModelKey(request.authority);
    if (!authorised.ok) return authorised;
    const { event, attestation } = authorised.value;
    if (this.#find(event.model) !== undefined) return ok(undefined);
    const manifest = parseModelManifest(request.manifest);
    if (!manifest.ok) return fail('MANIFEST_MALFORMED', manifest.code);
    const refused = this.#checkManifest(manifest.value, event, attestation.platform);
    if (refused !== undefined) return fail(refused);
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
    const opening = ModelOpening.start(modelKey.value, manifest.value);
    modelKey.value.fill(0);
    return opening.ok ? this.#open(event.model, manifest.value, opening.value) : opening;
  }

  async #open(
    model: Digest,
    manifest: ModelManifest,
    opening: ModelOpening,
  ): Promise<Result<string, 'TRANSFERS_FULL'>> {
    for (const oldest of this.#transfers.keys()) {
      if (this.#transfers.size < TRANSFERS_MAX) break;
      await this.#close(oldest);
    }
    const onTheirWay = [...this.#transfers.values()].reduce((sum, { manifest: { size } }) => sum + size, 0);
    if (onTheirWay > 0 && onTheirWay + manifest.size > this.#fileBytesMax) {
      opening.close();
      return fail('TRANSFERS_FULL');
    }
    const name = String(this.#nextTransfer++);
    const engine = this.#context.engines.of(model, manifest.owner);
    this.#transfers.set(name, { model, manifest, opening, engine, begun: false, idle: this.#idle(name) });
    return ok(name);
  }

  #idle(name: string): NodeJS.Timeout {
    return setTimeout(() => void this.#close(name), TRANSFER_IDLE_MS).unref();
  }

  /** Ends a transfer; what came of it is forgotten. */
  async #close(name: string): Promise<void> {
    const transfer = this.#transfers.get(name);
    this.#transfers.delete(name);
    clearTimeout(transfer?.idle);
    transfer?.opening.close();
    if (transfer?.begun === true) await transfer.engine.cancelLoad(name);
  }

  /** Takes the next piece of a ciphertext. With a failure the transfer is over. */
  async piece(name: string, ciphertext: Uint8Array): Promise<Result<void, ProvisionCode>> {
    const transfer = this.#transfers.get(name);
    if (transfer === undefined) return fail('TRANSFER_UNKNOWN');
    clearTimeout(transfer.idle);
    this.#context.engines.used(transfer.model);
    const chunks = transfer.opening.push(ciphertext);
    const passed = await this.#passOn(name, transfer, chunks);
    for (const chunk of chunks) chunk.fill(0);
    if (!passed.ok) await this.#close(name);
    else if (this.#transfers.has(name)) transfer.idle = this.#idle(name);
    return passed;
  }

  async #passOn(name: string, transfer: Transfer, chunks: readonly Uint8Array[]): Promise<Result<void, ProvisionCode>> {
    const { engine, opening } = transfer;
    if (!transfer.begun && opening.length !== undefined) {
      transfer.begun = true;
      const begun = await engine.beginLoad(name, opening.length);
      if (!begun.ok) return begun;
    }
    if (chunks.length === 0) return ok(undefined);
    const opened = concatBytes(...chunks);
    const passed = await engine.loadPiece(name, opened);
    opened.fill(0);
    return passed;
  }

  /** Loads what came, when it is what the manifest names. */
  async end(name: string): Promise<Result<void, ProvisionCode>> {
    const transfer = this.#transfers.get(name);
    if (transfer === undefined) return fail('TRANSFER_UNKNOWN');
    clearTimeout(transfer.idle);
    const finished = transfer.opening.finish();
    const loaded = finished.ok ? await this.#load(name, transfer) : finished;
    await this.#close(name);
    return loaded;
  }

  /** `platform` is the one that the ledger accepted evidence of: what the host says of it counts for nothing. */
  #checkManifest(
    manifest: ModelManifest,
    event: ModelKeyGrantAuthorised,
    platform: Platform,
  ): ProvisionCode | undefined {
    const { vault, engine, limits } = this.#context;
    if (modelId(manifest) !== event.model || manifest.owner !== event.owner) return 'MANIFEST_OTHER_MODEL';
    const { images, platforms } = manifest.releasePolicy;
    if (!images.includes(vault.identity.image) || !platforms.includes(platform)) return 'RELEASE_POLICY';
    const sameEngine = manifest.engine.name === engine.name && manifest.engine.version === engine.version;
    if (!sameEngine) return 'ENGINE_MISMATCH';
    if (manifest.size > limits.modelBytesMax) return 'MODEL_TOO_LARGE';
    return areSupported([...manifest.inputs, ...manifest.outputs]) ? undefined : 'MODEL_UNSUPPORTED_TYPE';
  }

  async #load(name: string, { model, manifest, engine }: Transfer): Promise<Result<void, ProvisionCode>> {
    const outgoing = this.#room.take(model, manifest.owner, manifest.size);
    if (outgoing === undefined) return fail('MODEL_TOO_LARGE');
    for (const other of outgoing) {
      const gone = this.#loaded.get(other);
      this.#loaded.delete(other);
      await gone?.engine.unload(other);
    }
    const loaded = await engine.endLoad(name, model);
    if (!loaded.ok || signatureDifferences(loaded.value, manifest).length > 0) {
      this.#forget(model);
      await engine.unload(model);
      return loaded.ok ? fail('MODEL_SIGNATURE_MISMATCH') : loaded;
    }
    this.#loaded.set(model, { manifest, engine, numericClass: loaded.value.numericClass });
    return ok(undefined);
  }
}
