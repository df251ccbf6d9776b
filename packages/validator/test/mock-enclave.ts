/**
 * Ports for the executor over a ledger chain that a test drives, with an enclave that answers honestly unless told not to.
 */
import {
  answerChallenge,
  answerPresence,
  decodeChallenge,
  decodeEvidenceBundle,
  encodeChallengeAnswer,
  encodeRefresh,
  signRefresh,
} from '@cloister/attestation';
import { contentDigest, type EnclaveDescription } from '@cloister/confidential';
import { type Ed25519KeyPair, SeededRandom } from '@cloister/crypto';
import { type AccountId, asHeight, assert, type Digest, fail, ok, type Result, utf8 } from '@cloister/encoding';
import { factKey, signHolding, type Transaction } from '@cloister/ledger';
import type { AdmissionCode, TaskAssignment } from '@cloister/replica';
import { type Chain, type Enclave, RESPONSE } from '@cloister/testkit';
import { type EnclavePort, EnclaveUnavailable, type ExecutorPorts, type LargeResponse } from '../src/index.ts';

export const CIPHERTEXT: Uint8Array = new Uint8Array(2000).fill(5);

/** What the mock is to do differently. */
export interface Mischief {
  /** Evidence is made for this enclave instead. */
  impostor?: Enclave;
  /** The first answer is given again and again. */
  replay?: boolean;
  unavailable?: boolean;
  refuseChallenge?: boolean;
  /** What it says of every model, in place of taking it. */
  model?: string;
  inference?: Result<{ readonly receipt: Uint8Array; readonly response: Uint8Array }>;
  response?: Uint8Array;
  /** How often it has seen a newer header than the one of the proof. */
  staleHeaders?: number;
}

export class MockEnclave implements EnclavePort {
  readonly calls: string[] = [];
  readonly mischief: Mischief = {};
  /** What it was shown. */
  readonly authorities: Uint8Array[] = [];
  readonly #chain: Chain;
  readonly #enclave: Enclave;
  readonly #models: Digest[] = [];
  #first: Uint8Array | undefined;
  request: Transaction | undefined;

  constructor(chain: Chain, enclave: Enclave) {
    this.#chain = chain;
    this.#enclave = enclave;
  }

