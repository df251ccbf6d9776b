/**
 * What operators ask of a node beside what the SDK asks: its status, by which rules its network takes evidence, its blocks
 * and lists. Each answer is checked before it is handed on and is one node's word: nothing of it is proven.
 */
import {
  type AppraisalPolicy,
  appraisalPolicyFromJson,
  MAX_BUNDLE_BYTES,
  PLATFORMS,
  type Platform,
} from '@cloister/attestation';
import { type Digest, type JsonValue, type Measurement, parseJson } from '@cloister/encoding';
import {
  account,
  anyObject,
  base64Bytes,
  bool,
  count,
  digest,
  matching,
  measurement,
  member,
  nullable,
  oneOf,
  openObject,
  type Shape,
  via,
} from '@cloister/encoding/shape';
import { ClientError } from '../errors.ts';
import { listOf, readAnswer, readListedModel } from './api-shapes.ts';
import { asJson, GENESIS_BYTES_MAX, type HttpApiOptions, HttpCalls } from './http-calls.ts';

/** Text that a terminal shows as it is. */
const line = matching(/^[^\p{Cc}\p{Cf}]*$/u, 1_024, 'one line of text');

/** An answer: what was read of it, the document itself, and whether the node says that its chain is simulated. */
export interface Told<T> {
  readonly value: T;
  readonly json: JsonValue;
  readonly simulated: boolean;
}

/** What a node says of itself. */
export interface OperatorStatus {
  readonly chainId: Digest;
  readonly height: number;
  readonly blockTimeMs: number;
  readonly eventCount: number;
  readonly eventRoot: Digest;
  readonly ready: boolean;
  /** Codes. */
  readonly reasons: readonly string[];
  /** Sentences. */
  readonly waitsFor: readonly string[];
  /** Validators that are not connected. */
  readonly missing: readonly { readonly id: string; readonly name: string }[];
}

/** Software that may hold keys, or might. */
export interface ListedMeasurement {
  readonly platform: Platform;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly name: string;
  readonly status: 'allowed' | 'grace-until' | 'revoked';
  readonly phase: string;
  readonly graceUntilHeight: number | null;
  readonly effectiveHeight: number;
  readonly nodes: readonly string[];
}

export interface ListedPolicy {
  readonly policy: AppraisalPolicy;
  /** Names policy, anchors and measurements together. */
  readonly policyDigest: Digest;
  readonly scheduled: {
    readonly policy: AppraisalPolicy;
    readonly loosenings: readonly string[];
    readonly effectiveHeight: number;
  } | null;
}

export interface LoggedEvent {
  readonly sequence: number;
  readonly height: number;
  readonly type: string;
  readonly payload: { readonly [key: string]: JsonValue };
}

/** An attestation that the ledger holds, with its evidence. */
export interface HeldAttestation {
  readonly node: string;
  readonly platform: Platform;
  readonly product: string;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly eligible: boolean;
  readonly reasons: readonly string[];
  readonly validUntilHeight: number;
  readonly aliveUntilHeight: number;
  /** An evidence bundle. */
  readonly bundle: Uint8Array;
}

const policy = via(appraisalPolicyFromJson);
const status = openObject<OperatorStatus>({
  chainId: digest,
  height: count(),
  blockTimeMs: count(),
  eventCount: count(),
  eventRoot: digest,
  ready: bool,
  reasons: listOf(line),
  waitsFor: listOf(line),
  missing: listOf(openObject({ id: account, name: line })),
});
const listedMeasurement = openObject<ListedMeasurement>({
  platform: oneOf(PLATFORMS),
  measurement,
  image: digest,
  name: line,
  status: oneOf(['allowed', 'grace-until', 'revoked']),
  phase: line,
  graceUntilHeight: nullable(count()),
  effectiveHeight: count(),
  nodes: listOf(account),
});
const listedPolicy = openObject<ListedPolicy>({
  policy,
  policyDigest: digest,
  scheduled: nullable(openObject({ policy, loosenings: listOf(line), effectiveHeight: count() })),
});
const heldAttestation = openObject<HeldAttestation>({
  node: account,
  platform: oneOf(PLATFORMS),
  product: line,
  measurement,
  image: digest,
  eligible: bool,
  reasons: listOf(line),
  validUntilHeight: count(),
  aliveUntilHeight: count(),
  bundle: base64Bytes(MAX_BUNDLE_BYTES),
});
const listedValidator = openObject({ id: account, name: line });
const listedBlock = openObject({ height: count(), timeMs: count() });
const loggedEvent = openObject<LoggedEvent>({ sequence: count(), height: count(), type: line, payload: anyObject });
const readiness = openObject({ ready: bool, reasons: listOf(line) });

