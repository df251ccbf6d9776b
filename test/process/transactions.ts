/** Transactions made by hand: what the SDK would not send. */
import { randomBytes } from 'node:crypto';
import {
  decodeChallengeAnswer,
  encodeChallenge,
  keysetOf,
  makeChallenge,
  parseRuntimeData,
} from '@cloister/attestation';
import { sealRequest } from '@cloister/confidential';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { type AccountId, asHeight, type Digest, fromHex, parseBase64, toBase64, toHex } from '@cloister/encoding';
import {
  type PayloadByKind,
  signTransaction,
  type Transaction,
  type TransactionFields,
  type TransactionKind,
} from '@cloister/ledger';
import { DIGIT_PIXELS, type Digit, digitsSplit } from '@cloister/node/testnet';
import type { Network } from './harness.ts';
import { type Answer, type Fate, post, read, statusOf } from './node-api.ts';
import { eventually } from './wait.ts';

/** Signs with a fresh nonce; it expires `lifetime` blocks above the height at which node `at` stands. */
export async function signFor<K extends TransactionKind>(
  network: Network,
  at: number,
  keyPair: Ed25519KeyPair,
  kind: K,
  payload: PayloadByKind[K],
  lifetime = 200,
): Promise<Transaction> {
  const { height } = await statusOf(network.api(at));
  const fields = {
    chainId: network.layout.chainId,
    sender: keyPair.id,
    nonce: toHex(randomBytes(16)),
    expiryHeight: asHeight(height + lifetime),
    kind,
    payload,
  } as TransactionFields;
  const signed = signTransaction(keyPair, fields);
  if (!signed.ok) throw new Error(`${signed.code} ${signed.detail ?? ''}`);
  return signed.value;
}

export function submit(api: string, bytes: Uint8Array): Promise<Answer> {
  return post(api, '/v1/transactions', { transaction: toBase64(bytes) });
}

/** Its fate, once that is known for good. */
export function fateOf(api: string, id: Digest): Promise<Fate> {
  return eventually(`the fate of ${id}`, async () => {
    const fate = await read<Fate>(api, `/v1/transactions/${id}`);
    return fate.fate === 'UNKNOWN' || fate.fate === 'PENDING' ? undefined : fate;
  });
}

/** Hands it in and waits for its fate. */
export async function settle(api: string, { id, bytes }: Transaction): Promise<Fate> {
  const { status, text } = await submit(api, bytes);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return fateOf(api, id);
}

export type ClaimedEnclave = { readonly keyset: Digest; readonly hpkeKey: Uint8Array };

/** What a node's enclave says of its keys in answer to a challenge; nothing of it is verified. */
export async function claimedBy(network: Network, at: number, node: AccountId): Promise<ClaimedEnclave> {
  const { id } = await network.accountKey('tenant');
  const challenge = makeChallenge({
    chainId: network.layout.chainId,
    challenger: id,
    target: node,
    nonce: randomBytes(32),
  });
  const answer = await eventually(`an answer of ${node}`, async () => {
    const { status, body, text } = await post(network.api(at), `/v1/attestations/${node}/challenge`, {
      challenge: toBase64(encodeChallenge(challenge)),
    });
    if (status !== 200) throw new Error(text);
    return decodeChallengeAnswer(parseBase64(body.answer) ?? new Uint8Array());
  });
  if (!answer.ok) throw new Error(answer.code);
  const runtime = parseRuntimeData(answer.value.bundle.runtimeData);
  if (!runtime.ok) throw new Error(runtime.code);
  return { keyset: keysetOf(runtime.value), hpkeKey: fromHex(runtime.value.hpke_key) };
}

let digits: readonly Digit[] | undefined;

/** The n-th held-back digit as an input tensor of the digits model. */
export function digitInput(index: number): {
  readonly pixels: Float32Array;
  readonly tensor: Parameters<typeof sealRequest>[0]['tensors'][number];
} {
  digits ??= digitsSplit().held;
  const digit = digits[index];
  if (digit === undefined) throw new Error('no such digit');
  const { buffer, byteOffset, byteLength } = digit.image;
  const data = new Uint8Array(buffer.slice(byteOffset, byteOffset + byteLength));
  return { pixels: digit.image, tensor: { name: 'image', datatype: 'FP32', shape: [1, DIGIT_PIXELS], data } };
}

/** A request to one executor, sealed and signed by the tenant without asking whether that executor deserves it. */
export async function requestTo(
  network: Network,
  at: number,
  model: Digest,
  enclave: ClaimedEnclave,
  timeLimitMs: number,
): Promise<Transaction> {
  const tenant = await network.accountKey('tenant');
  const { chainId, image } = network.layout;
  const { height } = await statusOf(network.api(at));
  const lifetime = 100;
  const requestNonce = toHex(randomBytes(32));
  const sealed = await sealRequest({
    chainId,
    sender: tenant.id,
    requestNonce,
    modelId: model,
    images: [image.digest],
    expiryHeight: asHeight(height + lifetime),
    tensors: [digitInput(0).tensor],
    executors: [enclave],
    random: {
      requestKey32: randomBytes(32),
      salt32: randomBytes(32),
      payloadNonce12: randomBytes(12),
      ephemeralSeeds: [randomBytes(32)],
    },
  });
  if (!sealed.ok) throw new Error(sealed.code);
  const { context, payload, payloadDigest, executors } = sealed.value;
  const signed = signTransaction(tenant, {
    chainId,
    sender: tenant.id,
    nonce: toHex(randomBytes(16)),
    expiryHeight: asHeight(height + lifetime),
    kind: 'request-inference',
    payload: {
      model,
      requestNonce,
      images: [image.digest],
      executors: executors.map(({ keyset, enc, sealedKey }) => ({
        keyset,
        enc: toHex(enc),
        sealedKey: toBase64(sealedKey),
      })),
      threshold: 1,
      timeLimitMs,
      inputCommitment: context.inputCommitment,
      keyCommitment: context.keyCommitment,
      payloadDigest,
      payloadSize: payload.length,
      payload: toBase64(payload),
    },
  });
  if (!signed.ok) throw new Error(`${signed.code} ${signed.detail ?? ''}`);
  return signed.value;
}
