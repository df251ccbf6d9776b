import { decodeEvidenceBundle, type Endorsements } from '@cloister/attestation';
import { asHeight, parseBase64, toBase64 } from '@cloister/encoding';
import {
  type Chain,
  codesOf,
  deviceOf,
  enclaveOf,
  eventOf,
  keyOf,
  runningChain,
  stranger,
  typesOf,
  v0,
  v1,
  v2,
  v3,
} from '@cloister/testkit';
import {
  eligibleNodes,
  fork,
  intelEndorsements,
  machineEnclave,
  machineEvidence,
  mixedChain,
  NEWER_MS,
  outOfDateLevel,
  pckSerialOf,
  snpEndorsements,
  submitEndorsements,
} from '@cloister/testkit/platforms';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeState, encodeState, evolve, initialState, projectAttestation, stateDigest } from '../../src/index.ts';
import { mutated } from '../mutations.ts';

const { chain: mixed, enclaves: mixedEnclaves } = mixedChain();
const DAY_MS = 86_400_000;

function detailOf(execution: ReturnType<Chain['block']>): string {
  return eventOf(execution, 'TransactionRejected').detail;
}

function endorsementsHeld(chain: Chain, node: typeof v0): Endorsements {
  const bytes = parseBase64(chain.state.attestations.get(node.id)?.bundle);
  const bundle = decodeEvidenceBundle(bytes ?? new Uint8Array());
  if (!bundle.ok) throw new Error(bundle.code);
  return bundle.value.endorsements;
}

