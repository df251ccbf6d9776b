/**
 * What tests of a launched enclave share: an image built once, device seeds, and the steps from launch to a loaded model.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Platform } from '@cloister/attestation';
import {
  encodeModelManifest,
  type ModelManifest,
  modelId,
  type SealedModel,
  type SealedRequest,
  sealModel,
  sealModelKey,
  sealRequest,
  type Tensor,
} from '@cloister/confidential';
import { type Digest, fromHex, toBase64, toHex } from '@cloister/encoding';
import {
  type BuiltImage,
  buildImage,
  type LaunchedEnclave,
  type LaunchOptions,
  launchEnclave,
  type SimulatedMachineOrder,
} from '@cloister/platform';
import type { EnclavePort } from '@cloister/validator';
import { type Chain, seed } from './chain.ts';

export class Workshop {
  readonly directory: string;
  readonly image: string;
  readonly built: BuiltImage;
  readonly #enclaves: LaunchedEnclave[] = [];

  private constructor(directory: string, built: BuiltImage) {
    this.directory = directory;
    this.image = join(directory, 'image');
    this.built = built;
  }

  static async open(options?: Parameters<typeof buildImage>[1]): Promise<Workshop> {
    const directory = await mkdtemp(join(tmpdir(), 'cloister-enclave-test-'));
    return new Workshop(directory, await buildImage(join(directory, 'image'), options));
  }

  /** A simulated machine of the one device of this workshop. */
  async machine(platform: Platform): Promise<SimulatedMachineOrder> {
    const deviceSeedFile = join(this.directory, 'device-seed');
    await writeFile(deviceSeedFile, toHex(seed('device')), { mode: 0o600 });
    const order = { kind: 'simulated', deviceSeedFile, platform } as const;
    return platform === 'sev-snp' ? { ...order, product: 'Genoa' } : order;
  }

  /** Launches without bubblewrap unless told otherwise. */
  async launch(chain: Chain, change: Partial<LaunchOptions> = {}): Promise<LaunchedEnclave> {
    const machine = change.machine ?? (await this.machine('sev-snp'));
    const enclave = await launchEnclave({
      imageDirectory: this.image,
      machine,
      genesis: chain.genesis.bytes,
      nodeId: chain.node.id,
      bubblewrap: [],
      ...change,
    });
    this.#enclaves.push(enclave);
    return enclave;
  }

  async close(): Promise<void> {
    await Promise.all(this.#enclaves.map((enclave) => enclave.stop()));
    await rm(this.directory, { recursive: true, force: true });
  }
}

export function unwrap<T>(
  result:
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly code: string; readonly detail?: string },
): T {
  if (!result.ok) throw new Error(`${result.code} ${result.detail ?? ''}`);
  return result.value;
}

/** Evidence onto the ledger, and what that led to shown to the enclave. */
export async function admit(chain: Chain, port: EnclavePort): Promise<void> {
  if (chain.height === 0) chain.block();
  const bundle = unwrap(await port.attest({ purpose: 'ledger', finality: chain.finalityBytes() }));
  chain.provable(chain.node, { kind: 'submit-attestation', payload: { bundle: toBase64(bundle) } });
  unwrap(await port.accept({ facts: chain.factsBytes() }));
}

export interface PublishedModel {
  readonly manifest: ModelManifest;
  readonly id: Digest;
  readonly sealed: SealedModel;
}

const MODEL_KEY = seed('model key');

export const digitsFile: string = join(import.meta.dirname, '..', '..', 'node', 'models', 'digits.onnx');

