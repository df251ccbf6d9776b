import { decodeMessage, encodeMessage, type Recall } from '@cloister/consensus';
import { asEpoch, asView, type ValidatorId } from '@cloister/encoding';
import { MemoryStore, markForResync } from '@cloister/event-log';
import { MiniNet, type MiniNode, type MiniNet as Net } from '@cloister/testkit/mini-net';
import { describe, expect, it } from 'vitest';
import { guardMarkOp } from '../src/index.ts';
import { guardKeyOf } from '../src/store/chain-keys.ts';

const VICTIM = 3;

/** `<kind> <view>` of the proposals and votes of its own that a node sent. */
function signedBy(node: MiniNode): string[] {
  return node.effects.flatMap((effect) => {
    const decoded = effect.type === 'send' ? decodeMessage(effect.bytes) : undefined;
    if (decoded?.ok !== true) return [];
    const message = decoded.value;
    if (message.type === 'proposal') return [`propose ${message.proposition.view}`];
    return message.type === 'vote' && message.signer === node.id ? [`${message.kind} ${message.view}`] : [];
  });
}

function viewsOf(words: readonly string[]): number[] {
  return words.map((word) => Number(word.split(' ')[1]));
}

function signing(node: MiniNode): ReturnType<MiniNode['replica']['status']>['signing'] {
  return node.replica.status().signing;
}

async function running(validators = 4): Promise<Net> {
  const net = await MiniNet.of(validators);
  await net.start();
  await net.advance(3_000);
  return net;
}

function convictions(net: Net): unknown[] {
  return net.nodes.flatMap(({ effects }) => effects.filter(({ type }) => type === 'evidence'));
}

/** The victim's process ends, and one with these databases and the same key takes its place. */
async function replace(net: Net, stores: { chain: MemoryStore; guard: MemoryStore }): Promise<MiniNode> {
  const before = net.node(VICTIM);
  net.nodes.splice(VICTIM, 1);
  const after = await net.add(before.key, stores);
  await net.startOne(after);
  return after;
}

describe('a validator that starts', () => {
  it('signs at once where all begin with nothing', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    expect(net.nodes.map((node) => signing(node).state)).toEqual(Array(4).fill('signing'));
    const alone = await MiniNet.of(1);
    await alone.start();
    expect(signing(alone.node(0)).state).toBe('signing');
  });

  it('waits for those that make a quorum with it, and says who has not answered', async () => {
    const net = await MiniNet.of(4);
    net.node(1).cut = true;
    net.node(2).cut = true;
    await net.start();
    expect(signing(net.node(0))).toMatchObject({
      state: 'asking',
      cause: 'START',
      missing: [net.node(1).id, net.node(2).id],
    });
    expect(signedBy(net.node(0))).toEqual([]);
    net.node(1).cut = false;
    await net.advance(1_000);
    expect(signing(net.node(0)).state).toBe('signing');
  });

  it('goes on after a blackout with one of four gone for good', async () => {
    const net = await running();
    net.node(VICTIM).cut = true;
    for (const index of [0, 1, 2]) await net.restart(index);
    const [height = 0] = net.heights();
    await net.advance(6_000);
    expect(net.heights()[0]).toBeGreaterThan(height + 2);
  });

  it('after the beginning with a key made with its guard signs though another is gone', async () => {
    const net = await MiniNet.of(4);
    net.node(VICTIM).cut = true;
    await net.start();
    await net.advance(3_000);
    net.node(0).cut = true;
    const guard = new MemoryStore();
    const floor = { epoch: asEpoch(0), view: asView(0) };
    await guard.batch([guardMarkOp({ validator: net.node(VICTIM).id, floor })], { sync: true });
    const late = await replace(net, { chain: new MemoryStore(), guard });
    const [, height = 0] = net.heights();
    await net.advance(8_000);
    expect(signing(late).state).toBe('signing');
    expect(net.heights()[1]).toBeGreaterThan(height + 2);
  });
});

