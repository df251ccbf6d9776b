/**
 * The JSON of the node's API, read: only the members that the SDK uses, each checked; others are passed over, so that a newer
 * node stays readable.
 */
import { type ModelManifest, modelId, modelManifestFromJson } from '@cloister/confidential';
import type { Digest, JsonValue } from '@cloister/encoding';
import {
  account,
  anyJson,
  anyObject,
  array,
  base64Bytes,
  bool,
  count,
  digest,
  literal,
  mapped,
  matching,
  member,
  nullable,
  oneOf,
  openObject,
  optional,
  parseShape,
  refined,
  type Shape,
  text,
  variant,
  via,
  withDefault,
} from '@cloister/encoding/shape';
import { ClientError } from '../errors.ts';
import type {
  ListedAttestation,
  ListedEvent,
  ListedInference,
  ListedModel,
  NodeStatus,
  TransactionFate,
} from './api.ts';

/** Elements of any list in an answer; a node gives at most 500. */
const ELEMENTS_MAX = 10_000;
const WORD_CHARACTERS_MAX = 256;
/** Above what any answer may be long. */
const BYTES_MAX: number = 32 * 1024 * 1024;

/** An answer of one shape. Throws `ClientError` for any other, which names `what` was asked. */
export function readAnswer<T>(shape: Shape<T>, value: JsonValue, what = 'answer'): T {
  const read = parseShape(shape, value, what);
  if (!read.ok) throw new ClientError('API_ANSWER_MALFORMED', read.detail);
  return read.value;
}

function reader<T>(shape: Shape<T>): (value: JsonValue) => T {
  return (value) => readAnswer(shape, value);
}

export function listOf<T>(element: Shape<T>): Shape<readonly T[]> {
  return array(element, { max: ELEMENTS_MAX });
}

/** A member that is null as good as absent. */
function orNull<T>(shape: Shape<T>): Shape<T | null> {
  return withDefault(nullable(shape), null);
}

const word = text(WORD_CHARACTERS_MAX);

/** Bytes of a base64 member. */
export function readBytesMember(value: JsonValue, key: string): Uint8Array {
  return reader(member(key, base64Bytes(BYTES_MAX)))(value);
}

export const readStatus: (value: JsonValue) => NodeStatus = reader(
  openObject<NodeStatus>({ chainId: digest, height: count(), provableHeight: count(), eventCount: count() }),
);

export const readFate: (value: JsonValue) => TransactionFate = reader(
  variant<TransactionFate>('fate', {
    UNKNOWN: openObject({ fate: literal('UNKNOWN') }),
    PENDING: openObject({ fate: literal('PENDING') }),
    EXPIRED: openObject({ fate: literal('EXPIRED') }),
    COMMITTED: openObject({ fate: literal('COMMITTED'), sequence: count() }),
    REJECTED: openObject({ fate: literal('REJECTED'), sequence: count() }),
  }),
);

export const readEventList: (value: JsonValue) => readonly ListedEvent[] = reader(
  member('events', listOf(openObject<ListedEvent>({ sequence: count(), type: word, payload: anyObject }))),
);

export const readAttestations: (value: JsonValue) => readonly ListedAttestation[] = reader(
  member(
    'attestations',
    listOf(openObject<ListedAttestation>({ node: account, keyset: digest, platform: word, eligible: bool })),
  ),
);

/** Where a list goes on; undefined at its end. */
export const readNext: (page: JsonValue) => string | undefined = reader(
  member(
    'next',
    mapped(orNull(matching(/^[0-9a-zA-Z]{1,128}$/, 128, 'a place in a list')), (next) => next ?? undefined),
  ),
);

const listedModel = { model: digest, manifest: anyObject, grants: listOf(digest) };

export const readModel: (value: JsonValue) => ListedModel = reader(openObject<ListedModel>(listedModel));

/** A model as a list shows it to people: its manifest checked, and whether its owner revoked it. Nothing of it is proven. */
export const readListedModel: (value: JsonValue) => {
  readonly model: Digest;
  readonly manifest: ModelManifest;
  readonly grants: readonly Digest[];
  readonly revokedHeight: number | null;
} = reader(
  refined(
    openObject({ ...listedModel, manifest: via(modelManifestFromJson), revokedHeight: orNull(count()) }),
    ({ model, manifest }) => modelId(manifest) === model,
    'the manifest that the id names',
  ),
);

const sequence = member('sequence', count());
const executors = listOf(
  openObject({ declined: orNull(sequence), withheld: orNull(count()), missed: orNull(count()) }),
);

function present(sequences: readonly (number | null)[]): readonly number[] {
  return sequences.filter((one) => one !== null);
}

export const readInference: (value: JsonValue) => ListedInference = reader(
  mapped(
    openObject({
      task: digest,
      status: oneOf(['open', 'completed', 'failed']),
      receipts: listOf(openObject({ keyset: digest, sequence: count() })),
      executors,
    }),
    ({ task, status, receipts, executors }): ListedInference => ({
      task,
      status,
      receipts,
      declines: present(executors.map(({ declined }) => declined)),
      withheld: present(executors.map(({ withheld }) => withheld)),
      missed: present(executors.map(({ missed }) => missed)),
    }),
  ),
);

const errorBody = openObject({ code: text(BYTES_MAX), detail: optional(anyJson), message: optional(anyJson) });

/** An error body {code, detail?} or {code, message?}, or undefined when it is none. */
export function readErrorBody(value: JsonValue): { readonly code: string; readonly detail: string } | undefined {
  const read = parseShape(errorBody, value);
  if (!read.ok) return undefined;
  const { code, detail, message } = read.value;
  const said = [detail, message].find((one) => typeof one === 'string');
  return { code, detail: typeof said === 'string' ? said : '' };
}
