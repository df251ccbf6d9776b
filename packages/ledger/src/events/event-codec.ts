/**
 * Events as the log stores them: a type and a payload of canonical JSON, the event's other members.
 *
 * Decoding is strict, since payloads also arrive inside proofs from strangers: exactly the known members, each in its
 * one form.
 */
import { canonicalJson, fail, type JsonErrorCode, ok, parseCanonicalJson, type Result, utf8 } from '@cloister/encoding';
import { object, parseShape, type Shape } from '@cloister/encoding/shape';
import { FIELDS } from './event-shapes.ts';
import type { LedgerEvent, LedgerEventType } from './events.ts';

/** Bytes of one event's payload; the largest transaction and its context fit. */
export const MAX_EVENT_BYTES: number = 256 * 1024;

const SHAPES: ReadonlyMap<string, Shape<object>> = new Map(
  Object.entries(FIELDS).map(([type, fields]) => [type, object(fields as { [key: string]: Shape<unknown> })]),
);

/** An event as the log takes it. */
export interface EncodedEvent {
  readonly type: LedgerEventType;
  /** Canonical JSON of the members other than `type`. */
  readonly payload: Uint8Array;
}
export type EventCode = JsonErrorCode | 'JSON_NOT_CANONICAL' | 'EVENT_TYPE_UNKNOWN' | 'EVENT_SHAPE';

export function encodeEvent(event: LedgerEvent): EncodedEvent {
  const { type, ...payload } = event;
  return { type, payload: utf8(canonicalJson(payload)) };
}

/** The event of a stored or proven record. Never throws. */
export function decodeEvent(type: string, payload: Uint8Array): Result<LedgerEvent, EventCode> {
  const shape = SHAPES.get(type);
  if (shape === undefined) return fail('EVENT_TYPE_UNKNOWN', type.slice(0, 64));
  const json = parseCanonicalJson(payload, { maxBytes: MAX_EVENT_BYTES, maxDepth: 16 });
  if (!json.ok) return json;
  const shaped = parseShape(shape, json.value);
  return shaped.ok ? ok({ type, ...shaped.value } as LedgerEvent) : fail('EVENT_SHAPE', shaped.detail);
}
