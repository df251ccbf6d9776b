import { decodeMessage } from '@cloister/consensus';
import { SeededRandom } from '@cloister/crypto';
import { type AccountId, asEpoch, asHeight, type ValidatorId } from '@cloister/encoding';
import { MemoryStore } from '@cloister/event-log';
import { decodeBatch, decodeTransaction, signBatch } from '@cloister/ledger';
import { client, junkEvidence, junkRefresh, keysFrom, MiniNet, putRecord } from '@cloister/testkit/mini-net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeSyncRequest, guardKeyOf, openReplica, serveSync } from '../src/index.ts';

describe('a network of replicas', () => {
  it('commits what clients submit, on every node alike, and then only one block a second', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    const transactions = [0, 1, 2, 3].map((index) => putRecord(net.genesis, { key: `k${index}` }));
    transactions.forEach((transaction, index) => {
      expect(net.submit(net.node(index), transaction.bytes)).toEqual({ ok: true, value: { id: transaction.id } });
    });
    await net.advance(500);
    for (const { replica, log } of net.nodes) {
      expect(transactions.map(({ id }) => replica.ledger.executed.get(id))).toEqual([null, null, null, null]);
      expect(log.head.root).toBe(net.node(0).log.head.root);
    }
    const fates = net.effectsOf(0, 'committed').flatMap((effect) => effect.fates);
    expect(fates.map(({ fate }) => fate)).toEqual(Array(4).fill('COMMITTED'));
    expect(net.node(0).replica.status()).toMatchObject({ pendingTransactions: 0, pendingBatches: 0, synced: true });
    const before = net.heights()[0] ?? 0;
    await net.advance(5_000);
    expect((net.heights()[0] ?? 0) - before).toBeLessThanOrEqual(6);
    expect((net.heights()[0] ?? 0) - before).toBeGreaterThanOrEqual(4);
  });

  it('makes events provable by itself, and says so', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(100);
    net.submit(net.node(0), putRecord(net.genesis).bytes);
    await net.advance(400);
    const committed = net.effectsOf(1, 'committed');
    const block = committed.find(({ fates }) => fates.length > 0);
    const last = committed.at(-1);
    expect(last?.provableHeight).toBeGreaterThanOrEqual(block?.height ?? Number.POSITIVE_INFINITY);
    expect(last?.provableCount).toBeGreaterThan((block?.firstSequence ?? 0) + 1);
  });

  it('writes a block and its batches before the vote, and the guard before the vote leaves', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    net.submit(net.node(0), putRecord(net.genesis).bytes);
    await net.advance(300);
    const votes = new Set<string>();
    let guarded = 0;
    for (const effect of net.node(2).effects) {
      if (effect.type === 'store' && effect.guardSync) guarded++;
      if (effect.type !== 'send') continue;
      const message = decodeMessage(effect.bytes);
      if (!message.ok || (message.value.type !== 'vote' && message.value.type !== 'proposal')) continue;
      votes.add(
        `${message.value.type} ${message.value.type === 'vote' ? `${message.value.kind} ${message.value.view}` : message.value.proposition.view}`,
      );
      expect(votes.size).toBeLessThanOrEqual(guarded);
    }
    expect(votes.size).toBeGreaterThan(4);
  });

  it('resumes after a restart of all nodes at once', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    net.submit(net.node(0), putRecord(net.genesis).bytes);
    await net.advance(700);
    const [height = 0] = net.heights();
    const root = net.node(0).log.head.root;
    for (const index of [0, 1, 2, 3]) await net.restart(index);
    expect(net.node(0).log.head.root === root || net.node(0).log.head.height > height).toBe(true);
    await net.advance(4_000);
    for (const after of net.heights()) expect(after).toBeGreaterThan(height);
    expect(new Set(net.nodes.map(({ log }) => log.head.root)).size).toBeLessThanOrEqual(2);
  });

  it('goes on with one of four down, and brings it back', async () => {
    const net = await MiniNet.of(4);
    net.node(3).cut = true;
    await net.start();
    await net.advance(20_000);
    const [height = 0] = net.heights();
    expect(height).toBeGreaterThan(5);
    expect(net.heights()[3]).toBe(0);
    net.node(3).cut = false;
    await net.advance(10_000);
    expect(Math.abs((net.heights()[3] ?? 0) - (net.heights()[0] ?? 0))).toBeLessThan(3);
  });

  it('runs alone as the only validator', async () => {
    const net = await MiniNet.of(1);
    await net.start();
    net.submit(net.node(0), putRecord(net.genesis).bytes);
    await net.advance(1_000);
    expect(net.heights()[0]).toBeGreaterThan(1);
  });
});