/** A model on the ledger; the digits of the project unless another file is given. */
export async function publish(
  chain: Chain,
  image: Digest,
  onnx?: Uint8Array,
  change: Partial<ModelManifest> = {},
): Promise<PublishedModel> {
  const sealed = sealModel(onnx ?? new Uint8Array(await readFile(digitsFile)), MODEL_KEY);
  const { onnxDigest, ciphertextDigest, size, keyCommitment } = sealed;
  const manifest: ModelManifest = {
    schema: 'cloister/model/v1',
    name: 'digits',
    version: '1',
    owner: chain.owner.id,
    onnxDigest,
    ciphertextDigest,
    size,
    inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 784] }],
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 10] }],
    engine: { name: 'onnxruntime-node', version: '1.30.0' },
    keyCommitment,
    releasePolicy: { images: [image], platforms: ['sev-snp'], mayReplicate: false },
    executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
    ...change,
  };
  chain.provable(chain.owner, { kind: 'publish-model', payload: { manifest } });
  return { manifest, id: modelId(manifest), sealed };
}

/** The owner's grant to the attested enclave, on the ledger. */
export async function grant(chain: Chain, model: PublishedModel): Promise<void> {
  const { keyset, hpkeKey } = chain.last('AttestationAccepted');
  const sealedKey = unwrap(
    await sealModelKey({
      modelKey: MODEL_KEY,
      modelId: model.id,
      chainId: chain.chainId,
      keyset,
      hpkeKey: fromHex(hpkeKey),
      ephemeralSeed: seed(`grant ${model.id}`),
    }),
  );
  const payload = { model: model.id, keyset, enc: toHex(sealedKey.enc), sealedKey: toBase64(sealedKey.sealedKey) };
  chain.provable(chain.owner, { kind: 'grant-model-key', payload });
}

/** As a disk gives it. */
export async function* inPieces(ciphertext: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* [ciphertext.subarray(0, 1_000), ciphertext.subarray(1_000)];
}

export function provision(
  chain: Chain,
  port: EnclavePort,
  model: PublishedModel,
): ReturnType<EnclavePort['provisionModel']> {
  return port.provisionModel({
    authority: chain.authorityOf('ModelKeyGrantAuthorised'),
    manifest: encodeModelManifest(model.manifest),
    ciphertext: inPieces(model.sealed.ciphertext),
  });
}

export interface TenantRequest {
  readonly sealed: SealedRequest;
  readonly requestKey: Uint8Array;
  readonly salt: Uint8Array;
}

/** A sealed request of the tenant, on the ledger; `label` makes its randomness. */
export async function request(
  chain: Chain,
  model: PublishedModel,
  tensors: readonly Tensor[],
  label: string,
): Promise<TenantRequest> {
  const { keyset, hpkeKey, image } = chain.last('AttestationAccepted');
  const requestNonce = toHex(seed(`nonce ${label}`));
  const requestKey = seed(`key ${label}`);
  const salt = seed(`salt ${label}`);
  const sealed = unwrap(
    await sealRequest({
      chainId: chain.chainId,
      sender: chain.tenant.id,
      requestNonce,
      modelId: model.id,
      images: [image],
      expiryHeight: chain.expiryHeight,
      tensors,
      executors: [{ keyset, hpkeKey: fromHex(hpkeKey) }],
      random: {
        requestKey32: requestKey,
        salt32: salt,
        payloadNonce12: seed(`payload ${label}`).subarray(0, 12),
        ephemeralSeeds: [seed(`ephemeral ${label}`)],
      },
    }),
  );
  const { inputCommitment, keyCommitment } = sealed.context;
  chain.provable(chain.tenant, {
    kind: 'request-inference',
    payload: {
      model: model.id,
      requestNonce,
      images: [image],
      executors: sealed.executors.map((executor) => ({
        keyset: executor.keyset,
        enc: toHex(executor.enc),
        sealedKey: toBase64(executor.sealedKey),
      })),
      threshold: 1,
      timeLimitMs: 600_000,
      inputCommitment,
      keyCommitment,
      payloadDigest: sealed.payloadDigest,
      payloadSize: sealed.payload.length,
      payload: toBase64(sealed.payload),
    },
  });
  return { sealed, requestKey, salt };
}

/** Whether a process is there and not merely waiting to be reaped. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    return !/^\d+ \(.*\) [ZX]/s.test(stat);
  } catch {
    return false;
  }
}

/** Resolves once a process is gone. */
export async function gone(pid: number): Promise<void> {
  while (await isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
}