describe('a validator that lost its guard', () => {
  it('observes until a quorum without it has answered and later views have begun, and then signs by itself', async () => {
    const net = await running();
    const before = Math.max(...viewsOf(signedBy(net.node(VICTIM))));
    const fresh = await replace(net, { chain: new MemoryStore(), guard: new MemoryStore() });
    expect(signing(fresh)).toMatchObject({ state: 'observing', cause: 'GUARD_EMPTY', needsOverride: false });
    expect(signing(fresh).signsAboveView).toBeGreaterThan(before);
    await net.advance(3_000);
    expect(signedBy(fresh)).toEqual([]);
    await net.advance(8_000);
    expect(signing(fresh).state).toBe('signing');
    const signed = viewsOf(signedBy(fresh));
    expect(Math.min(...signed)).toBeGreaterThan(signing(fresh).signsAboveView ?? Number.POSITIVE_INFINITY);
    expect(convictions(net)).toEqual([]);
  });

  it('signs nothing while one of the others is away, and says whom it waits for', async () => {
    const net = await running();
    net.node(0).cut = true;
    const fresh = await replace(net, { chain: new MemoryStore(), guard: new MemoryStore() });
    await net.advance(5_000);
    expect(signing(fresh)).toMatchObject({ state: 'asking', cause: 'GUARD_EMPTY', missing: [net.node(0).id] });
    expect(signedBy(fresh)).toEqual([]);
    net.node(0).cut = false;
    await net.advance(20_000);
    expect(signing(fresh).state).toBe('signing');
    expect(convictions(net)).toEqual([]);
  });

  it('of three validators needs its operator, since no view passes without it', async () => {
    const net = await running(3);
    const last = net.node(2);
    net.nodes.splice(2, 1);
    const fresh = await net.add(last.key);
    await net.startOne(fresh);
    await net.advance(5_000);
    expect(signing(fresh)).toMatchObject({ state: 'observing', needsOverride: true });
    expect(signedBy(fresh)).toEqual([]);
    const floor = { epoch: asEpoch(0), view: asView(Math.max(...viewsOf(signedBy(last)))) };
    const guard = new MemoryStore();
    await guard.batch([guardMarkOp({ validator: last.id, floor })], { sync: true });
    net.nodes.splice(2, 1);
    const vouched = await net.add(last.key, { guard });
    await net.startOne(vouched);
    const [height = 0] = net.heights();
    await net.advance(10_000);
    expect(net.heights()[0]).toBeGreaterThan(height);
    expect(Math.min(...viewsOf(signedBy(vouched)))).toBeGreaterThan(floor.view);
  });

  it('observes with the guard of another key', async () => {
    const net = await running();
    const fresh = await replace(net, { chain: net.node(0).chain.copy(), guard: net.node(0).guard.copy() });
    expect(signing(fresh)).toMatchObject({ state: 'observing', cause: 'GUARD_EMPTY' });
  });
});

describe('a validator with an old copy of its databases', () => {
  it('observes as soon as others show votes that the copy lacks, and then signs by itself', async () => {
    const net = await running();
    const old = { chain: net.node(VICTIM).chain.copy(), guard: net.node(VICTIM).guard.copy() };
    await net.advance(2_500);
    const before = Math.max(...viewsOf(signedBy(net.node(VICTIM))));
    const restored = await replace(net, old);
    expect(signing(restored)).toMatchObject({ state: 'observing', cause: 'GUARD_OLD' });
    expect(signedBy(restored)).toEqual([]);
    await net.advance(12_000);
    expect(signing(restored).state).toBe('signing');
    expect(Math.min(...viewsOf(signedBy(restored)))).toBeGreaterThan(before);
    expect(convictions(net)).toEqual([]);
  });

  it.each(['an old copy', 'nothing but the key'])('stops while the real one runs, with %s', async (what) => {
    const net = await running();
    const real = net.node(VICTIM);
    const stores = what === 'an old copy' ? { chain: real.chain.copy(), guard: real.guard.copy() } : {};
    await net.advance(2_500);
    const twin = await net.add(real.key, stores);
    await net.startOne(twin);
    await net.advance(15_000);
    expect(twin.replica.status().halted).toMatchObject({ code: 'SIGNED_ELSEWHERE' });
    expect(signedBy(twin)).toEqual([]);
    expect(real.replica.status().halted).toBeUndefined();
    expect(convictions(net)).toEqual([]);
    const [height = 0] = net.heights();
    await net.advance(3_000);
    expect(net.heights()[0]).toBeGreaterThan(height);
  });

  it('asks a second time when the chain went on without it, so that a twin that was slow shows', async () => {
    const net = await running();
    net.node(VICTIM).cut = true;
    await net.advance(6_000);
    await net.restart(VICTIM);
    net.node(VICTIM).cut = false;
    await net.advance(700);
    expect(signing(net.node(VICTIM)).state).toBe('asking');
    await net.advance(1_000);
    expect(signing(net.node(VICTIM)).state).toBe('signing');
  });
});

describe('a guard that lacks a record that was synced', () => {
  async function newestRecord(node: MiniNode): Promise<[Uint8Array, Uint8Array]> {
    const [family] = guardKeyOf(new Uint8Array(0));
    let newest: [Uint8Array, Uint8Array] | undefined;
    for await (const entry of node.guard.range({})) if (entry[0][0] === family) newest = entry;
    if (newest === undefined) throw new Error('no record');
    return newest;
  }

  it.each(['dropped', 'replaced'])('stops the start with words on what to do: %s', async (fault) => {
    const net = await running();
    const { chain, guard, key } = net.node(VICTIM);
    const [at, value] = await newestRecord(net.node(VICTIM));
    const earlier = net.node(0).guard;
    let other: Uint8Array | undefined;
    for await (const [, bytes] of earlier.range({ gte: at.subarray(0, 1) })) other ??= bytes;
    expect(value).not.toEqual(other);
    const op =
      fault === 'dropped'
        ? ({ type: 'del', key: at } as const)
        : ({ type: 'put', key: at, value: other ?? value } as const);
    await guard.batch([op], { sync: true });
    const opening = net.add(key, { chain, guard });
    await expect(opening).rejects.toMatchObject({ code: 'GUARD_DAMAGED' });
    await expect(opening).rejects.toThrow(/Move the folder of the sign guard away and start again/);
  });

  it('that was pruned below the floor is no damage', async () => {
    const net = await running();
    const { chain, guard, key } = net.node(VICTIM);
    const old = chain.copy();
    await net.advance(5_000);
    const witness = new Uint8Array([0x77]);
    await chain.batch([{ type: 'put', key: witness, value: (await old.get(witness)) ?? new Uint8Array(0) }], {
      sync: true,
    });
    await expect(net.add(key, { chain: chain.copy(), guard: guard.copy() })).resolves.toBeDefined();
  });
});