describe('following', () => {
  it('lets a late node verify everything from genesis and forward transactions', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    for (let index = 0; index < 40; index++) {
      net.submit(net.node(index % 4), putRecord(net.genesis, { key: `k${index}`, value: 'x'.repeat(4000) }).bytes);
      await net.advance(100);
    }
    const late = await net.add(keysFrom('late', 1)[0] ?? client);
    net.input(late, { type: 'start' });
    for (const index of [0, 1, 2, 3]) net.input(late, { type: 'peer', id: net.node(index).id, up: true });
    await net.advance(2_000);
    expect(late.replica.status().role).toBe('observer');
    expect(late.replica.status().executedHeight).toBeGreaterThanOrEqual((net.heights()[0] ?? 0) - 3);
    expect(late.replica.status().synced).toBe(true);
    const expiryHeight = late.replica.status().executedHeight + 100;
    const forwarded = putRecord(net.genesis, { key: 'from outside', expiryHeight });
    expect(net.submit(late, forwarded.bytes).ok).toBe(true);
    await net.advance(3_000);
    expect(net.node(0).replica.ledger.executed.get(forwarded.id)).toBe(null);
    expect(late.replica.ledger.executed.get(forwarded.id)).toBe(null);
    expect(late.replica.status().pendingTransactions).toBe(0);
  });

  it('is not moved by peers that lie, and gets there with one that does not', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    for (let index = 0; index < 20; index++) {
      net.submit(net.node(index % 4), putRecord(net.genesis, { key: `k${index}` }).bytes);
      await net.advance(100);
    }
    const random = new SeededRandom('lies');
    for (const index of [0, 1, 2]) {
      net.node(index).serve = (answer) => {
        const lie = Uint8Array.from(answer);
        for (let flips = 0; flips < 3; flips++) {
          const at = random.below(lie.length);
          lie[at] = (lie[at] ?? 0) ^ (1 + random.below(255));
        }
        return lie;
      };
    }
    const late = await net.add(keysFrom('late', 1)[0] ?? client);
    net.input(late, { type: 'start' });
    for (const index of [0, 1, 2, 3]) net.input(late, { type: 'peer', id: net.node(index).id, up: true });
    await net.advance(15_000);
    const { executedHeight } = late.replica.status();
    expect(executedHeight).toBeGreaterThanOrEqual((net.heights()[3] ?? 0) - 3);
    const own = await late.reader.executed(executedHeight);
    const theirs = await net.node(3).reader.executed(executedHeight);
    expect(own?.eventRoot).toBe(theirs?.eventRoot);
    expect(late.replica.status().halted).toBeUndefined();
  });
});

describe('a replica that executes otherwise than the others', () => {
  it('halts as soon as a finalized block vouches for another state, and says so; the others go on', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(1_000);
    const broken = net.node(3);
    // A bit that flipped in memory: it no longer knows the account that the others know.
    (broken.replica.ledger.accounts as Map<AccountId, unknown>).delete(client.id);
    for (let index = 0; index < 10; index++) {
      net.submit(net.node(index % 3), putRecord(net.genesis, { key: `k${index}` }).bytes);
      await net.advance(500);
    }
    expect(broken.replica.status().halted).toMatchObject({ code: 'STATE_DIVERGED' });
    expect(net.heights()[0]).toBeGreaterThan(broken.replica.status().executedHeight);
    for (const node of net.nodes.slice(0, 3)) expect(node.replica.status().halted).toBeUndefined();
  });
});

