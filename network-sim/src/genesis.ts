/**
 * The network of a run: keys and genesis, from the seed.
 */
import { SIMULATED_ANCHORS, simulatedAppraisalPolicy } from '@cloister/attestation/simulated';
import { type Ed25519KeyPair, ed25519KeyPair, type SeededRandom } from '@cloister/crypto';
import { asDigest, asMeasurement, assert } from '@cloister/encoding';
import { DEFAULT_PARAMS, makeGenesis, type ParsedGenesis } from '@cloister/ledger';

export interface SimulatedNetwork {
  readonly genesis: ParsedGenesis;
  /** Validators in the order of their ids, then nodes without a vote. */
  readonly nodes: readonly Ed25519KeyPair[];
  readonly validatorCount: number;
  readonly clients: readonly Ed25519KeyPair[];
  /** Of an account that means harm, where a run has it act. */
  readonly hostileTenant: Ed25519KeyPair;
}

/** The instant at which every run begins, in milliseconds of the Unix epoch. */
export const SIM_START_MS: number = 1_780_272_000_000;

function byId<T extends { readonly id: string }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (a.id < b.id ? -1 : 1));
}

export function makeNetwork(
  random: SeededRandom,
  size: { readonly validators: number; readonly observers: number; readonly clients: number },
): SimulatedNetwork {
  const keys = (count: number) => Array.from({ length: count }, () => ed25519KeyPair(random.bytes(32)));
  const validators = byId(keys(size.validators));
  const observers = keys(size.observers);
  const clients = byId(keys(size.clients));
  const hostileTenant = ed25519KeyPair(random.bytes(32));
  const made = makeGenesis({
    schema: 'cloister/genesis/v1',
    name: 'simulation',
    timeMs: SIM_START_MS - 1_000,
    params: { ...DEFAULT_PARAMS, transactionWindow: 300 },
    validators: validators.map(({ id }, index) => ({ id, name: `v${index}`, weight: 1 })),
    accounts: byId([...clients, hostileTenant]).map(({ id }, index) => ({ id, name: `client ${index}` })),
    governance: { members: validators.map(({ id }) => id), threshold: 1 },
    trustAnchors: SIMULATED_ANCHORS,
    referenceValues: [
      {
        platform: 'sev-snp',
        measurement: asMeasurement('aa'.repeat(48)),
        image: asDigest('bb'.repeat(32)),
        name: 'mock',
      },
    ],
    appraisalPolicy: simulatedAppraisalPolicy({ maxAgeBlocks: 500, refreshWindowBlocks: 200, nonceWindowBlocks: 50 }),
  });
  assert(made.ok, `genesis: ${made.ok ? '' : made.code}`);
  return {
    genesis: made.value,
    nodes: [...validators, ...observers],
    validatorCount: validators.length,
    clients,
    hostileTenant,
  };
}
