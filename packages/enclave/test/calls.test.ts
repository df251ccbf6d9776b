/** Calls and answers of another form than the tables': they reach nobody, at either end. */
import { duplexPair } from 'node:stream';
import { type JsonValue, ok, type Result } from '@cloister/encoding';
import { Chain } from '@cloister/testkit/chain';
import { afterEach, describe, expect, it } from 'vitest';
import { ENCLAVE_CALLS } from '../src/calls.ts';
import { answersTo, type CallTable, callBy, type Handlers } from '../src/channel/call-table.ts';
import { ChannelError } from '../src/channel/frames.ts';
import { type CallHandler, type Payload, RpcChannel } from '../src/channel/rpc.ts';
import { ENGINE_CALLS } from '../src/engine/engine-calls.ts';
import { launchInside, OWN } from './inside.ts';

type Head = { readonly [name: string]: JsonValue };

const DIGEST = 'ab'.repeat(32);
/** A value for each member with a shape. */
const SOUND: Head = {
  transfer: '0',
  model: DIGEST,
  bytes: 1,
  numericClass: 'avx2',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [],
  nodeId: DIGEST,
  platform: 'tdx',
  simulated: true,
  isolated: false,
  measurement: 'cd'.repeat(48),
  image: DIGEST,
  imageName: 'cloister',
  imageVersion: '1',
  keyset: DIGEST,
  hpkeKey: DIGEST,
  signKey: DIGEST,
  phase: 'serving',
  trustedHeight: 7,
  models: [DIGEST],
};

interface OneForm {
  readonly head: Head;
  /** Name and bound of each part. */
  readonly parts: readonly (readonly [string, number])[];
}

/** A form as the tests see it. */
function read(form: object): OneForm {
  const head: Record<string, JsonValue> = {};
  const parts: [string, number][] = [];
  for (const [name, member] of Object.entries(form)) {
    if (typeof member === 'function') head[name] = SOUND[name] ?? null;
    else parts.push([name, (member as { bytesMax: number }).bytesMax]);
  }
  return { head, parts };
}

const sound = ({ head, parts }: OneForm): Payload => ({ head, parts: parts.map(() => Uint8Array.of(7)) });

/** Everything that breaks a form, each in one way. */
function* broken(form: OneForm): Generator<readonly [string, Payload]> {
  const { head, parts } = sound(form);
  yield ['a member more', { head: { ...form.head, more: 1 }, parts }];
  yield ['a part more', { head, parts: [...parts, new Uint8Array()] }];
  if (parts.length > 0) yield ['a part less', { head, parts: parts.slice(1) }];
  for (const other of [null, [], 'text', 7, [head]])
    yield [`the head ${JSON.stringify(other)}`, { head: other, parts }];
  for (const name of Object.keys(form.head)) {
    yield [
      `no ${name}`,
      { head: Object.fromEntries(Object.entries(form.head).filter(([key]) => key !== name)), parts },
    ];
    for (const wrong of [{}, -1.5, 'x'.repeat(70_000)]) {
      yield [`${name} ${JSON.stringify(wrong).slice(0, 8)}`, { head: { ...form.head, [name]: wrong }, parts }];
    }
  }
  for (const [at, [name, bytesMax]] of form.parts.entries()) {
    yield [`${name} with a byte too many`, { head, parts: parts.with(at, new Uint8Array(bytesMax + 1)) }];
  }
}

const tables: readonly (readonly [string, object])[] = [
  ['enclave', ENCLAVE_CALLS],
  ['engine', ENGINE_CALLS],
];
const calls = tables.flatMap(([of, table]) =>
  Object.entries(table).map(([name, { argument, answer }]: [string, { argument: object; answer: object }]) => ({
    of,
    table,
    name,
    argument: read(argument),
    answer: read(answer),
  })),
);
type AnyCalls = Record<string, { readonly argument: object; readonly answer: object }>;

