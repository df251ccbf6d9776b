/**
 * Tables of calls: for each name, what the caller brings and what it gets, for both ends of a channel.
 *
 * A form lists named members, each with a shape or with a bound of bytes. Members with a shape travel in the head, one object
 * with exactly these members; bytes travel as the message's parts, in the order of the form. Either end reads what came by the
 * same form, so that a call or an answer that has more, less or other members than its form reaches nobody.
 */
import { assert, fail, type JsonValue, ok, type Result } from '@cloister/encoding';
import { isJson, type Members, object, parseShape, type Shape } from '@cloister/encoding/shape';
import { ChannelError } from './frames.ts';
import type { CallHandler, Payload, RpcChannel } from './rpc.ts';

/** A member of bytes, at most so many. */
export interface Bytes {
  readonly bytesMax: number;
}

export function bytesUpTo(bytesMax: number): Bytes {
  return { bytesMax };
}

/** What goes one way, member by member. */
export type Form<T> = { readonly [K in keyof T]: T[K] extends Uint8Array ? Bytes : Shape<T[K]> };

/** A call's two ways. */
export interface Call<Argument, Answer> {
  readonly argument: Argument;
  readonly answer: Answer;
}

/** Of a call that brings nothing, or gets nothing. */
export type Nothing = Readonly<Record<never, never>>;

export function nothing(): Nothing {
  return {};
}

type Calls<C> = { readonly [Name in keyof C]: Call<object, object> };

export type CallTable<C extends Calls<C>> = {
  readonly [Name in keyof C]: {
    readonly argument: Form<C[Name]['argument']>;
    readonly answer: Form<C[Name]['answer']>;
  };
};

/** What answers each call of a table. */
export type Handlers<C extends Calls<C>> = {
  readonly [Name in keyof C]: (
    argument: C[Name]['argument'],
  ) => Result<C[Name]['answer']> | Promise<Result<C[Name]['answer']>>;
};

function membersOf<T>(form: Form<T>): { readonly shapes: Members<object>; readonly parts: [string, Bytes][] } {
  // The compiler loses which key goes with which member; `Form` has held them together.
  const members = Object.entries(form) as [string, Bytes | Shape<unknown>][];
  const shapes = members.filter(([, member]) => typeof member === 'function');
  const parts = members.filter((entry): entry is [string, Bytes] => typeof entry[1] === 'object');
  return { shapes: Object.fromEntries(shapes), parts };
}

function encode<T extends object>(form: Form<T>, value: T): Payload {
  const head: Record<string, JsonValue> = {};
  const parts: Uint8Array[] = [];
  for (const name of Object.keys(form) as (keyof T & string)[]) {
    const member: unknown = value[name];
    if (member instanceof Uint8Array) parts.push(member);
    else {
      assert(isJson(member), `${name} is plain data`);
      head[name] = member;
    }
  }
  return { head, parts };
}

function decode<T extends object>(form: Form<T>, { head, parts }: Payload): Result<T, 'CALL_MALFORMED'> {
  const wanted = membersOf(form);
  const read = parseShape(object(wanted.shapes), head, 'head');
  if (!read.ok) return fail('CALL_MALFORMED', read.detail);
  if (parts.length !== wanted.parts.length) {
    return fail('CALL_MALFORMED', `${parts.length} parts instead of ${wanted.parts.length}`);
  }
  const value: Record<string, unknown> = { ...read.value };
  for (const [at, [name, { bytesMax }]] of wanted.parts.entries()) {
    const part = parts[at];
    if (part === undefined || part.length > bytesMax)
      return fail('CALL_MALFORMED', `${name}: more than ${bytesMax} bytes`);
    value[name] = part;
  }
  return ok(value as T);
}

/**
 * Makes a call of a table. Resolves with the other side's refusal; rejects with `ChannelError`: ANSWER_MALFORMED for an answer of
 * another form, else when the channel ends before the answer.
 */
export async function callBy<C extends Calls<C>, Name extends keyof C & string>(
  table: CallTable<C>,
  channel: RpcChannel,
  name: Name,
  argument: C[Name]['argument'],
): Promise<Result<C[Name]['answer']>> {
  const forms = table[name];
  const answer = await channel.call(name, encode(forms.argument, argument));
  if (!answer.ok) return answer;
  const read = decode(forms.answer, answer.value);
  if (!read.ok) throw new ChannelError('ANSWER_MALFORMED', `${name}: ${read.detail}`);
  return read;
}

/** Answers the calls of a table; any other is METHOD_UNKNOWN, one of another form CALL_MALFORMED. */
export function answersTo<C extends Calls<C>>(table: CallTable<C>, handlers: Handlers<C>): CallHandler {
  const isName = (name: string): name is keyof C & string => Object.hasOwn(table, name);
  return async (name, payload) => {
    if (!isName(name)) return fail('METHOD_UNKNOWN');
    const { argument, answer } = table[name];
    const read = decode<C[keyof C]['argument']>(argument, payload);
    if (!read.ok) return read;
    const answered = await handlers[name](read.value);
    return answered.ok ? ok(encode(answer, answered.value)) : answered;
  };
}
