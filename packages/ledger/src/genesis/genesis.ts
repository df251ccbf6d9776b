/**
 * The genesis: the one document that names a network. Its hash is the chain id.
 *
 * Strict canonical JSON: exactly the known members, every list sorted and bounded, nothing defaulted, so that two nodes
 * that hold the same chain id hold the same network. `genesisEvents` turn it into the first events of the log.
 */
import {
  type AppraisalPolicy,
  appraisalPolicyFromJson,
  appraisalPolicyToJson,
  type Platform,
  type TrustAnchors,
  trustAnchorsFromJson,
  trustAnchorsToJson,
} from '@cloister/attestation';
import { makeValidatorSet, type ValidatorSet } from '@cloister/consensus';
import { hash, isAcceptableEd25519Key } from '@cloister/crypto';
import {
  type AccountId,
  accountBytes,
  asHeight,
  asValidatorId,
  canonicalJson,
  type Digest,
  fail,
  type JsonErrorCode,
  type JsonValue,
  type Measurement,
  ok,
  parseCanonicalJson,
  type Result,
  utf8,
} from '@cloister/encoding';
import {
  account,
  anyJson,
  array,
  count,
  digest,
  displayName,
  literal,
  measurement,
  object,
  parseShape,
  type Shape,
} from '@cloister/encoding/shape';
import type { LedgerEvent } from '../events/events.ts';
import { platform } from '../transactions/common-shapes.ts';
import { type LedgerParams, ledgerParams, PROTOCOL_VERSION } from './params.ts';

export const GENESIS_SCHEMA = 'cloister/genesis/v1';
/** What NetworkFounded takes from a genesis then fits an event (`MAX_EVENT_BYTES`). */
export const MAX_GENESIS_BYTES: number = 256 * 1024;
const MAX_VALIDATORS = 512;

export interface GenesisValidator {
  readonly id: AccountId;
  readonly name: string;
  /** 1 or more; all together below 2^53. */
  readonly weight: number;
}
export interface GenesisAccount {
  readonly id: AccountId;
  readonly name: string;
}
/** Allowed from the first block on. */
export interface GenesisReferenceValue {
  readonly platform: Platform;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly name: string;
}

/** Lists of ids are in ascending order; reference values in ascending order of (platform, measurement, image). */
export interface Genesis {
  readonly schema: typeof GENESIS_SCHEMA;
  readonly name: string;
  /** Unix time in milliseconds; the first block's timestamp is greater. */
  readonly timeMs: number;
  readonly params: LedgerParams;
  readonly validators: readonly GenesisValidator[];
  /** Accounts beside the validators; a validator is an account by itself. */
  readonly accounts: readonly GenesisAccount[];
  /** Members are validators or accounts of this genesis; `threshold` of them decide. */
  readonly governance: { readonly members: readonly AccountId[]; readonly threshold: number };
  readonly trustAnchors: TrustAnchors;
  readonly referenceValues: readonly GenesisReferenceValue[];
  readonly appraisalPolicy: AppraisalPolicy;
}

/** A genesis with the bytes that it was read from. */
export interface ParsedGenesis {
  readonly genesis: Genesis;
  readonly bytes: Uint8Array;
  /** hash('cloister/genesis/v1', bytes). */
  readonly chainId: Digest;
}

export type GenesisCode =
  | JsonErrorCode
  | 'JSON_NOT_CANONICAL'
  | 'GENESIS_SHAPE'
  | 'GENESIS_ORDER'
  | 'GENESIS_PROTOCOL_VERSION'
  | 'GENESIS_WEIGHT_OVERFLOW'
  | 'GENESIS_ACCOUNT_REPEATED'
  | 'GENESIS_KEY_UNACCEPTABLE'
  | 'GENESIS_GOVERNANCE_UNKNOWN'
  | 'GENESIS_GOVERNANCE_THRESHOLD'
  | 'GENESIS_TRUST_ANCHORS'
  | 'GENESIS_APPRAISAL_POLICY'
  | 'GENESIS_MEASUREMENT_DEBUG';

type GenesisJson = Omit<Genesis, 'trustAnchors' | 'appraisalPolicy'> & {
  readonly trustAnchors: JsonValue;
  readonly appraisalPolicy: JsonValue;
};

export const governance: Shape<Genesis['governance']> = object<Genesis['governance']>({
  members: array(account, { min: 1, max: 256 }),
  threshold: count({ min: 1, max: 256 }),
});

const genesisShape: Shape<GenesisJson> = object<GenesisJson>({
  schema: literal(GENESIS_SCHEMA),
  name: displayName,
  timeMs: count({ max: 8_640_000_000_000_000 }),
  params: ledgerParams,
  validators: array(object<GenesisValidator>({ id: account, name: displayName, weight: count({ min: 1 }) }), {
    min: 1,
    max: MAX_VALIDATORS,
  }),
  accounts: array(object<GenesisAccount>({ id: account, name: displayName }), { max: 1024 }),
  governance,
  trustAnchors: anyJson,
  referenceValues: array(object<GenesisReferenceValue>({ platform, measurement, image: digest, name: displayName }), {
    max: 256,
  }),
  appraisalPolicy: anyJson,
});