describe('hostile input', () => {
  it('never throws out of step, whatever a frame or an answer holds', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    net.submit(net.node(0), putRecord(net.genesis).bytes);
    await net.advance(300);
    const samples = net.nodes
      .flatMap(({ effects }) => effects)
      .flatMap((effect) => (effect.type === 'send' || effect.type === 'gossip' ? [effect.bytes] : []));
    const target = net.node(1);
    const from = net.node(0).id;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc
            .tuple(fc.nat(samples.length - 1), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
            .map(([index, flips]) => {
              const bytes = Uint8Array.from(samples[index] ?? []);
              for (const [at, value] of flips) if (bytes.length > 0) bytes[at % bytes.length] = value;
              return bytes;
            }),
        ),
        fc.constantFrom('consensus', 'batch', 'response', 'submit'),
        async (bytes, kind) => {
          if (kind === 'consensus' || kind === 'batch')
            net.input(target, { type: 'frame', channel: kind, from, bytes });
          else if (kind === 'submit') expect(net.submit(target, bytes).ok).toBe(false);
          else net.input(target, { type: 'response', requestId: bytes.length, bytes });
          const answer = await serveSync(target.reader, bytes);
          expect(answer.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 600, seed: 7 },
    );
    expect(target.replica.status().halted).toBeUndefined();
    await net.advance(3_000);
    expect(net.heights()[1]).toBe(net.heights()[0]);
  });

  it('scores gossiped batches: the forged are rejected, the repeated ignored', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    const author = net.node(2).key;
    const verdict = (bytes: Uint8Array) => {
      const effects = net.input(net.node(0), { type: 'frame', channel: 'batch', from: net.node(1).id, bytes });
      const found = effects.find((effect) => effect.type === 'batch-verdict');
      return found?.type === 'batch-verdict' ? [found.verdict, found.code] : undefined;
    };
    const batch = (changes: Partial<Parameters<typeof signBatch>[1]> = {}, key = author) =>
      signBatch(key, {
        chainId: net.genesis.chainId,
        author: key.id as ValidatorId,
        epoch: asEpoch(0),
        lane: 'normal',
        expiryHeight: asHeight(50),
        transactions: [putRecord(net.genesis).bytes],
        ...changes,
      });
    const good = batch();
    expect(verdict(good.bytes)).toEqual(['accept', undefined]);
    expect(verdict(good.bytes)).toEqual(['ignore', undefined]);
    const forged = Uint8Array.from(batch().bytes);
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    expect(verdict(forged)).toEqual(['reject', 'BATCH_SIGNATURE_INVALID']);
    expect(verdict(batch({}, client).bytes)).toEqual(['reject', 'BATCH_AUTHOR_UNKNOWN']);
    expect(verdict(batch({ epoch: asEpoch(3) }).bytes)).toEqual(['reject', 'BATCH_WRONG_EPOCH']);
    expect(verdict(batch({ lane: 'result' }).bytes)).toEqual(['reject', 'BATCH_LANE_MISMATCH']);
    expect(verdict(batch({ expiryHeight: asHeight(100_000) }).bytes)).toEqual(['ignore', 'BATCH_EXPIRY_TOO_FAR']);
    expect(verdict(batch({ expiryHeight: asHeight(0) }).bytes)).toEqual(['ignore', 'BATCH_EXPIRED']);
    const unsigned = Uint8Array.from(putRecord(net.genesis).bytes);
    unsigned[unsigned.length - 1] = (unsigned.at(-1) ?? 0) ^ 1;
    expect(verdict(batch({ transactions: [unsigned] }).bytes)).toEqual([
      'reject',
      'BATCH_TRANSACTION_SIGNATURE_INVALID',
    ]);
    expect(verdict(new Uint8Array(40_000))).toEqual(['reject', 'BATCH_TOO_LARGE']);
    expect(decodeBatch(good.bytes).ok).toBe(true);
  });
});

