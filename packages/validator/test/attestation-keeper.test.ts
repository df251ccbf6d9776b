import { fail } from '@cloister/encoding';
import { decodeTransaction, type ParsedGenesis } from '@cloister/ledger';
import { AGES, Chain, enclaveOf, genesisWith, runningChain, v0, v1 } from '@cloister/testkit';
import { setPolicy } from '@cloister/testkit/platforms';
import { describe, expect, it } from 'vitest';
import { AttestationKeeper, type KeeperReport, planAttestation } from '../src/index.ts';
import { MockEnclave, portsOver, submitInto } from './mock-enclave.ts';

function question(chain: Chain, shownSequence?: number) {
  return {
    state: chain.state,
    self: v0.id,
    enclave: { keyset: chain.keyset(enclaveOf(v0)) },
    provableCount: chain.log.length,
    shownSequence,
  };
}

describe('planAttestation', () => {
  it('submits when the ledger knows nothing', () => {
    const chain = new Chain();
    chain.block();
    expect(planAttestation(question(chain))).toEqual({ type: 'submit', reason: 'never-attested' });
  });

  it('submits when the enclave has new keys', () => {
    const { chain } = runningChain(1);
    const enclave = { keyset: chain.keyset(enclaveOf(v0, { run: 'second run' })) };
    expect(planAttestation({ ...question(chain), enclave })).toEqual({ type: 'submit', reason: 'keyset-changed' });
  });

  it('shows the acceptance once it is provable, and then rests', () => {
    const { chain } = runningChain(1);
    const sequence = chain.state.attestations.get(v0.id)?.sequence ?? -1;
    expect(planAttestation({ ...question(chain), provableCount: sequence })).toEqual({ type: 'none' });
    expect(planAttestation(question(chain))).toEqual({ type: 'accept', sequence });
    expect(planAttestation(question(chain, sequence))).toEqual({ type: 'none' });
  });

  it('refreshes before the window closes, and submits when evidence ages or has lapsed', () => {
    const { chain, enclaves } = runningChain(1);
    const accepted = chain.state.attestations.get(v0.id);
    const shown = question(chain, accepted?.sequence);
    const margin = Math.floor(AGES.refreshWindowBlocks / 3);
    chain.advanceTo((accepted?.aliveUntilHeight ?? 0) - margin);
    expect(planAttestation(shown)).toEqual({ type: 'none' });
    chain.block();
    expect(planAttestation(shown)).toEqual({ type: 'refresh' });
    chain.advanceTo((accepted?.aliveUntilHeight ?? 0) - 1);
    const [own] = enclaves;
    if (own !== undefined) chain.block(chain.refresh(v0, own));
    const newest = chain.state.attestations.get(v0.id)?.newestSequence;
    expect(planAttestation(question(chain))).toEqual({ type: 'accept', sequence: newest });
    chain.advanceTo((accepted?.validUntilHeight ?? 0) - Math.floor(AGES.maxAgeBlocks / 3) + 1);
    expect(planAttestation(shown)).toEqual({ type: 'submit', reason: 'ageing' });
    chain.advanceTo((accepted?.validUntilHeight ?? 0) + 1);
    expect(planAttestation(shown)).toEqual({ type: 'submit', reason: 'lapsed' });
  });

  it('tells the enclave of its eviction first, and then submits', () => {
    const chain = evictedChain();
    const own = chain.state.attestations.get(v0.id);
    const [acceptance, eviction] = [own?.sequence ?? -1, own?.newestSequence ?? -1];
    expect(chain.log[eviction]).toMatchObject({ type: 'AttestationEvicted', node: v0.id });
    for (const shown of [undefined, acceptance]) {
      expect(planAttestation(question(chain, shown))).toEqual({ type: 'accept', sequence: eviction });
    }
    expect(planAttestation(question(chain, eviction))).toEqual({ type: 'submit', reason: 'evicted' });
    const unproven = { ...question(chain, acceptance), provableCount: eviction };
    expect(planAttestation(unproven)).toEqual({ type: 'submit', reason: 'evicted' });
  });

  it('shows a re-appraisal as the newest event', () => {
    const { chain } = runningChain(1, ONE_GOVERNOR);
    const sequence = chain.state.attestations.get(v0.id)?.sequence;
    chain.block(setPolicy(chain, { maxAgeBlocks: AGES.maxAgeBlocks - 5 }, v1));
    const newest = chain.log.findLastIndex(({ type }) => type === 'AttestationReappraised');
    expect(planAttestation(question(chain, sequence))).toEqual({ type: 'accept', sequence: newest });
    expect(planAttestation(question(chain, newest))).toEqual({ type: 'none' });
  });

  it('renews expiring endorsements, but not again and again', () => {
    const { chain } = runningChain(1);
    const accepted = chain.state.attestations.get(v0.id);
    if (accepted === undefined) return;
    const validUntilMs = chain.state.timeMs + 60_000;
    const shown = question(chain, accepted.sequence);
    const acceptedAgo = (ms: number): void => {
      const acceptedTimeMs = chain.state.timeMs - ms;
      chain.state.attestations.set(v0.id, { ...accepted, validUntilMs, acceptedTimeMs });
    };
    acceptedAgo(PAUSE_MS - 1);
    expect(planAttestation(shown)).toEqual({ type: 'none' });
    acceptedAgo(PAUSE_MS);
    expect(planAttestation(shown)).toEqual({ type: 'submit', reason: 'expiring' });
  });
});

