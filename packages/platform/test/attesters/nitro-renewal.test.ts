/**
 * A simulated Nitro enclave for half a day of block time: its leaf certificate lives three hours, and its evidence is renewed
 * before that ends, so that the ledger never finds it lapsed.
 */
import { encodeEvidenceBundle, type Platform, reportDataFor } from '@cloister/attestation';
import { simulatedMachine, simulatedMeasurement } from '@cloister/attestation/simulated';
import { fromHex, toBase64 } from '@cloister/encoding';
import { eligible, type Transaction } from '@cloister/ledger';
import {
  Chain,
  type EnclaveKeys,
  enclaveOf,
  GENESIS,
  genesisWith,
  IMAGE,
  MEASUREMENT,
  seed,
  v0,
} from '@cloister/testkit';
import { planAttestation } from '@cloister/validator';
import { expect, it } from 'vitest';

const platform: Platform = 'nitro';
const HOUR_MS = 3_600_000;
const BLOCK_MS = 30_000;
/** Blocks of half a minute: evidence may hold two hours or eight, a refresh one. */
const AGES = [
  { maxAgeBlocks: 240, refreshWindowBlocks: 120 },
  { maxAgeBlocks: 960, refreshWindowBlocks: 120 },
];

it.each(AGES)('renews its evidence before the leaf certificate ends, at %o', (ages) => {
  const machine = simulatedMachine({ seed: seed('device'), platform });
  const measurement = simulatedMeasurement(platform, MEASUREMENT);
  const chain = new Chain(
    genesisWith({
      referenceValues: [{ platform, measurement, image: IMAGE, name: 'enclave' }],
      appraisalPolicy: { ...GENESIS.appraisalPolicy, ...ages },
    }),
  );
  const keys: EnclaveKeys = { ...enclaveOf(v0), measurement };
  const keyset = chain.keyset(keys);
  const advance = (...transactions: readonly Transaction[]): void => {
    chain.block(transactions, { timeMs: chain.state.timeMs + BLOCK_MS });
  };
  advance();
  const reasons: string[] = [];
  const leafEnds = new Set<number>();
  const startMs = chain.state.timeMs;
  while (chain.state.timeMs < startMs + 12 * HOUR_MS) {
    const { state } = chain;
    const shownSequence = state.attestations.get(v0.id)?.newestSequence;
    const provableCount = state.eventCount;
    const action = planAttestation({ state, self: v0.id, enclave: { keyset }, provableCount, shownSequence });
    if (action.type === 'submit') {
      reasons.push(action.reason);
      const runtimeData = chain.runtimeData(keys);
      const launch = {
        reportData: reportDataFor(runtimeData),
        launchDigest: fromHex(MEASUREMENT),
        image: fromHex(IMAGE),
      };
      const bundle = encodeEvidenceBundle({ ...machine.collect(launch, state.timeMs), runtimeData });
      advance(chain.transaction(v0, 'submit-attestation', { bundle: toBase64(bundle) }));
    } else if (action.type === 'refresh') {
      advance(chain.refresh(v0, keys));
    } else advance();
    const { height, timeMs } = chain.state;
    expect(eligible({ state: chain.state, validator: v0.id, keyset, height, timeMs })).toMatchObject({
      eligible: true,
    });
    leafEnds.add(chain.state.attestations.get(v0.id)?.validUntilMs ?? 0);
  }
  expect(reasons.slice(0, 2)).toEqual(['never-attested', 'expiring']);
  expect(reasons).not.toContain('lapsed');
  expect(leafEnds.size).toBeGreaterThanOrEqual(6);
  for (const [end, next] of pairs([...leafEnds])) expect(next).toBeGreaterThan(end);
});

function pairs(values: readonly number[]): readonly (readonly [number, number])[] {
  return values.slice(1).map((value, i) => [values[i] ?? 0, value]);
}
