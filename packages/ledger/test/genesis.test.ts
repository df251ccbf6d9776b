import { SIMULATED_ANCHORS, VENDOR_ANCHORS } from '@cloister/attestation';
import { hash } from '@cloister/crypto';
import { type AccountId, asAccountId, asMeasurement, canonicalJson, type JsonValue, utf8 } from '@cloister/encoding';
import {
  Chain,
  GENESIS,
  GENESIS_MS,
  genesisWith,
  IMAGE,
  MEASUREMENT,
  stranger,
  tenant,
  v0,
  validators,
} from '@cloister/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_PARAMS,
  type Genesis,
  genesisEvents,
  genesisValidatorSet,
  MAX_GENESIS_BYTES,
  makeGenesis,
  paramsHash,
  parseGenesis,
  projectNetwork,
} from '../src/index.ts';
import { mutated } from './mutations.ts';

const made = genesisWith({});
const text = new TextDecoder().decode(made.bytes);

describe('genesis', () => {
  test('parses to what was made; the chain id is the hash of its bytes', () => {
    expect(parseGenesis(made.bytes)).toEqual({ ok: true, value: made });
    expect(made.genesis).toEqual(GENESIS);
    expect(made.chainId).toBe(hash('cloister/genesis/v1', made.bytes));
  });

  test('vendor anchors travel by name and come back as pins', () => {
    const vendor = genesisWith({ trustAnchors: VENDOR_ANCHORS });
    expect(vendor.genesis.trustAnchors).toEqual(VENDOR_ANCHORS);
    expect(vendor.chainId).not.toBe(made.chainId);
  });

  const [first, second, ...rest] = GENESIS.validators;
  const small = asAccountId(`01${'00'.repeat(31)}`);
  test.each<[string, Partial<Genesis>]>([
    ['GENESIS_PROTOCOL_VERSION', { params: { ...DEFAULT_PARAMS, protocolVersion: 1 } }],
    ['GENESIS_ORDER', { validators: [second, first, ...rest] as Genesis['validators'] }],
    ['GENESIS_ORDER', { accounts: [...GENESIS.accounts, ...GENESIS.accounts] }],
    ['GENESIS_ACCOUNT_REPEATED', { accounts: [{ id: v0.id, name: 'again' }] }],
    [
      'GENESIS_WEIGHT_OVERFLOW',
      { validators: GENESIS.validators.map((v) => ({ ...v, weight: Number.MAX_SAFE_INTEGER })) },
    ],
    ['GENESIS_SHAPE', { validators: [] }],
    ['GENESIS_SHAPE', { validators: GENESIS.validators.map((v) => ({ ...v, weight: 0 })) }],
    ['GENESIS_SHAPE', { name: '' }],
    ['GENESIS_SHAPE', { params: { ...DEFAULT_PARAMS, epochLength: 0 } }],
    ['GENESIS_KEY_UNACCEPTABLE', { accounts: [{ id: small, name: 'small order' }] }],
    ['GENESIS_GOVERNANCE_UNKNOWN', { governance: { members: [stranger.id], threshold: 1 } }],
    ['GENESIS_GOVERNANCE_THRESHOLD', { governance: { members: [tenant.id], threshold: 2 } }],
    ['GENESIS_TRUST_ANCHORS', { trustAnchors: { simulated: true, roots: [] } }],
    [
      'GENESIS_TRUST_ANCHORS',
      { trustAnchors: { simulated: true, roots: [...SIMULATED_ANCHORS.roots, ...VENDOR_ANCHORS.roots] } },
    ],
    ['GENESIS_APPRAISAL_POLICY', { appraisalPolicy: { ...GENESIS.appraisalPolicy, maxAgeBlocks: 0 } }],
    [
      'GENESIS_MEASUREMENT_DEBUG',
      {
        referenceValues: [
          { platform: 'sev-snp', measurement: asMeasurement('00'.repeat(48)), image: IMAGE, name: 'debug' },
        ],
      },
    ],
  ])('refused with %s (%#)', (code, changes) => {
    expect(makeGenesis({ ...GENESIS, ...changes })).toMatchObject({ ok: false, code });
  });

  test('refuses unknown members, other spellings and too many bytes', () => {
    const extended = { ...(JSON.parse(text) as { [key: string]: JsonValue }), more: 1 };
    expect(parseGenesis(utf8(canonicalJson(extended)))).toMatchObject({ code: 'GENESIS_SHAPE' });
    expect(parseGenesis(utf8(` ${text}`))).toMatchObject({ code: 'JSON_NOT_CANONICAL' });
    expect(parseGenesis(utf8(text.slice(0, -1)))).toMatchObject({ code: 'JSON_MALFORMED' });
    expect(parseGenesis(new Uint8Array(MAX_GENESIS_BYTES + 1))).toMatchObject({ code: 'JSON_TOO_LARGE' });
  });

  test('its events found the network at height 0', () => {
    const chain = new Chain(made);
    expect(genesisEvents(made).map(({ type }) => type)).toEqual([
      'NetworkFounded',
      ...Array<string>(4).fill('MemberRegistered'),
      ...Array<string>(2).fill('AccountRegistered'),
      'MeasurementAllowed',
    ]);
    expect(projectNetwork(chain.state)).toMatchObject({
      chainId: made.chainId,
      name: 'testnet',
      simulated: true,
      height: 0,
      blockHash: made.chainId,
      timeMs: GENESIS_MS,
      eventCount: 8,
    });
    expect([...chain.state.measurements.values()]).toMatchObject([
      { measurement: MEASUREMENT, image: IMAGE, status: 'allowed' },
    ]);
  });

  test('gives the consensus its validator set and parameter hash', () => {
    const set = genesisValidatorSet(made.genesis);
    expect(set.validators.map(({ id }): AccountId => id)).toEqual(validators.map(({ id }) => id).sort());
    expect([set.totalWeight, set.quorum]).toEqual([4n, 3n]);
    expect(paramsHash(DEFAULT_PARAMS)).not.toBe(paramsHash({ ...DEFAULT_PARAMS, epochLength: 5 }));
  });

  test('no bytes make the parser throw, and what parses has its own chain id', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated(made.bytes)), (bytes) => {
        const parsed = parseGenesis(bytes);
        if (parsed.ok && parsed.value.chainId === made.chainId) expect(parsed.value.bytes).toEqual(made.bytes);
      }),
      { numRuns: 400 },
    );
  });
});
