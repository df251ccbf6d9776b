/** The genesis of the test network: four validators, a tenant, a model owner, one image on SEV-SNP. */
import { SIMULATED_ANCHORS } from '@cloister/attestation';
import { simulatedAppraisalPolicy } from '@cloister/attestation/simulated';
import { asDigest, asMeasurement, assert, type Digest, type Measurement } from '@cloister/encoding';
import { DEFAULT_PARAMS, type Genesis, makeGenesis, type ParsedGenesis } from '@cloister/ledger';
import { owner, tenant, validators } from './keys.ts';

export const GENESIS_MS: number = Date.parse('2026-06-01T00:00:00Z');
/** Blocks: evidence holds 50, a refresh 20, a nonce 10. */
export const AGES = { maxAgeBlocks: 50, refreshWindowBlocks: 20, nonceWindowBlocks: 10 };

export const MEASUREMENT: Measurement = asMeasurement('aa'.repeat(48));
export const IMAGE: Digest = asDigest('bb'.repeat(32));

function byId<T extends { readonly id: string }>(items: readonly T[]): readonly T[] {
  return [...items].sort((a, b) => (a.id < b.id ? -1 : 1));
}

export const GENESIS: Genesis = {
  schema: 'cloister/genesis/v1',
  name: 'testnet',
  timeMs: GENESIS_MS,
  params: {
    ...DEFAULT_PARAMS,
    transactionWindow: 100,
    maxTimeLimitMs: 60_000,
    taskRetentionMs: 30_000,
    approvalWindow: 25,
  },
  validators: byId(validators.map(({ id }, index) => ({ id, name: `v${index}`, weight: 1 }))),
  accounts: byId([
    { id: tenant.id, name: 'tenant' },
    { id: owner.id, name: 'owner' },
  ]),
  governance: { members: validators.map(({ id }) => id).sort(), threshold: 2 },
  trustAnchors: SIMULATED_ANCHORS,
  referenceValues: [{ platform: 'sev-snp', measurement: MEASUREMENT, image: IMAGE, name: 'enclave 0.1.0' }],
  appraisalPolicy: simulatedAppraisalPolicy(AGES),
};

/** A genesis of the test network with some members changed. */
export function genesisWith(changes: Partial<Genesis>): ParsedGenesis {
  const made = makeGenesis({ ...GENESIS, ...changes });
  assert(made.ok, `genesis: ${made.ok ? '' : `${made.code} ${made.detail}`}`);
  return made.value;
}