/** A node's API as operators read it. Every call throws `ClientError` with an API code. */
export class OperatorApi {
  readonly #calls: HttpCalls;

  constructor(options: HttpApiOptions) {
    this.#calls = new HttpCalls(options);
  }

  /** The node's address. */
  get name(): string {
    return this.#calls.name;
  }

  async #told<T>(path: string, shape: Shape<T>): Promise<Told<T>> {
    const answer = await this.#calls.answer({ path });
    if (answer === undefined) throw new ClientError('API_ANSWER_MALFORMED', path);
    const json = asJson(answer.bytes);
    return { value: readAnswer(shape, json, path), json, simulated: answer.simulated };
  }

  /** All items of a list, page after page. */
  async #list<T>(path: string, name: string, element: Shape<T>): Promise<Told<readonly T[]>> {
    const items: JsonValue[] = [];
    const value: T[] = [];
    let simulated = true;
    for await (const page of this.#calls.pages(path)) {
      const listed = readAnswer(member(name, listOf(anyObject)), page.json, path);
      for (const item of listed) value.push(readAnswer(element, item, path));
      items.push(...listed);
      ({ simulated } = page);
    }
    return { value, json: items, simulated };
  }

  status(): Promise<Told<OperatorStatus>> {
    return this.#told('/v1/status', status);
  }

  /** Reads the answer of a node that is not ready, too. */
  async readiness(): Promise<{ readonly ready: boolean; readonly reasons: readonly string[] }> {
    const { bytes } = await this.#calls.call({ path: '/readyz' });
    return readAnswer(readiness, asJson(bytes), '/readyz');
  }

  /** The exact bytes. */
  async genesis(): Promise<Uint8Array> {
    const bytes = (await this.#calls.ask({ path: '/v1/genesis', maxBytes: GENESIS_BYTES_MAX })) ?? new Uint8Array(0);
    const parsed = parseJson(bytes, { maxBytes: GENESIS_BYTES_MAX, maxDepth: 32 });
    if (!parsed.ok) throw new ClientError('API_ANSWER_MALFORMED', `/v1/genesis: ${parsed.code}`);
    return bytes;
  }

  measurements(): Promise<Told<readonly ListedMeasurement[]>> {
    return this.#told('/v1/measurements', member('measurements', listOf(listedMeasurement)));
  }

  policy(): Promise<Told<ListedPolicy>> {
    return this.#told('/v1/policy', listedPolicy);
  }

  /** The newest executed blocks that the node has, in ascending order. */
  blocks(limit: number): Promise<Told<readonly { readonly height: number; readonly timeMs: number }[]>> {
    return this.#told(`/v1/blocks?limit=${limit}`, member('blocks', listOf(listedBlock)));
  }

  /** In ascending order from a sequence on, of one type or of all. */
  events(query: {
    readonly from: number;
    readonly limit: number;
    readonly type: string | undefined;
  }): Promise<Told<readonly LoggedEvent[]>> {
    const search = new URLSearchParams({ from: `${query.from}`, limit: `${query.limit}` });
    if (query.type !== undefined) search.set('type', query.type);
    return this.#told(`/v1/events?${search}`, member('events', listOf(loggedEvent)));
  }

  attestations(): Promise<Told<readonly HeldAttestation[]>> {
    return this.#list('/v1/attestations', 'attestations', heldAttestation);
  }

  validators(): Promise<Told<readonly { readonly id: string; readonly name: string }[]>> {
    return this.#list('/v1/validators', 'validators', listedValidator);
  }

  models(): Promise<Told<readonly ReturnType<typeof readListedModel>[]>> {
    return this.#list('/v1/models', 'models', (value) => readListedModel(value ?? null));
  }
}