describe('ingress', () => {
  it('refuses with a code', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    const node = net.node(0);
    const code = (bytes: Uint8Array) => {
      const result = net.submit(node, bytes);
      return result.ok ? undefined : result.code;
    };
    const good = putRecord(net.genesis);
    expect(code(good.bytes)).toBeUndefined();
    expect(code(good.bytes)).toBe('ALREADY_PENDING');
    expect(code(new Uint8Array(40_000))).toBe('TRANSACTION_TOO_LARGE');
    expect(code(new Uint8Array(10))).toBe('TRANSACTION_MALFORMED');
    expect(code(putRecord(net.genesis, { sender: keysFrom('stranger', 1)[0] ?? client }).bytes)).toBe('SENDER_UNKNOWN');
    expect(code(putRecord(net.genesis, { expiryHeight: 0 }).bytes)).toBe('TRANSACTION_EXPIRED');
    expect(code(putRecord(net.genesis, { expiryHeight: 100_000 }).bytes)).toBe('EXPIRY_TOO_FAR');
    const other = await MiniNet.of(3);
    expect(code(putRecord(other.genesis).bytes)).toBe('WRONG_CHAIN');
    const forged = Uint8Array.from(putRecord(net.genesis).bytes);
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    expect(code(forged)).toBe('SIGNATURE_INVALID');
    await net.advance(500);
    expect(code(good.bytes)).toBe('ALREADY_EXECUTED');
  });

  it('bounds what one sender may have pending, and lets go of it when it is executed', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    const value = 'x'.repeat(8000);
    const taken = Array.from({ length: 140 }, (_, index) =>
      net.submit(net.node(0), putRecord(net.genesis, { key: `k${index}`, value }).bytes),
    );
    const refused = taken.filter(({ ok }) => !ok);
    expect(refused.length).toBeGreaterThan(5);
    expect(refused[0]).toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await net.advance(2_000);
    expect(net.node(0).replica.status().pendingTransactions).toBe(0);
    expect(net.submit(net.node(0), putRecord(net.genesis, { key: 'again', value }).bytes).ok).toBe(true);
  });

  it('takes two pieces of evidence of one sender at a time', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    const outcome = (bytes: Uint8Array) => {
      const result = net.submit(net.node(0), bytes);
      return result.ok ? 'ok' : result.code;
    };
    const evidence = (sender = client) => outcome(junkEvidence(net.genesis, sender).bytes);
    expect([evidence(), evidence(), evidence()]).toEqual(['ok', 'ok', 'QUOTA_EXCEEDED']);
    expect(outcome(junkRefresh(net.genesis, client).bytes)).toBe('ok');
    expect(outcome(putRecord(net.genesis).bytes)).toBe('ok');
    expect(evidence(net.node(0).key)).toBe('ok');
    await net.advance(500);
    expect(net.node(0).replica.status().pendingTransactions).toBe(0);
    expect(evidence()).toBe('ok');
  });

  it('never packs a refresh with evidence, whose room in a block it would wait for', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    const senders = [client, ...net.nodes.map(({ key }) => key)];
    for (const sender of senders) {
      for (const make of [junkEvidence, junkRefresh]) {
        expect(net.submit(net.node(0), make(net.genesis, sender).bytes).ok).toBe(true);
      }
    }
    await net.advance(200);
    const packed = net.effectsOf(0, 'gossip').flatMap(({ bytes }) => {
      const batch = decodeBatch(bytes);
      return batch.ok && batch.value.lane === 'attestation' ? [batch.value.transactions] : [];
    });
    const kinds = packed.map((transactions) =>
      transactions.map((bytes) => {
        const decoded = decodeTransaction(bytes);
        return decoded.ok ? decoded.value.kind : decoded.code;
      }),
    );
    expect(kinds.flat().sort()).toEqual([
      ...Array(5).fill('refresh-attestation'),
      ...Array(5).fill('submit-attestation'),
    ]);
    for (const batch of kinds) expect(new Set(batch).size).toBe(1);
  });

  it('keeps nothing of evidence that the ledger would not admit, and says why', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    for (const name of ['a', 'b', 'c']) {
      const [stranger = client] = keysFrom(`stranger ${name}`, 1);
      const outcome = net.submit(net.node(0), junkEvidence(net.genesis, stranger).bytes);
      expect(outcome).toMatchObject({
        ok: false,
        code: 'EVIDENCE_NOT_ADMITTED',
        detail: expect.stringMatching(/^EVIDENCE_MALFORMED/),
      });
    }
    expect(net.node(0).replica.status().pendingTransactions).toBe(0);
    await net.advance(500);
    expect(net.effectsOf(0, 'gossip')).toEqual([]);
  });
});