describe('submit-endorsements', () => {
  test('a newer revocation list renews what it touches, and the end of its endorsements moves on', () => {
    const chain = fork(mixed);
    const before = projectAttestation(chain.state, v1.id);
    const nextUpdateMs = NEWER_MS + 100 * DAY_MS;
    const execution = chain.block(submitEndorsements(chain, 'sev-snp', snpEndorsements({ nextUpdateMs })));
    expect(typesOf(execution)).toEqual(['EndorsementsAccepted', 'AttestationReappraised']);
    expect(eventOf(execution, 'AttestationReappraised')).toMatchObject({
      node: v1.id,
      cause: 'endorsements',
      validUntilMs: nextUpdateMs,
      validUntilHeight: before?.validUntilHeight,
      aliveUntilHeight: before?.aliveUntilHeight,
    });
    expect(before?.validUntilMs).toBeLessThan(nextUpdateMs);
    const { number } = eventOf(execution, 'EndorsementsAccepted').crls[0] ?? {};
    expect([...chain.state.crlFloors.values()].map((floor) => floor.number)).toContain(number);
    expect(chain.state.attestations.get(v1.id)).toMatchObject({ validUntilMs: nextUpdateMs });
    expect(endorsementsHeld(chain, v1).crls).toEqual(snpEndorsements({ nextUpdateMs }).crls);
  });

  test('one that revokes a chip evicts exactly its node', () => {
    const { chain } = runningChain(3);
    const revoking = snpEndorsements({ revokedDevices: [deviceOf(v1.id).serial] });
    const execution = chain.block(submitEndorsements(chain, 'sev-snp', revoking, v0));
    expect(eventOf(execution, 'AttestationEvicted')).toMatchObject({
      node: v1.id,
      cause: 'endorsements',
      code: 'LEAF_REVOKED',
    });
    const renewed = execution.events.flatMap((event) => (event.type === 'AttestationReappraised' ? [event.node] : []));
    expect(renewed).toEqual([v0, v2].map(({ id }) => id).sort());
    expect(eligibleNodes(chain)).toEqual([v0.id, v2.id]);
    expect(detailOf(chain.block(chain.evidence(v1, enclaveOf(v1), { crls: revoking.crls })))).toBe('LEAF_REVOKED');
  });

  test('Intel’s list evicts a processor from SGX and from TDX, whichever the endorsements were submitted for', () => {
    const chain = fork(mixed);
    const revoking = intelEndorsements('sgx', { revokedPcks: [pckSerialOf(v3)] });
    const execution = chain.block(submitEndorsements(chain, 'sgx', revoking));
    expect(eventOf(execution, 'AttestationEvicted')).toMatchObject({ node: v3.id, code: 'PCK_REVOKED' });
    expect(eventOf(execution, 'AttestationReappraised').node).toBe(v2.id);
    expect(eligibleNodes(chain)).toEqual([v0.id, v1.id, v2.id]);
  });

  test('TCB info by which a platform is out of date evicts it, a newer evaluation alone does not', () => {
    const chain = fork(mixed);
    const renewed = chain.block(submitEndorsements(chain, 'tdx', intelEndorsements('tdx')));
    expect(eventOf(renewed, 'EndorsementsAccepted').statements).toMatchObject([
      { name: 'tcb-info/TDX/90c06f000000', tcbEvaluationDataNumber: 20 },
      { name: 'qe-identity/TD_QE', tcbEvaluationDataNumber: 20 },
    ]);
    const tdx = renewed.events.find((event) => event.type === 'AttestationReappraised' && event.node === v3.id);
    expect(tdx).toMatchObject({ tcb: { tcbEvaluationDataNumber: 20 }, tcbStatus: 'UpToDate' });
    expect(eligibleNodes(chain)).toHaveLength(4);
    const later = { issuedMs: NEWER_MS + 3_600_000, tcbEvaluationDataNumber: 21, crlNumber: 1_000_000n };
    const raised = [{ sgx: [9], tdx: [9], pceSvn: 13, status: 'UpToDate' as const }, outOfDateLevel()];
    const outdated = intelEndorsements('tdx', { ...later, platformLevels: raised });
    const execution = chain.block(submitEndorsements(chain, 'tdx', outdated));
    expect(eventOf(execution, 'AttestationEvicted')).toMatchObject({ node: v3.id, code: 'TCB_STATUS_NOT_ACCEPTED' });
    expect(eligibleNodes(chain)).toEqual([v0.id, v1.id, v2.id]);
  });

  test('a higher evaluation of the same date is newer, for those who rest on the lower one too', () => {
    const chain = fork(mixed);
    chain.block(submitEndorsements(chain, 'tdx', intelEndorsements('tdx')));
    const stricter = intelEndorsements('tdx', { tcbEvaluationDataNumber: 21, platformLevels: [outOfDateLevel()] });
    const execution = chain.block(submitEndorsements(chain, 'tdx', stricter));
    expect(eventOf(execution, 'AttestationEvicted')).toMatchObject({ node: v3.id, code: 'TCB_STATUS_NOT_ACCEPTED' });
  });

  test('evicted by endorsements, a node comes back with evidence that passes', () => {
    const chain = fork(mixed);
    const [, , , enclave = machineEnclave(v3, 'tdx')] = mixedEnclaves;
    chain.block(submitEndorsements(chain, 'tdx', intelEndorsements('tdx', { platformLevels: [outOfDateLevel()] })));
    expect(projectAttestation(chain.state, v3.id)?.evicted).toMatchObject({ cause: 'endorsements' });
    const stale = chain.block(machineEvidence(chain, v3, enclave));
    expect(codesOf(stale)).toEqual(['EVIDENCE_REFUSED']);
    expect(detailOf(stale)).toContain('OLDER_THAN_SEEN');
    const fixed = intelEndorsements('tdx', { issuedMs: NEWER_MS + 60_000 });
    const back = chain.block(machineEvidence(chain, v3, enclave, () => fixed));
    expect(typesOf(back)).toContain('AttestationAccepted');
    expect(eligibleNodes(chain)).toContain(v3.id);
  });

  test('what is not newer, older, unsigned by the vendor, or for another tee is refused and changes nothing', () => {
    const chain = fork(mixed);
    const code = (platform: 'sev-snp' | 'sgx' | 'tdx', endorsements: Endorsements) => {
      const { events } = chain.block(submitEndorsements(chain, platform, endorsements));
      return events
        .slice(1)
        .map((event) => (event.type === 'TransactionRejected' ? [event.code, event.detail] : event));
    };
    expect(code('sev-snp', snpEndorsements())).toHaveLength(2);
    const digest = stateOf(chain);
    expect(code('sev-snp', snpEndorsements())).toEqual([['ENDORSEMENTS_NOT_NEWER', '']]);
    const older = snpEndorsements({ number: 5n });
    expect(code('sev-snp', older)).toEqual([['ENDORSEMENTS_REFUSED', 'CRL_OLDER_THAN_SEEN']]);
    const earlier = snpEndorsements({ number: 1_000_001n, thisUpdateMs: NEWER_MS - 1000 });
    expect(code('sev-snp', earlier)).toEqual([['ENDORSEMENTS_REFUSED', 'CRL_OLDER_THAN_SEEN']]);
    const future = snpEndorsements({ number: 1_000_001n, thisUpdateMs: chain.state.timeMs + 60_000 });
    expect(code('sev-snp', future)).toEqual([['ENDORSEMENTS_REFUSED', 'CRL_NOT_YET_VALID']]);
    const forged = snpEndorsements({ number: 1_000_001n });
    const bytes = (forged.crls[0] ?? new Uint8Array()).slice();
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect(code('sev-snp', { ...forged, crls: [bytes] })).toEqual([['ENDORSEMENTS_REFUSED', 'CRL_SIGNATURE']]);
    expect(code('tdx', intelEndorsements('sgx'))).toMatchObject([['ENDORSEMENTS_REFUSED', 'TCB_INFO_ID']]);
    const lower = intelEndorsements('sgx', { tcbEvaluationDataNumber: 3 });
    expect(code('sgx', lower)).toMatchObject([['ENDORSEMENTS_REFUSED', expect.stringContaining('OLDER_THAN_SEEN')]]);
    expect(stateOf(chain)).toEqual(digest);
  });

  test('surplus, which nobody may have signed, is refused whatever else comes with it', () => {
    const chain = fork(mixed);
    const intel = intelEndorsements('sgx');
    const [list = new Uint8Array()] = intel.crls;
    const [statement] = intel.statements ?? [];
    if (statement === undefined) throw new Error('Intel endorsements have statements');
    const refused = 'ENDORSEMENTS_TOO_MANY';
    const send = (platform: 'sgx' | 'sev-snp', endorsements: Endorsements) =>
      detailOf(chain.block(submitEndorsements(chain, platform, endorsements)));
    expect(send('sgx', { ...intel, crls: [...intel.crls, list] })).toBe(refused);
    expect(send('sgx', { ...intel, statements: [...(intel.statements ?? []), statement] })).toBe(refused);
    expect(send('sgx', { ...intel, certificates: [...intel.certificates, list] })).toBe(refused);
    expect(send('sev-snp', { ...snpEndorsements(), statements: [statement] })).toBe(refused);
    expect(eligibleNodes(chain)).toHaveLength(4);
  });

  test('of several lists of one issuer the newest counts, in whatever order they come', () => {
    const numbers = [1_000_001n, 1_000_003n, 1_000_002n];
    const all = numbers.map((number) => snpEndorsements({ number }));
    const chain = fork(mixed);
    const several = { ...snpEndorsements(), crls: all.flatMap(({ crls }) => crls) };
    chain.block(submitEndorsements(chain, 'sev-snp', several));
    expect(eligibleNodes(chain)).toHaveLength(4);
    expect(endorsementsHeld(chain, v1).crls).toEqual(all[1]?.crls);
    expect(codesOf(chain.block(submitEndorsements(chain, 'sev-snp', all[2] ?? several)))).toEqual([
      'ENDORSEMENTS_REFUSED',
    ]);
  });

  test('a bundle that newer endorsements do not fit is evicted: its node could not submit it either', () => {
    const chain = fork(mixed);
    const revokedPcks = Array.from({ length: 580 }, (_, index) => 10n ** 18n + BigInt(index));
    const platformLevels = Array.from({ length: 8 }, () => ({ sgx: [0], pceSvn: 0, status: 'UpToDate' as const }));
    const large = intelEndorsements('sgx', { revokedPcks, platformLevels });
    const execution = chain.block(submitEndorsements(chain, 'sgx', large));
    const evicted = execution.events.flatMap((event) => (event.type === 'AttestationEvicted' ? [event] : []));
    expect(evicted.map(({ node, code }) => [node, code])).toEqual([[v2.id, 'BUNDLE_TOO_LARGE']]);
    const replayed = chain.log.reduce(evolve, initialState());
    expect(decodeState(encodeState(replayed)).ok).toBe(true);
  });

  test('floors never go down, whatever order events are folded in', () => {
    const chain = fork(mixed);
    const accepted = eventOf(
      chain.block(submitEndorsements(chain, 'sgx', intelEndorsements('sgx'))),
      'EndorsementsAccepted',
    );
    const floors = () => [new Map(chain.state.crlFloors), new Map(chain.state.statementFloors)];
    const raised = floors();
    const older = {
      crls: accepted.crls.map((crl) => ({ ...crl, number: '00'.repeat(20), thisUpdateMs: 1 })),
      statements: accepted.statements.map((seen) => ({ ...seen, issueDateMs: 1, tcbEvaluationDataNumber: 1 })),
    };
    evolve(chain.state, { ...accepted, ...older });
    expect(floors()).toEqual(raised);
  });

  test('takes any known sender, and no stranger', () => {
    const chain = fork(mixed);
    const from = (sender: typeof v0) => submitEndorsements(chain, 'sev-snp', snpEndorsements(), sender);
    expect(typesOf(chain.block(from(stranger)))).toEqual(['UnknownSendersCounted']);
    expect(typesOf(chain.block(from(keyOf('tenant'))))).toContain('EndorsementsAccepted');
  });

  test('bytes at random change nothing but the account of the attempt', () => {
    const chain = fork(mixed);
    const digest = stateOf(chain);
    const good = submitEndorsements(chain, 'sev-snp', snpEndorsements());
    if (good.kind !== 'submit-endorsements') throw new Error('a submission');
    const original = parseBase64(good.payload.endorsements) ?? new Uint8Array();
    const hostile = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 99 }), mutated(original));
    fc.assert(
      fc.property(hostile, fc.constantFrom('sev-snp', 'sgx', 'tdx'), (bytes, platform) => {
        if (bytes.length === 0) return;
        const payload = { platform, endorsements: toBase64(bytes) } as const;
        const execution = chain.block(chain.transaction(v1, 'submit-endorsements', payload));
        // A flip may hit a member that does not count, such as the order of certificates; then it is the same list.
        if (codesOf(execution).length === 1) expect(stateOf(chain)).toEqual(digest);
        expect(eligibleNodes(chain)).toHaveLength(4);
      }),
      { numRuns: 15 },
    );
  });
});

/** The state but for what every block and every transaction changes. */
function stateOf(chain: Chain): string {
  return stateDigest({
    ...fork(chain).state,
    eventCount: 0,
    height: asHeight(0),
    blockHash: chain.genesis.chainId,
    timeMs: 0,
    recentBlocks: new Map(),
    executed: new Map(),
    executedByExpiry: new Map(),
  });
}
