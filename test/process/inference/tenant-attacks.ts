/** What a tenant may send that costs executors something, as fast as it is taken, from an address of its own. */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { CHALLENGE_BYTES, encodeChallenge, makeChallenge, signChallengeRequest } from '@cloister/attestation';
import { contentDigest, sealRequest } from '@cloister/confidential';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { type AccountId, asDigest, asHeight, type Digest, toBase64, toHex } from '@cloister/encoding';
import { type RequestInferencePayload, signTransaction } from '@cloister/ledger';
import { type ClaimedEnclave, digitInput } from '../transactions.ts';

/** Every address of 127.0.0.0/8 is this machine's: the attackers share none with honest clients. */
const ATTACKER = '127.0.0.3';
const LIFETIME = 400;
const FAR_MS = 900_000;

export type Attack = { stop(): Promise<void> };

export type Target = {
  readonly api: string;
  readonly chainId: Digest;
  readonly image: Digest;
  readonly height: number;
  readonly model: Digest;
  readonly enclave: ClaimedEnclave;
};

const agent = new Agent({ keepAlive: true, maxSockets: 64, localAddress: ATTACKER });

/** The status of the answer; 0 for none. */
function post(api: string, path: string, json: object): Promise<number> {
  const body = JSON.stringify(json);
  const { hostname, port } = new URL(api);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve) => {
    const sent = request({ agent, hostname, port, path, method: 'POST', headers }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
      answer.on('error', () => resolve(0));
    });
    sent.on('error', () => resolve(0));
    sent.end(body);
  });
}

/** Runs `work` on so many lanes until told to stop; one that is refused pauses for a moment. */
export function lanes(width: number, work: () => Promise<boolean>): Attack {
  let going = true;
  const running = Array.from({ length: width }, async () => {
    while (going) if (!(await work())) await pause(20);
  });
  return {
    stop: async () => {
      going = false;
      await Promise.all(running);
    },
  };
}

export function together(...attacks: readonly Attack[]): Attack {
  return {
    stop: async () => {
      await Promise.all(attacks.map((attack) => attack.stop()));
    },
  };
}

function submit(target: Target, sender: Ed25519KeyPair, payload: RequestInferencePayload): Promise<number> {
  const signed = signTransaction(sender, {
    chainId: target.chainId,
    sender: sender.id,
    nonce: toHex(randomBytes(16)),
    expiryHeight: asHeight(target.height + LIFETIME),
    kind: 'request-inference',
    payload,
  });
  if (!signed.ok) throw new Error(`${signed.code} ${signed.detail ?? ''}`);
  return post(target.api, '/v1/transactions', { transaction: toBase64(signed.value.bytes) });
}

const hex32 = (): string => toHex(randomBytes(32));

/** A request whose keys open for nobody; its payload is there, or held by nobody. */
function junk({ model, image, enclave }: Target, payload: Uint8Array | undefined): RequestInferencePayload {
  const executor = { keyset: enclave.keyset, enc: hex32(), sealedKey: toBase64(randomBytes(48)) };
  return {
    model,
    requestNonce: hex32(),
    images: [image],
    executors: [executor],
    threshold: 1,
    timeLimitMs: FAR_MS,
    inputCommitment: asDigest(hex32()),
    keyCommitment: asDigest(hex32()),
    payloadDigest: payload === undefined ? asDigest(hex32()) : contentDigest(payload),
    payloadSize: payload?.length ?? 1_024,
    payload: payload === undefined ? null : toBase64(payload),
  };
}

export function floodUnheld(target: Target, sender: Ed25519KeyPair, width = 4): Attack {
  return lanes(width, async () => (await submit(target, sender, junk(target, undefined))) === 200);
}

export function floodMalformed(target: Target, sender: Ed25519KeyPair, width = 4): Attack {
  return lanes(width, async () => (await submit(target, sender, junk(target, randomBytes(4_096)))) === 200);
}

/** Lawful requests of a sender, sealed beforehand. */
export async function sealMany(
  target: Target,
  sender: Ed25519KeyPair,
  count: number,
): Promise<readonly RequestInferencePayload[]> {
  const { chainId, model, image, enclave, height } = target;
  const { tensor } = digitInput(0);
  return Promise.all(
    Array.from({ length: count }, async () => {
      const requestNonce = hex32();
      const sealed = await sealRequest({
        chainId,
        sender: sender.id,
        requestNonce,
        modelId: model,
        images: [image],
        expiryHeight: asHeight(height + LIFETIME),
        tensors: [tensor],
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
      return {
        model,
        requestNonce,
        images: [image],
        executors: executors.map(({ keyset, enc, sealedKey }) => ({
          keyset,
          enc: toHex(enc),
          sealedKey: toBase64(sealedKey),
        })),
        threshold: 1,
        timeLimitMs: FAR_MS,
        inputCommitment: context.inputCommitment,
        keyCommitment: context.keyCommitment,
        payloadDigest,
        payloadSize: payload.length,
        payload: toBase64(payload),
      };
    }),
  );
}

/** Lawful requests, one as soon as the other is taken, whose answers nobody fetches. */
export function neverFetch(
  target: Target,
  sender: Ed25519KeyPair,
  sealed: readonly RequestInferencePayload[],
  width = 4,
): Attack {
  const left = [...sealed];
  return lanes(width, async () => {
    const next = left.pop();
    if (next === undefined) return false;
    if ((await submit(target, sender, next)) === 200) return true;
    left.push(next);
    return false;
  });
}

/** So many lawful requests, for these models in turn. */
export async function askInTurn(
  target: Target,
  sender: Ed25519KeyPair,
  models: readonly Digest[],
  count: number,
): Promise<Attack> {
  const each = Math.ceil(count / models.length);
  const sealed = await Promise.all(models.map((model) => sealMany({ ...target, model }, sender, each)));
  const inTurn = Array.from({ length: each }, (_, i) => sealed.flatMap((requests) => requests[i] ?? [])).flat();
  return neverFetch(target, sender, inTurn);
}

/** Challenges that nobody signed, of no bytes and of the right form, and signed ones of these accounts. */
export function floodChallenges(target: Target, node: AccountId, accounts: readonly Ed25519KeyPair[]): Attack {
  const path = `/v1/attestations/${node}/challenge`;
  const ask = async (challenge: Uint8Array): Promise<boolean> =>
    (await post(target.api, path, { challenge: toBase64(challenge) })) === 200;
  const challengeOf = (challenger: AccountId) =>
    makeChallenge({ chainId: target.chainId, challenger, target: node, nonce: randomBytes(32) });
  const anybody = accounts[0]?.id ?? node;
  return together(
    lanes(8, () => ask(new Uint8Array(0))),
    lanes(8, () => ask(randomBytes(CHALLENGE_BYTES))),
    lanes(8, () => ask(encodeChallenge(challengeOf(anybody)))),
    ...accounts.map((account) => lanes(1, () => ask(signChallengeRequest(challengeOf(account.id), account.sign)))),
  );
}