/** After an acceptance, before evidence is renewed for endorsements that end. */
const PAUSE_MS = 600_000;

const ONE_GOVERNOR = genesisWith({ governance: { members: [v1.id], threshold: 1 } });
const OWN_HARDWARE = enclaveOf(v0).device.hardwareId;

/** A chain on which v0 attested and then its hardware was barred. */
function evictedChain(): Chain {
  const { chain } = runningChain(1, ONE_GOVERNOR);
  chain.block(setPolicy(chain, { barredHardwareIds: [OWN_HARDWARE] }, v1));
  return chain;
}

function keeperScene(genesis?: ParsedGenesis) {
  const chain = new Chain(genesis);
  chain.block();
  const enclave = new MockEnclave(chain, enclaveOf(v0));
  const submit = submitInto(chain);
  const reports: KeeperReport[] = [];
  const standing = { synced: true };
  const keeper = new AttestationKeeper(
    { ...portsOver(chain, v0, enclave), submit, isSynced: () => standing.synced },
    (report) => reports.push(report),
  );
  const commit = async (include = true): Promise<void> => {
    const transactions = include
      ? submit.submitted.splice(0).flatMap((bytes) => {
          const decoded = decodeTransaction(bytes);
          return decoded.ok ? [decoded.value] : [];
        })
      : [];
    chain.block(transactions);
    await keeper.blockCommitted({ provableCount: chain.log.length });
  };
  return { chain, enclave, submit, reports, keeper, commit, standing };
}