/** The chain id that genesis bytes have, well-formed or not. */
export function chainIdOf(genesisBytes: Uint8Array): Digest {
  return hash('cloister/genesis/v1', genesisBytes);
}

/** Canonical bytes; what `parseGenesis` would refuse is returned as it refuses it. */
export function makeGenesis(genesis: Genesis): Result<ParsedGenesis, GenesisCode> {
  const json = {
    ...genesis,
    trustAnchors: trustAnchorsToJson(genesis.trustAnchors),
    appraisalPolicy: appraisalPolicyToJson(genesis.appraisalPolicy),
  };
  return parseGenesis(utf8(canonicalJson(json)));
}

/** Reads and checks a genesis. Never throws. */
export function parseGenesis(bytes: Uint8Array): Result<ParsedGenesis, GenesisCode> {
  const json = parseCanonicalJson(bytes, { maxBytes: MAX_GENESIS_BYTES, maxDepth: 16 });
  if (!json.ok) return json;
  const shaped = parseShape(genesisShape, json.value);
  if (!shaped.ok) return fail('GENESIS_SHAPE', shaped.detail);
  const trustAnchors = trustAnchorsFromJson(shaped.value.trustAnchors);
  if (!trustAnchors.ok) return fail('GENESIS_TRUST_ANCHORS', trustAnchors.code);
  const appraisalPolicy = appraisalPolicyFromJson(shaped.value.appraisalPolicy);
  if (!appraisalPolicy.ok) return fail('GENESIS_APPRAISAL_POLICY', appraisalPolicy.detail ?? appraisalPolicy.code);
  const genesis: Genesis = {
    ...shaped.value,
    trustAnchors: trustAnchors.value,
    appraisalPolicy: appraisalPolicy.value,
  };
  const checked = checkGenesis(genesis);
  return checked.ok ? ok({ genesis, bytes: Uint8Array.from(bytes), chainId: chainIdOf(bytes) }) : checked;
}

function isAscending(keys: readonly string[]): boolean {
  return keys.every((key, index) => index === 0 || (keys[index - 1] ?? '') < key);
}

function checkGenesis(genesis: Genesis): Result<void, GenesisCode> {
  const { validators, accounts, governance: rule, referenceValues } = genesis;
  if (genesis.params.protocolVersion !== PROTOCOL_VERSION) return fail('GENESIS_PROTOCOL_VERSION');
  const lists = [
    validators.map(({ id }) => id),
    accounts.map(({ id }) => id),
    rule.members,
    referenceValues.map((value) => `${value.platform} ${value.measurement} ${value.image}`),
  ];
  if (!lists.every(isAscending)) return fail('GENESIS_ORDER', 'a list is not in ascending order without repetition');
  let total = 0;
  for (const { weight } of validators) total += weight;
  if (!Number.isSafeInteger(total)) return fail('GENESIS_WEIGHT_OVERFLOW');
  const known = new Set<AccountId>(validators.map(({ id }) => id));
  for (const { id } of accounts) {
    if (known.has(id)) return fail('GENESIS_ACCOUNT_REPEATED', id);
    known.add(id);
  }
  for (const id of known) if (!isAcceptableEd25519Key(accountBytes(id))) return fail('GENESIS_KEY_UNACCEPTABLE', id);
  for (const id of rule.members) if (!known.has(id)) return fail('GENESIS_GOVERNANCE_UNKNOWN', id);
  if (rule.threshold > rule.members.length) return fail('GENESIS_GOVERNANCE_THRESHOLD');
  const debug = referenceValues.find((value) => /^0+$/.test(value.measurement));
  return debug === undefined ? ok(undefined) : fail('GENESIS_MEASUREMENT_DEBUG', debug.name);
}

/** V_0 = V_1 of the consensus. */
export function genesisValidatorSet(genesis: Genesis): ValidatorSet {
  return makeValidatorSet(
    genesis.validators.map(({ id, weight }) => ({ id: asValidatorId(id), weight: BigInt(weight) })),
  );
}

/** The events at height 0, with which every log of this network begins. */
export function genesisEvents({ genesis, chainId }: ParsedGenesis): readonly LedgerEvent[] {
  const height = asHeight(0);
  const cause = { transaction: null, expiryHeight: null };
  return [
    {
      type: 'NetworkFounded',
      chainId,
      name: genesis.name,
      timeMs: genesis.timeMs,
      params: genesis.params,
      governance: genesis.governance,
      trustAnchors: trustAnchorsToJson(genesis.trustAnchors),
      appraisalPolicy: appraisalPolicyToJson(genesis.appraisalPolicy),
    },
    ...genesis.validators.map(
      ({ id, name, weight }): LedgerEvent => ({
        type: 'MemberRegistered',
        member: asValidatorId(id),
        name,
        weight,
        replaces: null,
        height,
      }),
    ),
    ...genesis.accounts.map(
      ({ id, name }): LedgerEvent => ({ type: 'AccountRegistered', ...cause, account: id, name, height }),
    ),
    ...genesis.referenceValues.map(
      (value): LedgerEvent => ({ type: 'MeasurementAllowed', ...cause, ...value, effectiveHeight: height, height }),
    ),
  ];
}
