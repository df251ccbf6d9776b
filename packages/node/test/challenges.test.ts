/** Challenges between peers: true evidence of a simulated device, appraised in full, and each way to cheat. */
import {
  answerChallenge,
  appraisalPolicyToJson,
  decodeChallenge,
  encodeChallengeAnswer,
  encodeRuntimeData,
  makeChallenge,
  reportDataFor,
  signChallengeRequest,
} from '@cloister/attestation';
import { type Ed25519KeyPair, sha256 } from '@cloister/crypto';
import { type AccountId, asMeasurement, fail, fromHex, ok, type Result, utf8 } from '@cloister/encoding';
import { isKnownSender } from '@cloister/ledger';
import {
  Chain,
  CRL,
  digestOf,
  type Enclave,
  enclaveOf,
  GENESIS,
  keyOf,
  owner,
  tenant,
  v0,
  v1,
  v2,
} from '@cloister/testkit';
import { EnclaveUnavailable } from '@cloister/validator';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { decodeAttestAnswer, encodeAttestAnswer } from '../src/attest/attest-messages.ts';
import { ChallengeDesk } from '../src/attest/challenge-desk.ts';
import { ASKERS_MAX, ChallengeRateLimit } from '../src/attest/challenge-rate-limit.ts';
import { type ChallengeOutcome, PeerAttestations } from '../src/attest/peer-attestation.ts';

/** What an enclave answers to an encoded challenge. */
function answerOf(chain: Chain, enclave: Enclave, bytes: Uint8Array, nonce?: string): Uint8Array {
  const challenge = decodeChallenge(bytes);
  if (!challenge.ok) throw new Error(challenge.code);
  const runtimeData = encodeRuntimeData({
    chain_id: chain.genesis.chainId,
    domain: 'cloister/report-data/v1',
    purpose: 'challenge',
    hpke_key: enclave.hpkeKey,
    sign_key: enclave.sign.id,
    image: enclave.image,
    node_id: enclave.node,
    nonce: nonce ?? challenge.value.nonce,
    nonce_height: 0,
  });
  const report = enclave.device.report({
    measurement: fromHex(enclave.measurement),
    hostData: fromHex(enclave.image),
    reportData: reportDataFor(runtimeData),
  });
  const bundle = {
    evidence: { platform: 'sev-snp', report },
    runtimeData,
    endorsements: { certificates: enclave.device.certificates, crls: [CRL] },
  } as const;
  return encodeChallengeAnswer(answerChallenge(challenge.value, bundle, enclave.sign.sign));
}

let chain: Chain;
let monotonicMs: number;
let asked: number;
let ask: (member: AccountId, challenge: Uint8Array) => Promise<Result<Uint8Array>>;
let outcomes: [AccountId, ChallengeOutcome][];
let peers: PeerAttestations;
let connected: AccountId[];
let told: () => void;

beforeEach(() => {
  chain = new Chain();
  chain.block();
  monotonicMs = 1_000_000;
  asked = 0;
  outcomes = [];
  connected = [];
  told = () => undefined;
  let drawn = 0;
  peers = new PeerAttestations({
    chainId: chain.genesis.chainId,
    self: v2.id,
    state: () => chain.state,
    randomBytes: () => sha256(utf8(`random ${drawn++}`)),
    nowMs: () => 0,
    monotonicMs: () => monotonicMs,
    intervalMs: 60_000,
    connected: () => connected,
    ask: (member, challenge) => {
      asked++;
      return ask(member, challenge);
    },
    onOutcome: (member, outcome) => {
      outcomes.push([member, outcome]);
      told();
    },
    onError: (error) => {
      throw error;
    },
  });
});

function attested(node: Ed25519KeyPair): Enclave {
  const enclave = enclaveOf(node);
  chain.block(chain.evidence(node, enclave));
  return enclave;
}