describe('answers about own votes', () => {
  async function asking(): Promise<{ net: Net; node: MiniNode; nonce: number }> {
    const net = await MiniNet.of(4);
    for (const other of net.nodes.slice(1)) other.cut = true;
    await net.start();
    const node = net.node(0);
    const nonces = node.effects.flatMap((effect) => {
      const decoded = effect.type === 'send' ? decodeMessage(effect.bytes) : undefined;
      return decoded?.ok === true && decoded.value.type === 'recall-request' ? [decoded.value.nonce] : [];
    });
    return { net, node, nonce: nonces[0] ?? 0 };
  }
  function recall(nonce: number, changes: Partial<Recall> = {}): Uint8Array {
    const at = { epoch: asEpoch(0), view: asView(1) };
    return encodeMessage({ type: 'recall', nonce, ...at, certificate: undefined, votes: [], ...changes });
  }
  function answer(net: Net, from: number, bytes: Uint8Array): void {
    net.input(net.node(0), { type: 'frame', channel: 'consensus', from: net.node(from).id, bytes });
  }

  it('count when they are of two others', async () => {
    const { net, node, nonce } = await asking();
    answer(net, 1, recall(nonce));
    expect(signing(node).state).toBe('asking');
    answer(net, 2, recall(nonce));
    expect(signing(node).state).toBe('signing');
  });

  it('to an earlier start, twice from one, of strangers, or of a view that nothing proves do not count', async () => {
    const { net, node, nonce } = await asking();
    answer(net, 1, recall(nonce));
    answer(net, 1, recall(nonce));
    answer(net, 2, recall(nonce - 1));
    answer(net, 3, recall(nonce, { view: asView(2) }));
    net.input(node, {
      type: 'frame',
      channel: 'consensus',
      from: 'ab'.repeat(32) as ValidatorId,
      bytes: recall(nonce),
    });
    expect(signing(node).state).toBe('asking');
  });

  it('with votes of somebody else cost their sender its standing', async () => {
    const { net, node, nonce } = await asking();
    const signature = new Uint8Array(64);
    const vote = {
      type: 'vote',
      kind: 'nullify',
      epoch: asEpoch(0),
      view: asView(1),
      signer: net.node(2).id,
      signature,
    } as const;
    answer(net, 1, recall(nonce, { votes: [vote] }));
    expect(node.effects).toContainEqual({ type: 'blame', peer: net.node(1).id, offence: 'MALFORMED' });
    answer(net, 3, recall(nonce));
    expect(signing(node).state).toBe('asking');
  });
});

describe('own votes of long ago', () => {
  it('sent again by a peer after the guard was pruned stop nobody', async () => {
    const net = await running();
    const { id } = net.node(VICTIM);
    const old = net.node(VICTIM).effects.flatMap((effect) => (effect.type === 'send' ? [effect.bytes] : []));
    await net.advance(5_000);
    await net.restart(VICTIM);
    for (const bytes of old)
      net.input(net.node(VICTIM), { type: 'frame', channel: 'consensus', from: net.node(0).id, bytes });
    await net.advance(2_000);
    expect(net.node(VICTIM).id).toBe(id);
    expect(net.node(VICTIM).replica.status().halted).toBeUndefined();
    expect(signing(net.node(VICTIM)).state).toBe('signing');
  });
});

describe('a validator whose log was reset and whose guard was kept', () => {
  it('signs by itself once the log has caught up with what the guard has seen', async () => {
    const net = await running();
    const chain = new MemoryStore();
    await markForResync(chain);
    const { key, guard } = net.node(VICTIM);
    net.nodes.splice(VICTIM, 1);
    const reset = await net.add(key, { chain, guard: guard.copy() });
    reset.cut = true;
    await net.startOne(reset);
    expect(signing(reset).state).toBe('resyncing');
    expect(signedBy(reset)).toEqual([]);
    reset.cut = false;
    await net.advance(8_000);
    expect(reset.replica.status()).toMatchObject({ role: 'validator', signing: { state: 'signing' } });
    expect(signedBy(reset).length).toBeGreaterThan(0);
    expect(convictions(net)).toEqual([]);
  });
});
