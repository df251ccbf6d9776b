/** The shapes of the API's answers, as JSON Schema for the OpenAPI document. Members beyond these may appear. */
import { PLATFORMS } from '@cloister/attestation';
import type { JsonValue } from '@cloister/encoding';
import type { JsonSchema } from './fields.ts';

const STRING: JsonSchema = { type: 'string' };
const COUNT: JsonSchema = { type: 'integer', minimum: 0 };
const INTEGER: JsonSchema = { type: 'integer' };
const FLAG: JsonSchema = { type: 'boolean' };
const OBJECT: JsonSchema = { type: 'object' };
const HEX32: JsonSchema = { type: 'string', pattern: '^[0-9a-f]{64}$' };
const MEASUREMENT: JsonSchema = { type: 'string', pattern: '^[0-9a-f]{96}$' };
const BASE64: JsonSchema = { type: 'string', contentEncoding: 'base64' };
const STRINGS: JsonSchema = { type: 'array', items: STRING };
const PLATFORM: JsonSchema = { type: 'string', enum: [...PLATFORMS] };

function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}
function oneOf(...values: readonly string[]): JsonSchema {
  return { type: 'string', enum: values };
}
function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] };
}
function shape(
  required: { readonly [name: string]: JsonSchema },
  optional: { readonly [name: string]: JsonSchema } = {},
): JsonSchema {
  return { type: 'object', required: Object.keys(required), properties: { ...required, ...optional } as JsonValue };
}
function ref(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

export const API_SCHEMAS: { readonly [name: string]: JsonSchema } = {
  /** A member of every JSON answer: whether the chain stands on simulated trust anchors. */
  Simulated: shape({ simulated: FLAG }),
  Error: shape({ code: STRING, message: STRING }, { detail: STRING }),
  Status: shape(
    {
      chainId: HEX32,
      network: STRING,
      simulated: FLAG,
      node: HEX32,
      name: STRING,
      version: STRING,
      role: oneOf('validator', 'member', 'observer'),
      height: COUNT,
      finalizedHeight: COUNT,
      provableHeight: COUNT,
      eventCount: COUNT,
      eventRoot: HEX32,
      blockHash: HEX32,
      blockTimeMs: COUNT,
      synced: FLAG,
      ready: FLAG,
      reasons: STRINGS,
      waitsFor: STRINGS,
      missing: list(shape({ id: HEX32, name: STRING, weight: COUNT })),
      quorum: shape({ own: COUNT, connected: COUNT, needed: COUNT }),
      signing: shape({
        state: oneOf('observer', 'resyncing', 'asking', 'observing', 'confirming', 'signing'),
        cause: oneOf('START', 'GUARD_EMPTY', 'GUARD_OLD'),
        unanswered: list(HEX32),
        signsAboveView: orNull(COUNT),
      }),
      certificateAgeSeconds: COUNT,
      finalityAgeSeconds: COUNT,
      clockSkewMs: orNull(INTEGER),
      twin: orNull(shape({ peerId: STRING, address: STRING })),
      missedProposals: list(shape({ validator: HEX32, missedInARow: COUNT, missed: COUNT, passedOver: FLAG })),
      pendingTransactions: COUNT,
      peers: list(shape({ peerId: STRING, member: orNull(HEX32), isMember: FLAG, address: STRING })),
      addresses: STRINGS,
      enclave: orNull(ref('Enclave')),
      isolation: oneOf('ISOLATED', 'UNISOLATED', 'NONE'),
      attestation: orNull(
        shape({
          platform: PLATFORM,
          product: STRING,
          tcbStatus: STRING,
          advisories: STRINGS,
          eligible: FLAG,
          reasons: STRINGS,
          evicted: orNull(ref('Eviction')),
          blocksLeft: INTEGER,
          blocksToRefresh: INTEGER,
          secondsLeft: INTEGER,
        }),
      ),
      halted: orNull(shape({ code: STRING, detail: STRING })),
      upSeconds: COUNT,
    },
    {},
  ),
  Enclave: shape({
    state: oneOf('running', 'starting', 'failed'),
    platform: PLATFORM,
    simulated: FLAG,
    isolated: FLAG,
    measurement: MEASUREMENT,
    image: HEX32,
    imageName: STRING,
    imageVersion: STRING,
    keyset: HEX32,
    phase: STRING,
    trustedHeight: COUNT,
    models: list(HEX32),
    restarts: COUNT,
  }),
  Block: shape({
    height: COUNT,
    hash: HEX32,
    timeMs: COUNT,
    epoch: COUNT,
    view: COUNT,
    parentHash: HEX32,
    proposer: HEX32,
    batches: COUNT,
    firstSequence: COUNT,
    eventCount: COUNT,
    eventRoot: HEX32,
    provable: FLAG,
  }),
  Blocks: shape({ blocks: list(ref('Block')), height: COUNT }),
  Event: shape({ sequence: COUNT, height: COUNT, type: STRING, hash: HEX32, payload: OBJECT }),
  Events: shape({ events: list(ref('Event')), next: COUNT, eventCount: COUNT }),
  Validator: shape({
    id: HEX32,
    name: STRING,
    weight: COUNT,
    role: oneOf('validator', 'member'),
    height: COUNT,
    keyset: orNull(HEX32),
    eligible: FLAG,
    reasons: STRINGS,
    unknownSenders: COUNT,
    attestation: orNull(
      shape({
        platform: PLATFORM,
        product: STRING,
        tcb: OBJECT,
        tcbStatus: STRING,
        advisories: STRINGS,
        validUntilHeight: COUNT,
        validUntilMs: COUNT,
        evicted: orNull(ref('Eviction')),
      }),
    ),
  }),
  Eviction: shape({ cause: oneOf('policy', 'endorsements'), code: STRING, height: COUNT }),
  Validators: shape({ validators: list(ref('Validator')), next: orNull(STRING) }),
  Challenge: shape(
    { passed: FLAG, code: STRING, atMs: COUNT, simulated: FLAG },
    { detail: STRING, measurement: orNull(MEASUREMENT) },
  ),
  Attestation: shape({
    node: HEX32,
    keyset: HEX32,
    sequence: COUNT,
    newestSequence: COUNT,
    platform: PLATFORM,
    product: STRING,
    simulated: FLAG,
    hardwareId: STRING,
    measurement: MEASUREMENT,
    image: HEX32,
    signKey: HEX32,
    hpkeKey: HEX32,
    tcbStatus: STRING,
    advisories: STRINGS,
    tcb: OBJECT,
    acceptedHeight: COUNT,
    acceptedTimeMs: COUNT,
    refreshedHeight: COUNT,
    validUntilHeight: COUNT,
    validUntilMs: COUNT,
    aliveUntilHeight: COUNT,
    graceUntilHeight: orNull(COUNT),
    evicted: orNull(ref('Eviction')),
    eligible: FLAG,
    reasons: STRINGS,
    blocksLeft: INTEGER,
    blocksToRefresh: INTEGER,
    secondsLeft: INTEGER,
    challenge: orNull(ref('Challenge')),
    bundle: BASE64,
  }),
  Attestations: shape({ attestations: list(ref('Attestation')), next: orNull(STRING) }),
  ChallengeAnswer: shape({ answer: BASE64 }),
  Measurement: shape({
    platform: PLATFORM,
    measurement: MEASUREMENT,
    image: HEX32,
    name: STRING,
    status: oneOf('allowed', 'grace-until', 'revoked'),
    phase: oneOf('allowed', 'grace', 'pending', 'grace-ended', 'revoked', 'unknown'),
    effectiveHeight: COUNT,
    graceUntilHeight: orNull(COUNT),
    height: COUNT,
    nodes: list(HEX32),
  }),
  Measurements: shape({ policyDigest: HEX32, simulated: FLAG, measurements: list(ref('Measurement')) }),
  Policy: shape({
    policy: OBJECT,
    digest: HEX32,
    policyDigest: HEX32,
    simulated: FLAG,
    height: COUNT,
    scheduled: orNull(
      shape({ policy: OBJECT, digest: HEX32, loosenings: STRINGS, decidedHeight: COUNT, effectiveHeight: COUNT }),
    ),
  }),
  Model: shape({
    model: HEX32,
    owner: HEX32,
    height: COUNT,
    revokedHeight: orNull(COUNT),
    manifest: OBJECT,
    grants: list(HEX32),
    executors: list(shape({ keyset: HEX32, node: HEX32, sequence: COUNT, eligible: FLAG, reasons: STRINGS })),
  }),
  Models: shape({ models: list(ref('Model')), next: orNull(STRING) }),
  Inference: shape({
    task: HEX32,
    transaction: HEX32,
    sender: HEX32,
    model: HEX32,
    status: oneOf('open', 'completed', 'failed'),
    disputed: FLAG,
    failure: orNull(STRING),
    threshold: COUNT,
    deadlineMs: COUNT,
    height: COUNT,
    closedHeight: orNull(COUNT),
    requestSequence: COUNT,
    executors: list(
      shape({
        node: HEX32,
        keyset: HEX32,
        lapsed: FLAG,
        declined: orNull(shape({ code: STRING, sequence: COUNT })),
        withheld: orNull(COUNT),
        missed: orNull(COUNT),
      }),
    ),
    receipts: list(
      shape(
        {
          keyset: HEX32,
          sequence: COUNT,
          status: oneOf('completed', 'failed'),
          outputCommitment: HEX32,
          responseDigest: HEX32,
          receiptDigest: HEX32,
        },
        { response: orNull(BASE64), receipt: BASE64 },
      ),
    ),
    agreed: list(HEX32),
  }),
  Inferences: shape({ inferences: list(ref('Inference')), next: orNull(STRING) }),
  Submitted: shape({ id: HEX32, known: FLAG }),
  Fate: shape(
    { id: HEX32, fate: oneOf('UNKNOWN', 'PENDING', 'COMMITTED', 'REJECTED', 'EXPIRED') },
    { code: STRING, detail: STRING, height: COUNT, sequence: COUNT, provable: FLAG },
  ),
  BlobTaken: shape({ digest: HEX32 }),
  Record: shape({ namespace: STRING, key: STRING, value: STRING, owner: HEX32, height: COUNT }),
  EventProof: shape({ sequence: COUNT, proof: BASE64 }),
  FactsProof: shape({ proof: BASE64 }),
  Health: shape({ status: oneOf('ok') }),
  Readiness: shape({ ready: FLAG, reasons: STRINGS }),
};
