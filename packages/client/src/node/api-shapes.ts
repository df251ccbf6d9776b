/**
 * The JSON of the node's API, read: only the members that the SDK uses, each checked; others are ignored, so that a newer
 * node stays readable.
 */
import { type ModelManifest, modelId, modelManifestFromJson } from '@cloister/confidential';
import {
  type AccountId,
  type Digest,
  type JsonValue,
  parseAccountId,
  parseBase64,
  parseDigest,
} from '@cloister/encoding';
import { ClientError } from '../errors.ts';
import type {
  ListedAttestation,
  ListedEvent,
  ListedInference,
  ListedModel,
  NodeStatus,
  TransactionFate,
} from './api.ts';

function refuse(what: string): never {
  throw new ClientError('API_ANSWER_MALFORMED', what);
}

function isObject(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function member(value: JsonValue, key: string): JsonValue | undefined {
  if (!isObject(value)) refuse(`an object with ${key} is expected`);
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function text(value: JsonValue, key: string): string {
  const found = member(value, key);
  return typeof found === 'string' ? found : refuse(key);
}

function flag(value: JsonValue, key: string): boolean {
  const found = member(value, key);
  return typeof found === 'boolean' ? found : refuse(key);
}

function count(value: JsonValue, key: string): number {
  const found = member(value, key);
  return typeof found === 'number' && Number.isSafeInteger(found) && found >= 0 ? found : refuse(key);
}

function digest(value: JsonValue, key: string): Digest {
  return parseDigest(member(value, key)) ?? refuse(key);
}

function account(value: JsonValue, key: string): AccountId {
  return parseAccountId(member(value, key)) ?? refuse(key);
}

function list<T>(value: JsonValue, key: string, read: (element: JsonValue) => T): readonly T[] {
  const found = member(value, key);
  return Array.isArray(found) ? (found as readonly JsonValue[]).map(read) : refuse(key);
}

/** Bytes of a base64 member. */
export function readBytes(value: JsonValue, key: string): Uint8Array {
  return parseBase64(member(value, key)) ?? refuse(key);
}

export function readStatus(value: JsonValue): NodeStatus {
  return {
    chainId: digest(value, 'chainId'),
    height: count(value, 'height'),
    provableHeight: count(value, 'provableHeight'),
    eventCount: count(value, 'eventCount'),
  };
}

export function readFate(value: JsonValue): TransactionFate {
  const fate = text(value, 'fate');
  switch (fate) {
    case 'UNKNOWN':
    case 'PENDING':
    case 'EXPIRED':
      return { fate };
    case 'COMMITTED':
    case 'REJECTED':
      return { fate, sequence: count(value, 'sequence') };
    default:
      return refuse('fate');
  }
}

export function readEvents(value: JsonValue): readonly ListedEvent[] {
  return list(value, 'events', (event) => {
    const payload = member(event, 'payload');
    if (!isObject(payload)) refuse('payload');
    return { sequence: count(event, 'sequence'), type: text(event, 'type'), payload };
  });
}

export function readAttestations(value: JsonValue): readonly ListedAttestation[] {
  return list(value, 'attestations', (one) => ({
    node: account(one, 'node'),
    keyset: digest(one, 'keyset'),
    platform: text(one, 'platform'),
    eligible: flag(one, 'eligible'),
  }));
}

/** Where a list goes on; undefined at its end. */
export function readNext(page: JsonValue): string | undefined {
  const next = member(page, 'next') ?? null;
  if (next === null) return undefined;
  return typeof next === 'string' && /^[0-9a-zA-Z]{1,128}$/.test(next) ? next : refuse('next');
}

export function readModel(value: JsonValue): ListedModel {
  return {
    model: digest(value, 'model'),
    manifest: member(value, 'manifest') ?? refuse('manifest'),
    grants: list(value, 'grants', (grant) => parseDigest(grant) ?? refuse('grants')),
  };
}

/** A model as a list shows it to people: its manifest checked, and whether its owner revoked it. Nothing of it is proven. */
export function readListedModel(value: JsonValue): {
  readonly model: Digest;
  readonly manifest: ModelManifest;
  readonly grants: readonly Digest[];
  readonly revokedHeight: number | null;
} {
  const { model, manifest, grants } = readModel(value);
  const parsed = modelManifestFromJson(manifest);
  if (!parsed.ok || modelId(parsed.value) !== model) refuse('manifest');
  const revoked = member(value, 'revokedHeight') ?? null;
  return {
    model,
    manifest: parsed.value,
    grants,
    revokedHeight: revoked === null ? null : count(value, 'revokedHeight'),
  };
}

export function readInference(value: JsonValue): ListedInference {
  const status = text(value, 'status');
  if (status !== 'open' && status !== 'completed' && status !== 'failed') refuse('status');
  return {
    task: digest(value, 'task'),
    status,
    receipts: list(value, 'receipts', (one) => ({ keyset: digest(one, 'keyset'), sequence: count(one, 'sequence') })),
    declines: list(value, 'executors', (one) => {
      const declined = member(one, 'declined') ?? null;
      return declined === null ? [] : [count(declined, 'sequence')];
    }).flat(),
    withheld: sequencesOf(value, 'withheld'),
    missed: sequencesOf(value, 'missed'),
  };
}

/** Of each executor that has one, the event's sequence under this name. */
function sequencesOf(value: JsonValue, name: string): readonly number[] {
  return list(value, 'executors', (one) => ((member(one, name) ?? null) === null ? [] : [count(one, name)])).flat();
}

/** An error body {code, detail?} or {code, message?}, or undefined when it is none. */
export function readErrorBody(value: JsonValue): { readonly code: string; readonly detail: string } | undefined {
  if (!isObject(value)) return undefined;
  const { code, detail, message } = value;
  const text = [detail, message].find((one) => typeof one === 'string');
  return typeof code === 'string' ? { code, detail: typeof text === 'string' ? text : '' } : undefined;
}