describe('challenging a peer', () => {
  it('passes for the enclave that the ledger accepted, and is not repeated within the interval', async () => {
    const enclave = attested(v0);
    ask = async (_, bytes) => ok(answerOf(chain, enclave, bytes));
    expect(await peers.attestationOf(v0.id)).toBe('passed');
    expect(outcomes[0]?.[1]).toMatchObject({
      passed: true,
      code: 'OK',
      simulated: true,
      measurement: enclave.measurement,
    });
    expect(await peers.attestationOf(v0.id)).toBe('passed');
    expect(asked).toBe(1);
    monotonicMs += 60_000;
    await peers.attestationOf(v0.id);
    expect(asked).toBe(2);
  });

  it('is not made of a member that the ledger never accepted', async () => {
    expect(await peers.attestationOf(v1.id)).toBe('unattested');
    expect(asked).toBe(0);
  });

  const cheats: [string, string, (enclave: Enclave, other: Enclave) => typeof ask][] = [
    [
      'the evidence of another node',
      'NODE_ID_MISMATCH',
      (_, other) => async (__, bytes) => ok(answerOf(chain, other, bytes)),
    ],
    [
      'an answer to an older challenge',
      'NONCE_MISMATCH',
      (enclave) => async (_, bytes) => ok(answerOf(chain, enclave, bytes, 'ab'.repeat(32))),
    ],
    [
      'another keyset than the ledger’s',
      'KEYSET_MISMATCH',
      (enclave) => async (_, bytes) => {
        const relaunched = enclaveOf(v0, { run: 'second run' });
        return ok(answerOf(chain, { ...relaunched, device: enclave.device }, bytes));
      },
    ],
    [
      'a changed image',
      'MEASUREMENT_UNKNOWN',
      (enclave) => async (_, bytes) =>
        ok(answerOf(chain, { ...enclave, measurement: asMeasurement('cc'.repeat(48)) }, bytes)),
    ],
    ['no bytes that are an answer', 'ANSWER_MALFORMED', () => () => Promise.resolve(ok(new Uint8Array(10)))],
    ['a refusal', 'ENCLAVE_UNAVAILABLE', () => () => Promise.resolve(fail('ENCLAVE_UNAVAILABLE', 'starting'))],
  ];
  it.each(cheats)('fails for %s', async (_, code, cheat) => {
    const enclave = attested(v0);
    const other = attested(v1);
    ask = cheat(enclave, other);
    expect(await peers.attestationOf(v0.id)).toBe('failed');
    const outcome = peers.outcomeOf(v0.id);
    expect(outcome?.passed).toBe(false);
    if (code === 'MEASUREMENT_UNKNOWN') expect(outcome?.code).toMatch(/MEASUREMENT|REFERENCE/);
    else expect(outcome?.code).toBe(code);
  });

  it('is made anew when the ledger accepts another keyset', async () => {
    const enclave = attested(v0);
    ask = async (_, bytes) => ok(answerOf(chain, enclave, bytes));
    await peers.attestationOf(v0.id);
    const relaunched = enclaveOf(v0, { run: 'second run' });
    chain.block(chain.evidence(v0, relaunched));
    expect(await peers.attestationOf(v0.id)).toBe('failed');
    expect(asked).toBe(2);
  });

  it('is made anew when the ledger appraises by something else', async () => {
    const enclave = attested(v0);
    ask = async (_, bytes) => ok(answerOf(chain, enclave, bytes));
    await peers.attestationOf(v0.id);
    const { measurement, image } = enclave;
    const pair = { platform: 'sev-snp', measurement, image, name: 'enclave' } as const;
    const revocation = { ...pair, status: 'revoked', graceUntilHeight: null } as const;
    chain.block([v0, v1].map((member) => chain.transaction(member, 'set-measurement', revocation)));
    expect(await peers.attestationOf(v0.id)).toBe('failed');
    expect(peers.outcomeOf(v0.id)).toMatchObject({ passed: false, code: 'MEASUREMENT_REVOKED' });
    expect(asked).toBe(2);
  });

  it('is needless for a member that the ledger evicted', async () => {
    const enclave = attested(v0);
    ask = async (_, bytes) => ok(answerOf(chain, enclave, bytes));
    expect(await peers.attestationOf(v0.id)).toBe('passed');
    const barred = { ...GENESIS.appraisalPolicy, barredHardwareIds: [enclave.device.hardwareId] };
    const payload = { policy: appraisalPolicyToJson(barred) };
    chain.block([v0, v1].map((member) => chain.transaction(member, 'set-policy', payload)));
    expect(chain.state.attestations.get(v0.id)?.evicted).toMatchObject({ cause: 'policy' });
    expect(await peers.attestationOf(v0.id)).toBe('failed');
    expect(asked).toBe(1);
  });

  it('is made of members as they connect', async () => {
    const enclave = attested(v0);
    connected = [v0.id, v1.id];
    ask = async (_, bytes) => ok(answerOf(chain, enclave, bytes));
    const first = new Promise<void>((resolve) => {
      told = resolve;
    });
    peers.start();
    await first;
    peers.stop();
    expect(outcomes.map(([member]) => member)).toEqual([v0.id]);
  });
});