/** A handler for all calls of a table, which notes what reaches it. */
function noting(table: object): { readonly reached: unknown[]; readonly onCall: CallHandler } {
  const reached: unknown[] = [];
  const note = (argument: object): Result<object> => {
    reached.push(argument);
    return { ok: false, code: 'NOTED' };
  };
  const handlers = Object.fromEntries(Object.keys(table).map((name) => [name, note])) as Handlers<AnyCalls>;
  return { reached, onCall: answersTo(table as CallTable<AnyCalls>, handlers) };
}

describe.each(calls)('$of: $name', ({ table, name, argument, answer }) => {
  it('reaches its handler with its members by name, each of the largest size', async () => {
    const { reached, onCall } = noting(table);
    const parts = argument.parts.map(([, bytesMax]) => new Uint8Array(bytesMax));
    expect(await onCall(name, { head: argument.head, parts })).toEqual({ ok: false, code: 'NOTED' });
    const [members] = reached as Record<string, unknown>[];
    expect(Object.keys(members ?? {}).sort()).toEqual(
      [...Object.keys(argument.head), ...argument.parts.map(([part]) => part)].sort(),
    );
    for (const [i, [part]] of argument.parts.entries()) expect(members?.[part]).toBe(parts[i]);
  });

  it('reaches it in no other form', async () => {
    const { reached, onCall } = noting(table);
    for (const [how, payload] of broken(argument)) {
      expect(await onCall(name, payload), how).toMatchObject({ ok: false, code: 'CALL_MALFORMED' });
    }
    expect(reached).toEqual([]);
  });

  it('is answered in its form, and in no other', async () => {
    const brought = Object.fromEntries([
      ...Object.entries(argument.head),
      ...argument.parts.map(([part]) => [part, Uint8Array.of(1)]),
    ]);
    const ask = (said: Payload): Promise<unknown> =>
      callBy(
        table as CallTable<AnyCalls>,
        channelTo(async () => ok(said)),
        name,
        brought,
      );
    expect(await ask(sound(answer))).toMatchObject({ ok: true, value: answer.head });
    for (const [how, said] of broken(answer)) {
      // By its code alone: a failure would print what came, up to 64 MiB.
      const code = await ask(said).then(
        () => 'taken',
        (error: unknown) => (error instanceof ChannelError ? error.code : 'another error'),
      );
      expect(code, how).toBe('ANSWER_MALFORMED');
    }
  });
});

const channels: RpcChannel[] = [];
afterEach(() => {
  for (const channel of channels.splice(0)) channel.close();
});

/** A channel whose other side answers so. */
function channelTo(onCall: CallHandler): RpcChannel {
  const [near, far] = duplexPair();
  const limits = { messageBytesMax: 1 << 27 };
  const [host, other] = [new RpcChannel(near, limits), new RpcChannel(far, { ...limits, onCall })];
  channels.push(host, other);
  return host;
}

describe('a call that no table names', () => {
  const strangers = ['', 'Describe', 'constructor', '__proto__', 'toString', 'hasOwnProperty', 'load', 'describe '];

  it.each(tables)('is unknown to the %s', async (_, table) => {
    const { reached, onCall } = noting(table);
    for (const name of strangers) {
      expect(await onCall(name, { head: {}, parts: [] }), name).toEqual({ ok: false, code: 'METHOD_UNKNOWN' });
    }
    expect(reached).toEqual([]);
  });
});

it('the enclave itself takes nothing that the table does not have', async () => {
  const call = launchInside(new Chain(OWN), 'calls');
  expect(await call('describe')).toMatchObject({ ok: true });
  expect(await call('describe', Uint8Array.of(1))).toMatchObject({ code: 'CALL_MALFORMED' });
  expect(await call('run-inference', Uint8Array.of(1))).toMatchObject({ code: 'CALL_MALFORMED' });
  expect(await call('provision-end')).toMatchObject({ code: 'CALL_MALFORMED' });
  expect(await call('prove-presence', new Uint8Array(129))).toMatchObject({ code: 'CALL_MALFORMED' });
  expect(await call('constructor')).toMatchObject({ code: 'METHOD_UNKNOWN' });
});