describe('AttestationKeeper', () => {
  it('attests, shows the enclave its acceptance, and refreshes from then on', async () => {
    const { chain, reports, commit } = keeperScene();
    await commit();
    await commit();
    expect(chain.state.attestations.get(v0.id)).toBeDefined();
    await commit();
    expect(reports.map(({ type }) => type)).toEqual(['submitted', 'accepted']);
    for (let block = 0; block < 3 * AGES.maxAgeBlocks; block++) await commit();
    const kinds = reports.map(({ type }) => type);
    expect(kinds.filter((type) => type === 'refreshed').length).toBeGreaterThan(2);
    expect(kinds.filter((type) => type === 'submitted').length).toBeGreaterThan(3);
    expect(kinds).not.toContain('failed');
    const attestation = chain.state.attestations.get(v0.id);
    expect(attestation?.aliveUntilHeight).toBeGreaterThan(chain.height);
  });

  it('says nothing to the ledger before the node is synced, and speaks at the first block after that', async () => {
    const { chain, reports, commit, standing } = keeperScene();
    standing.synced = false;
    for (let block = 0; block < 30; block++) await commit();
    expect(reports).toEqual([]);
    standing.synced = true;
    await commit();
    await commit();
    expect(chain.state.attestations.get(v0.id)).toBeDefined();
    expect(reports.filter(({ type }) => type === 'failed')).toEqual([]);
  });

  it('tells an evicted enclave, submits new evidence less and less often, and is back when that passes', async () => {
    const { chain, reports, commit } = keeperScene(ONE_GOVERNOR);
    for (let block = 0; block < 3; block++) await commit();
    chain.block(setPolicy(chain, { barredHardwareIds: [OWN_HARDWARE] }, v1));
    const eviction = chain.log.findLastIndex(({ type }) => type === 'AttestationEvicted');
    reports.length = 0;
    for (let block = 0; block < 40; block++) await commit();
    expect(reports[0]).toEqual({ type: 'stopped', sequence: eviction, code: 'EVICTED' });
    const submitted = reports.filter((report) => report.type === 'submitted');
    expect(submitted.map((report) => 'reason' in report && report.reason)).toContain('evicted');
    expect(submitted.length).toBeGreaterThan(2);
    expect(submitted.length).toBeLessThan(9);
    chain.block(setPolicy(chain, { barredHardwareIds: [] }, v1));
    for (let block = 0; block < 80; block++) await commit();
    expect(chain.state.attestations.get(v0.id)?.evicted).toBeNull();
  });

  it('shows once what several events led to', async () => {
    const { chain, reports, commit, enclave } = keeperScene(ONE_GOVERNOR);
    for (let block = 0; block < 3; block++) await commit();
    reports.length = 0;
    enclave.calls.length = 0;
    chain.block(chain.refresh(v0, enclaveOf(v0)));
    chain.block(setPolicy(chain, { maxAgeBlocks: AGES.maxAgeBlocks - 5 }, v1));
    const newest = chain.state.attestations.get(v0.id)?.newestSequence;
    expect(chain.log[newest ?? -1]?.type).toBe('AttestationReappraised');
    await commit();
    await commit();
    expect(reports).toEqual([{ type: 'accepted', sequence: newest }]);
    expect(enclave.calls.filter((call) => call === 'accept')).toHaveLength(1);
  });

  it('shows again what the enclave did not take', async () => {
    const { reports, commit, enclave } = keeperScene();
    const accept = enclave.accept.bind(enclave);
    Object.assign(enclave, { accept: async () => fail('HEADER_NOT_NEWEST') });
    for (let block = 0; block < 4; block++) await commit();
    expect(reports.at(-1)).toMatchObject({ type: 'failed', action: 'accept', code: 'HEADER_NOT_NEWEST' });
    Object.assign(enclave, { accept });
    for (let block = 0; block < 10; block++) await commit();
    expect(reports.at(-1)).toMatchObject({ type: 'accepted' });
  });

  it('tries again later when a transaction is lost or refused', async () => {
    const { reports, commit, submit } = keeperScene();
    await commit();
    expect(submit.submitted).toHaveLength(1);
    submit.submitted.length = 0;
    for (let block = 0; block < 14; block++) await commit(false);
    expect(reports.find(({ type }) => type === 'failed')).toMatchObject({ code: 'NOT_EXECUTED' });
    expect(submit.submitted.length).toBeGreaterThan(0);
  });

  it('waits longer and longer for an enclave that refuses or is gone', async () => {
    const { reports, commit, enclave } = keeperScene();
    Object.assign(enclave, { attest: async () => fail('FINALITY_REFUSED') });
    for (let block = 0; block < 40; block++) await commit();
    const refused = reports.filter((report) => report.type === 'failed' && report.code === 'FINALITY_REFUSED').length;
    expect(refused).toBeGreaterThan(2);
    expect(refused).toBeLessThan(9);
    enclave.mischief.unavailable = true;
    for (let block = 0; block < 80; block++) await commit();
    expect(reports.at(-1)).toMatchObject({ type: 'failed', code: 'ENCLAVE_GONE' });
  });
});
