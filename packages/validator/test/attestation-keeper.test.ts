import { asHeight, fail } from '@cloister/crypto';
import { decodeTransaction } from '@cloister/ledger';
import { describe, expect, it } from 'vitest';
import { AGES, Chain, enclaveOf, runningChain, v0 } from '../../ledger/test/samples.ts';
import { AttestationKeeper, type KeeperReport, planAttestation } from '../src/index.ts';
import { MockEnclave, portsOver, submitInto } from './mock-enclave.ts';

function question(chain: Chain, shownSequence?: number) {
  return {
    state: chain.state,
    self: v0.id,
    enclave: { keyset: chain.keyset(enclaveOf(v0)) },
    provableCount: chain.log.length,
    newestSequence: undefined,
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
    expect(planAttestation({ ...shown, shownSequence: undefined })).toMatchObject({ type: 'accept' });
    chain.advanceTo((accepted?.validUntilHeight ?? 0) - Math.floor(AGES.maxAgeBlocks / 3) + 1);
    expect(planAttestation(shown)).toEqual({ type: 'submit', reason: 'ageing' });
    chain.advanceTo((accepted?.validUntilHeight ?? 0) + 1);
    expect(planAttestation(shown)).toEqual({ type: 'submit', reason: 'lapsed' });
  });

  it('renews expiring endorsements, but not again and again', () => {
    const { chain } = runningChain(1);
    const accepted = chain.state.attestations.get(v0.id);
    if (accepted === undefined) return;
    chain.state.attestations.set(v0.id, { ...accepted, validUntilMs: chain.state.timeMs + 60_000 });
    const shown = question(chain, accepted.sequence);
    expect(planAttestation(shown)).toEqual({ type: 'none' });
    chain.state.attestations.set(v0.id, {
      ...accepted,
      validUntilMs: chain.state.timeMs + 60_000,
      acceptedHeight: asHeight(0),
      aliveUntilHeight: asHeight(1000),
    });
    chain.state.height = asHeight(Math.floor(AGES.maxAgeBlocks / 3) + 1);
    expect(planAttestation(shown)).toEqual({ type: 'submit', reason: 'expiring' });
  });
});

function keeperScene() {
  const chain = new Chain();
  chain.block();
  const enclave = new MockEnclave(chain, enclaveOf(v0));
  const submit = submitInto(chain);
  const reports: KeeperReport[] = [];
  const keeper = new AttestationKeeper({ ...portsOver(chain, v0, enclave), submit }, (report) => reports.push(report));
  const commit = async (include = true): Promise<void> => {
    const transactions = include
      ? submit.submitted.splice(0).flatMap((bytes) => {
          const decoded = decodeTransaction(bytes);
          return decoded.ok ? [decoded.value] : [];
        })
      : [];
    const firstSequence = chain.log.length;
    const { events } = chain.block(transactions);
    await keeper.blockCommitted({ firstSequence, events, provableCount: chain.log.length });
  };
  return { chain, enclave, submit, reports, keeper, commit };
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