describe('opening', () => {
  it('refuses a sign guard that is damaged', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(1_500);
    const { guard, chain, key } = net.node(0);
    const [entry] = await Array.fromAsync(guard.range({ gte: guardKeyOf(new Uint8Array(0)) }));
    if (entry === undefined) throw new Error('the guard holds records');
    const value = Uint8Array.from(entry[1]);
    value[10] = (value[10] ?? 0) ^ 1;
    await guard.batch([{ type: 'put', key: entry[0], value }], { sync: true });
    const opening = openReplica({ config: { genesis: net.genesis, signer: key }, chain, guard });
    await expect(opening).rejects.toMatchObject({ name: 'CodedError', code: 'GUARD_DAMAGED' });
  });

  it('refuses a chain that is behind what the guard has signed for', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(300);
    const old = net.node(0).chain.durableCopy();
    net.submit(net.node(0), putRecord(net.genesis).bytes);
    await net.advance(2_000);
    const { guard, key } = net.node(0);
    const config = { genesis: net.genesis, signer: key };
    await expect(openReplica({ config, chain: old, guard })).rejects.toMatchObject({ code: 'LOG_BEHIND_SIGN_GUARD' });
    await expect(openReplica({ config, chain: new MemoryStore(), guard })).rejects.toMatchObject({
      code: 'LOG_BEHIND_SIGN_GUARD',
    });
  });

  it('refuses blocks that do not go with the events', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(2_000);
    const { chain, guard, key } = net.node(0);
    const executed = await Array.fromAsync(chain.range({ gte: Uint8Array.of(0x68), lt: Uint8Array.of(0x69) }));
    const last = executed.at(-1);
    if (last === undefined) throw new Error('blocks were executed');
    await chain.batch([{ type: 'del', key: last[0] }], { sync: true });
    const opening = openReplica({ config: { genesis: net.genesis, signer: key }, chain, guard });
    await expect(opening).rejects.toMatchObject({ code: 'CHAIN_INCONSISTENT' });
  });
});

describe('serveSync', () => {
  it('answers what it has and refuses the rest with a code', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    net.submit(net.node(0), putRecord(net.genesis).bytes);
    await net.advance(3_000);
    const { reader } = net.node(0);
    const answer = (request: Parameters<typeof encodeSyncRequest>[0]) => serveSync(reader, encodeSyncRequest(request));
    expect((await answer({ type: 'genesis' })).length).toBeGreaterThan(net.genesis.bytes.length);
    for (const request of [
      { type: 'chain', tip: net.genesis.chainId, aboveHeight: 0, maxBytes: 1 },
      { type: 'finality', height: 100_000 },
      { type: 'event-proof', sequence: 100_000 },
      { type: 'range', fromHeight: 0, maxBytes: 1 },
      { type: 'submit', transactions: [] },
    ] as const) {
      expect([...(await answer(request))].slice(0, 2)).toEqual([1, 0]);
    }
    expect([...(await serveSync(reader, new Uint8Array(2_000_000)))]).toEqual([1, 0, 4]);
  });
});