  #call(name: string): void {
    this.calls.push(name);
    if (this.mischief.unavailable === true) throw new EnclaveUnavailable('ENCLAVE_GONE', 'the enclave process is gone');
  }

  async describe(): Promise<EnclaveDescription> {
    this.#call('describe');
    const { node, image, measurement, hpkeKey, sign } = this.#enclave;
    return {
      nodeId: node,
      platform: 'sev-snp',
      simulated: true,
      isolated: false,
      measurement,
      image,
      imageName: 'enclave',
      imageVersion: '0.1.0',
      keyset: this.#chain.keyset(this.#enclave),
      hpkeKey,
      signKey: sign.id,
      phase: 'serving',
      trustedHeight: asHeight(this.#chain.height),
      models: [...this.#models],
    };
  }

  async attest(request: Parameters<EnclavePort['attest']>[0]): Promise<Result<Uint8Array>> {
    this.#call(`attest ${request.purpose}`);
    if (request.purpose === 'ledger') return ok(this.#chain.bundle(this.#enclave));
    if (request.purpose === 'challenge' && this.mischief.refuseChallenge === true) return fail('PLATFORM_REFUSED');
    const challenge = decodeChallenge(request.challenge);
    assert(challenge.ok, 'a challenge');
    const enclave = this.mischief.impostor ?? this.#enclave;
    if (request.purpose === 'presence') return ok(answerPresence(challenge.value, enclave.sign.sign));
    const runtime = { purpose: 'challenge', nonce: challenge.value.nonce } as const;
    const bundle = decodeEvidenceBundle(this.#chain.bundle(enclave, { runtime }));
    assert(bundle.ok, 'a bundle');
    const answer = encodeChallengeAnswer(answerChallenge(challenge.value, bundle.value, enclave.sign.sign));
    this.#first ??= answer;
    return ok(this.mischief.replay === true ? this.#first : answer);
  }

  async refresh(): Promise<Result<Uint8Array>> {
    this.#call('refresh');
    const accepted = this.#chain.state.attestations.get(this.#enclave.node);
    assert(accepted !== undefined, 'an accepted enclave');
    const statement = {
      chainId: this.#chain.genesis.chainId,
      evidenceDigest: accepted.evidenceDigest,
      nodeId: this.#enclave.node,
      height: asHeight(this.#chain.height),
      blockHash: this.#chain.hashAt(this.#chain.height),
    };
    return ok(encodeRefresh(signRefresh(statement, this.#enclave.sign.sign)));
  }

  async accept(): Promise<Result<void>> {
    this.#call('accept');
    const { attestations } = this.#chain.state;
    return attestations.get(this.#enclave.node)?.evicted === null ? ok(undefined) : fail('EVICTED');
  }

  async provisionModel({ authority }: Parameters<EnclavePort['provisionModel']>[0]): Promise<Result<void>> {
    this.#call('provisionModel');
    this.authorities.push(authority);
    if (this.mischief.model !== undefined) return fail(this.mischief.model);
    this.#models.push(...this.#chain.state.models.keys());
    return ok(undefined);
  }

  async runInference({
    authority,
  }: Parameters<EnclavePort['runInference']>[0]): ReturnType<EnclavePort['runInference']> {
    this.#call('runInference');
    this.authorities.push(authority);
    if (this.mischief.staleHeaders !== undefined && this.mischief.staleHeaders-- > 0) return fail('HEADER_NOT_NEWEST');
    if (this.mischief.inference !== undefined) return this.mischief.inference;
    assert(this.request !== undefined, 'a request to answer');
    const response = this.mischief.response ?? RESPONSE;
    const receipt = this.#chain.receipt(this.request, this.#enclave, { responseDigest: contentDigest(response) });
    return ok({ receipt, response });
  }
}

/** Ports over the chain; every event counts as provable. `proofs` answers with what was asked of it, in words. */
export function portsOver(
  chain: Chain,
  signer: Ed25519KeyPair,
  enclave: EnclavePort,
): ExecutorPorts & {
  readonly blobs: { readonly kept: Map<Digest, Uint8Array> };
  /** Who holds what is asked of it. */
  readonly holdings: { readonly collected: LargeResponse[]; readonly holders: Ed25519KeyPair[] };
  readonly clock: { readonly slept: number[] };
} {
  const random = new SeededRandom('ports');
  const kept = new Map<Digest, Uint8Array>([[contentDigest(CIPHERTEXT), CIPHERTEXT]]);
  const slept: number[] = [];
  const collected: LargeResponse[] = [];
  const holders: Ed25519KeyPair[] = [];
  return {
    chainId: chain.genesis.chainId,
    signer,
    enclave,
    ledger: { state: () => chain.state, event: async (sequence) => chain.log[sequence] },
    proofs: {
      authority: async (sequence, subjects) => utf8([sequence, ...subjects.map(factKey)].join(' ')),
      latestFinality: async () => Uint8Array.of(1),
      facts: async (subjects) => utf8(subjects.map(factKey).join(' ')),
    },
    blobs: {
      kept,
      get: async (digest) => kept.get(digest),
      open: async (digest) => {
        const blob = kept.get(digest);
        return blob === undefined ? undefined : ReadableStream.from([blob]);
      },
      put: async (digest, bytes) => {
        kept.set(digest, bytes);
      },
    },
    holdings: {
      collected,
      holders,
      collect: async (response) => {
        collected.push(response);
        const { task, responseDigest } = response;
        const statement = (holder: Ed25519KeyPair): [AccountId, string] => [
          holder.id,
          signHolding(holder, { chainId: chain.genesis.chainId, task, responseDigest }),
        ];
        return new Map(holders.map(statement));
      },
    },
    random: { bytes: (length) => random.bytes(length) },
    clock: {
      slept,
      monotonicMs: () => slept.reduce((sum, delayMs) => sum + delayMs, 0),
      sleep: async (delayMs) => {
        slept.push(delayMs);
      },
    },
  };
}

/** The assignment that the replica would make of a requested task. */
export function assignmentFor(chain: Chain, request: Transaction, enclave: Enclave): TaskAssignment {
  const task = chain.state.tasks.get(chain.taskOf(request));
  assert(task !== undefined, 'a requested task');
  return {
    task: task.id,
    sender: task.sender,
    owner: task.owner,
    model: task.model,
    keyset: chain.keyset(enclave),
    requestSequence: task.requestSequence,
    requestHeight: task.height,
    payloadDigest: task.payloadDigest,
    deadlineMs: task.deadlineMs,
  };
}

/** A local replica that puts what it is handed into the chain's next block. */
export function submitInto(chain: Chain, refuse?: AdmissionCode) {
  const submitted: Uint8Array[] = [];
  return {
    submitted,
    submit: async (bytes: Uint8Array): Promise<Result<{ readonly id: Digest }, AdmissionCode>> => {
      submitted.push(bytes);
      return refuse === undefined ? ok({ id: chain.genesis.chainId }) : fail(refuse);
    },
  };
}
