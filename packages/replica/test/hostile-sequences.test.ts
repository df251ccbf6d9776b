/** Frames, batches and answers that were good elsewhere or at another time, in any order: nothing makes `step` throw. */
import { assert, type ValidatorId } from '@cloister/encoding';
import { genesisOf, keysFrom, MiniNet, type MiniNode, putRecord } from '@cloister/testkit/mini-net';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeSyncRequest, type ReplicaEffect, serveSync } from '../src/index.ts';

interface Frame {
  readonly channel: 'consensus' | 'batch';
  readonly from: ValidatorId;
  readonly bytes: Uint8Array;
}

const keys = keysFrom('validators', 4);
const [observer] = keysFrom('observers', 1);
let source: MiniNode;
let frames: Frame[] = [];
let answers: Uint8Array[] = [];

/** What a network of four said in a few seconds, in turns as it was said, and answers that it gives. */
beforeAll(async () => {
  const net = await MiniNet.of(4);
  source = net.node(2);
  await net.start();
  for (let i = 0; i < 6; i++) {
    net.submit(net.node(i % 4), putRecord(net.genesis, { key: `k${i}` }).bytes);
    await net.advance(400);
  }
  const said = net.nodes.map(({ id, effects }) =>
    effects.flatMap((effect): Frame[] => {
      if (effect.type !== 'send' && effect.type !== 'gossip') return [];
      return [{ channel: effect.type === 'send' ? 'consensus' : 'batch', from: id, bytes: effect.bytes }];
    }),
  );
  const longest = Math.max(...said.map(({ length }) => length));
  frames = Array.from({ length: longest }, (_, at) => said.flatMap((own) => own[at] ?? [])).flat();
  const maxBytes = 1 << 20;
  const tip = (await source.reader.header(await source.reader.tipHeight()))?.parentHash;
  assert(tip !== undefined, 'blocks were made');
  const requests = [
    encodeSyncRequest({ type: 'status' }),
    encodeSyncRequest({ type: 'chain', tip, aboveHeight: 0, maxBytes }),
    ...[1, 2, 3, 5, 100].map((fromHeight) => encodeSyncRequest({ type: 'range', fromHeight, maxBytes })),
  ];
  answers = await Promise.all(requests.map((request) => serveSync(source.reader, request)));
});

const rarely = <T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

const action = fc.record({
  /** Frames of the recording that are left out before the next one; some are said again. */
  skip: rarely(0, fc.integer({ min: -40, max: 40 })),
  liar: rarely<number | undefined>(undefined, fc.nat(3)),
  flips: rarely<[number, number][]>([], fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 })),
  /** Answers what is asked, with something else if not undefined. */
  answer: rarely<number | undefined>(undefined, fc.nat()),
  ms: rarely(0, fc.constantFrom(50, 1_100, 6_000, 40_000)),
});

async function answerAll(net: MiniNet, node: MiniNode, asked: readonly ReplicaEffect[], other: number | undefined) {
  for (const effect of asked) {
    if (effect.type !== 'request') continue;
    const { requestId } = effect;
    const bytes = other === undefined ? await serveSync(source.reader, effect.bytes) : answers[other % answers.length];
    net.input(node, { type: 'response', requestId, from: source.id, bytes });
  }
}

describe('what was good elsewhere or at another time', () => {
  it.each(['a validator', 'an observer'])('never makes the step of %s throw, whatever comes when', async (role) => {
    const key = role === 'a validator' ? keys[1] : observer;
    assert(key !== undefined, 'a key');
    let furthest = 0;
    const sequences = fc.tuple(fc.nat(), fc.array(action, { minLength: 1, maxLength: 120, size: 'max' }));
    await fc.assert(
      fc.asyncProperty(sequences, async ([start, actions]) => {
        const net = new MiniNet(genesisOf(keys));
        const node = await net.add(key);
        await net.start();
        for (const { id } of keys) if (id !== key.id) net.input(node, { type: 'peer', id, up: true });
        let seen = 0;
        let at = start % 2 === 0 ? 0 : start;
        for (const { skip, liar, flips, answer, ms } of actions) {
          at = Math.max(0, at + skip);
          const frame = frames[at++ % frames.length];
          assert(frame !== undefined, 'frames were recorded');
          const bytes = Uint8Array.from(frame.bytes);
          for (const [place, value] of flips) bytes[place % bytes.length] = value;
          const from = liar === undefined ? frame.from : ((keys[liar]?.id ?? key.id) as ValidatorId);
          net.input(node, { type: 'frame', channel: frame.channel, from, bytes });
          const asked = node.effects.slice(seen);
          seen = node.effects.length;
          await answerAll(net, node, asked, answer);
          await net.advance(ms);
        }
        await net.advance(2_000);
        furthest = Math.max(furthest, node.replica.status().executedHeight);
      }),
      { numRuns: 20 },
    );
    expect(furthest, 'some orders lead somewhere').toBeGreaterThan(0);
  });
});