describe('the desk for challenges', () => {
  function deskOf(more: Partial<ConstructorParameters<typeof ChallengeDesk>[0]> = {}): ChallengeDesk {
    return new ChallengeDesk({
      chainId: chain.genesis.chainId,
      self: v0.id,
      enclave: () => ({ attest: () => Promise.resolve(ok(Uint8Array.of(1, 2))) }) as never,
      isAccount: (id) => isKnownSender(chain.state, id),
      answersPerMinute: 4,
      monotonicMs: () => monotonicMs,
      request: () => Promise.reject(Object.assign(new Error('gone'), { code: 'NOT_CONNECTED' })),
      ...more,
    });
  }
  function challenge(target: AccountId, chainId = chain.genesis.chainId): Uint8Array {
    return Buffer.concat([fromHex(chainId), fromHex(v1.id), fromHex(target), sha256(utf8('nonce'))]);
  }

  it('answers those to this node of this chain, a bounded number to each asker', async () => {
    const desk = deskOf();
    expect(await desk.answerLocally('a', challenge(v0.id))).toEqual(ok(Uint8Array.of(1, 2)));
    expect(await desk.answerLocally('a', challenge(v1.id))).toMatchObject({ code: 'NOT_THE_TARGET' });
    expect(await desk.answerLocally('a', challenge(v0.id, digestOf('other')))).toMatchObject({ code: 'WRONG_CHAIN' });
    expect(await desk.answerLocally('a', new Uint8Array(127))).toMatchObject({ code: 'CHALLENGE_MALFORMED' });
    await desk.answerLocally('a', challenge(v0.id));
    await desk.answerLocally('a', challenge(v0.id));
    await desk.answerLocally('a', challenge(v0.id));
    expect(await desk.answerLocally('a', challenge(v0.id))).toEqual(fail('RATE_LIMITED', '15'));
    expect((await desk.answerLocally('b', challenge(v0.id))).ok).toBe(true);
    monotonicMs += 15_000;
    expect((await desk.answerLocally('a', challenge(v0.id))).ok).toBe(true);
  });

  const signed = (who: Ed25519KeyPair, target: AccountId, nonce = 'nonce'): Uint8Array => {
    const fields = { chainId: chain.genesis.chainId, challenger: who.id, target, nonce: sha256(utf8(nonce)) };
    return signChallengeRequest(makeChallenge(fields), who.sign);
  };

  it('counts what an account signed to that account alone, here and through other nodes', async () => {
    const desk = deskOf();
    const flood = Array.from({ length: 70 }, () => desk.forward('address', v0.id, challenge(v0.id)));
    const answered = (await Promise.all(flood)).filter(({ ok: taken }) => taken);
    expect(answered).toHaveLength(2);
    for (let i = 0; i < 4; i++) {
      expect((await desk.forward('address', v0.id, signed(tenant, v0.id))).ok).toBe(true);
      expect((await desk.answerLocally('peer', signed(owner, v0.id))).ok).toBe(true);
    }
    expect(await desk.forward('elsewhere', v0.id, signed(tenant, v0.id))).toMatchObject({ code: 'RATE_LIMITED' });
    expect((await desk.answerLocally('peer', challenge(v0.id))).ok).toBe(true);
  });

  it('takes nothing from anybody for what nobody may have', async () => {
    const desk = deskOf();
    const forged = signed(tenant, v0.id).map((byte, at) => (at === 191 ? byte ^ 1 : byte));
    const wrong: readonly [AccountId, Uint8Array, string][] = [
      [v0.id, new Uint8Array(0), 'CHALLENGE_MALFORMED'],
      [v0.id, new Uint8Array(129), 'CHALLENGE_MALFORMED'],
      [v0.id, challenge(v1.id), 'NOT_THE_TARGET'],
      [v0.id, challenge(v0.id, digestOf('other')), 'WRONG_CHAIN'],
      [keyOf('nobody').id, challenge(keyOf('nobody').id), 'NODE_UNKNOWN'],
      [v0.id, forged, 'CHALLENGE_UNSIGNED'],
    ];
    for (let i = 0; i < 10; i++) {
      for (const [node, bytes, code] of wrong) expect(await desk.forward('a', node, bytes)).toMatchObject({ code });
    }
    expect((await desk.forward('a', v0.id, challenge(v0.id))).ok).toBe(true);
    expect((await desk.forward('a', v0.id, signed(tenant, v0.id))).ok).toBe(true);
  });

  it('counts a signature of an account that nobody knows as none', async () => {
    const desk = deskOf();
    const strangers = Array.from({ length: 9 }, (_, i) => keyOf(`stranger ${i}`));
    const answers = await Promise.all(strangers.map((who) => desk.forward('a', v0.id, signed(who, v0.id))));
    expect(answers.filter(({ ok: taken }) => taken)).toHaveLength(2);
  });

  it('hands on a bounded number that nobody signed, whoever asks and whichever node', async () => {
    const handedOn: AccountId[] = [];
    const request = async (member: AccountId): Promise<Uint8Array> => {
      handedOn.push(member);
      return encodeAttestAnswer(ok(Uint8Array.of(7)));
    };
    const desk = deskOf({ request });
    for (const asker of ['a', 'b', 'c']) await desk.forward(asker, v1.id, challenge(v1.id));
    expect(handedOn).toEqual([v1.id, v1.id]);
    expect(await desk.forward('d', v1.id, challenge(v1.id))).toMatchObject({ code: 'RATE_LIMITED' });
    expect(await desk.forward('d', v2.id, challenge(v2.id))).toMatchObject({ code: 'RATE_LIMITED' });
    expect((await desk.forward('d', v2.id, signed(tenant, v2.id))).ok).toBe(true);
    // What this node itself wants to know is not counted with it.
    expect((await desk.ask(v1.id, challenge(v1.id))).ok).toBe(true);
  });

  it('turns every failure into a code', async () => {
    expect(await deskOf({ enclave: () => undefined }).answerLocally('a', challenge(v0.id))).toMatchObject({
      code: 'ENCLAVE_UNAVAILABLE',
    });
    const dying = { attest: () => Promise.reject(new EnclaveUnavailable('ENCLAVE_TIMEOUT', 'slow')) } as never;
    expect(await deskOf({ enclave: () => dying }).answerLocally('a', challenge(v0.id))).toMatchObject({
      code: 'ENCLAVE_UNAVAILABLE',
      detail: 'slow',
    });
    expect(await deskOf().forward('a', v1.id, challenge(v1.id))).toMatchObject({ code: 'NOT_CONNECTED' });
  });

  it('reads back what it sends, and never throws on what it gets', async () => {
    expect(decodeAttestAnswer(encodeAttestAnswer(ok(Uint8Array.of(7))))).toEqual(ok(Uint8Array.of(7)));
    expect(decodeAttestAnswer(encodeAttestAnswer(fail('RATE_LIMITED')))).toEqual(fail('RATE_LIMITED'));
    const desk = deskOf();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (noise) => {
        decodeAttestAnswer(noise);
        await desk.answerPeer('x', noise);
      }),
    );
  });
});

it('remembers a bounded number of askers, and forgets who asked longest ago', () => {
  const limit = new ChallengeRateLimit(1, () => 0);
  expect(limit.take('first')).toBe(true);
  for (let i = 0; i < ASKERS_MAX; i++) limit.take(`asker ${i}`);
  expect(limit.askers).toBe(ASKERS_MAX);
  expect(limit.take(`asker ${ASKERS_MAX - 1}`)).toBe(false);
  expect(limit.take('first')).toBe(true);
});
