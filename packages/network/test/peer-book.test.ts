/** Peer records and what they bind: forged, replayed and misplaced ones bind nothing. */

import { type Ed25519KeyPair, ed25519KeyPair, hash } from '@cloister/crypto';
import { type AccountId, utf8 } from '@cloister/encoding';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { PEER_RECORD_BYTES_MAX } from '../src/limits.ts';
import { PeerBook } from '../src/peers/peer-book.ts';
import {
  decodePeerRecord,
  decodePeerRecords,
  encodePeerRecord,
  encodePeerRecords,
  signPeerRecord,
} from '../src/peers/peer-record.ts';
import type { PeerRecord, PeerRecordStore } from '../src/types.ts';
import { chainId, memberKey, seedOf } from './cluster.ts';

type Node = { readonly key: Ed25519KeyPair; readonly peerId: string };
let [n1, n2, n3]: Node[] = [];

async function node(name: string): Promise<Node> {
  const seed = seedOf(`node ${name}`);
  const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)).toString();
  return { key: ed25519KeyPair(seed), peerId };
}

beforeAll(async () => {
  [n1, n2, n3] = await Promise.all([node('1'), node('2'), node('3')]);
});

const alice = memberKey('alice');
const bob = memberKey('bob');
const both: AccountId[] = [alice.id, bob.id];

/** A record that `member` signs for the node `at`, co-signed by `cosigner` (honestly: that node). */
function record(member: Ed25519KeyPair, at: Node | undefined, sequence: number, cosigner = at): Uint8Array {
  const fields = { member: member.id, peerId: at?.peerId ?? '', addresses: ['/ip4/127.0.0.1/tcp/1'], sequence };
  const sign = (message: Uint8Array): Uint8Array => member.sign(message);
  return encodePeerRecord(
    signPeerRecord(chainId, fields, sign, (message) => (cosigner ?? at)?.key.sign(message) ?? message),
  );
}

function book(members: readonly AccountId[] = both, store?: PeerRecordStore): PeerBook {
  return new PeerBook(chainId, members, store);
}

describe('a peer record', () => {
  it('comes back as signed', () => {
    const decoded = decodePeerRecord(chainId, record(alice, n1, 7));
    expect(decoded).toMatchObject({ ok: true, value: { member: alice.id, peerId: n1?.peerId, sequence: 7 } });
  });

  it('of another chain, of a wrong key or for a node that did not sign is refused', () => {
    const other = hash('test/chain', utf8('other'));
    expect(decodePeerRecord(other, record(alice, n1, 1))).toMatchObject({ ok: false, code: 'SIGNATURE_INVALID' });
    expect(decodePeerRecord(chainId, record(alice, n1, 1, n2))).toMatchObject({
      ok: false,
      code: 'NODE_SIGNATURE_INVALID',
    });
    const forged = record(alice, n1, 1);
    forged.set(record(bob, n1, 1).subarray(0, 32));
    expect(decodePeerRecord(chainId, forged)).toMatchObject({ ok: false, code: 'SIGNATURE_INVALID' });
  });

  it('leaves out addresses beyond the bound, so that it always fits', () => {
    const addresses = Array.from({ length: 40 }, (_, i) => `/dns4/${'x'.repeat(i * 8)}/tcp/1`);
    const fields = { member: alice.id, peerId: n1?.peerId ?? '', addresses, sequence: 1 };
    const sign = (message: Uint8Array): Uint8Array => alice.sign(message);
    const bytes = encodePeerRecord(signPeerRecord(chainId, fields, sign, (m) => n1?.key.sign(m) ?? m));
    expect(bytes.length).toBeLessThanOrEqual(PEER_RECORD_BYTES_MAX);
    expect(decodePeerRecord(chainId, bytes).ok).toBe(true);
  });

  it('with any byte changed is refused, and random bytes never throw', () => {
    const good = record(alice, n1, 1);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bad = Uint8Array.from(good);
        bad[at] = (bad[at] ?? 0) ^ flip;
        expect(decodePeerRecord(chainId, bad).ok).toBe(false);
        expect(book().learn(bad, n1?.peerId)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => !decodePeerRecord(chainId, bytes).ok));
    expect(decodePeerRecord(chainId, new Uint8Array(PEER_RECORD_BYTES_MAX + 1))).toMatchObject({ code: 'MALFORMED' });
  });

  it('travels in lists that are bounded and strict', () => {
    const list = [record(alice, n1, 1), record(bob, n2, 1)];
    expect(decodePeerRecords(encodePeerRecords(list))).toEqual({ ok: true, value: list });
    expect(decodePeerRecords(Uint8Array.of(255, 255)).ok).toBe(false);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => typeof decodePeerRecords(bytes).ok === 'boolean'),
    );
  });
});

describe('the peer book', () => {
  it('binds a member to its node, also at second hand', () => {
    const people = book();
    expect(people.learn(record(alice, n1, 1), n3?.peerId)).toMatchObject({ member: alice.id });
    expect([people.peerOf(alice.id), people.accountOf(n1?.peerId ?? '')]).toEqual([n1?.peerId, alice.id]);
    expect(people.accountOf(n3?.peerId ?? '')).toBeUndefined();
    expect(people.isKnownPeer(n1?.peerId ?? '')).toBe(true);
  });

  it('ignores an old record with a lower sequence, whoever presents it', () => {
    const people = book();
    people.learn(record(alice, n2, 5), n2?.peerId);
    expect(people.learn(record(alice, n1, 4), n1?.peerId)).toBeUndefined();
    expect(people.learn(record(alice, n1, 5), n1?.peerId)).toBeUndefined();
    expect([people.peerOf(alice.id), people.isKnownPeer(n1?.peerId ?? '')]).toEqual([n2?.peerId, false]);
    // The same node under a clock that went back stays who it is, by the record already known.
    expect(people.learn(record(alice, n2, 3), n2?.peerId)?.sequence).toBe(5);
  });

  it("ignores a record that names another's node", () => {
    const people = book();
    people.learn(record(bob, n2, 1), n2?.peerId);
    expect(people.learn(record(alice, n2, 9, n1), n1?.peerId)).toBeUndefined();
    expect([people.accountOf(n2?.peerId ?? ''), people.peerOf(alice.id)]).toEqual([bob.id, undefined]);
  });

  it("does not take the bearer of a member's record for the member", () => {
    const people = book();
    people.learn(record(alice, n1, 1), n3?.peerId);
    expect(people.isKnownPeer(n3?.peerId ?? '')).toBe(false);
  });

  it('moves a member to its new node, and no longer knows the former', () => {
    const people = book();
    people.learn(record(alice, n1, 1), n1?.peerId);
    people.learn(record(alice, n2, 2), n2?.peerId);
    expect([people.peerOf(alice.id), people.isKnownPeer(n1?.peerId ?? '')]).toEqual([n2?.peerId, false]);
    expect(people.records().map((r: PeerRecord) => r.peerId)).toEqual([n2?.peerId]);
  });

  it('knows the former node of a member while it stays connected, and goes back to it when the new one is gone', () => {
    const people = book();
    const [first = '', second = '', third = ''] = [n1?.peerId, n2?.peerId, n3?.peerId];
    people.connected(first);
    people.learn(record(alice, n1, 1), first);
    people.connected(second);
    people.learn(record(alice, n2, 2), second);
    expect(people.peersOf(alice.id)).toEqual([second, first]);
    expect([people.accountOf(first), people.accountOf(second)]).toEqual([alice.id, alice.id]);
    expect(people.learn(record(alice, n1, 1), first)?.peerId).toBe(first);
    people.forget(second);
    expect(people.peersOf(alice.id)).toEqual([first]);
    expect(people.accountOf(second)).toBeUndefined();
    // Two at a time, the newest, and none that is not connected.
    people.connected(second);
    people.learn(record(alice, n2, 3), second);
    people.connected(third);
    people.learn(record(alice, n3, 4), third);
    expect(people.peersOf(alice.id)).toEqual([third, second]);
    expect(people.isKnownPeer(first)).toBe(false);
    people.forget(second);
    expect(people.peersOf(alice.id)).toEqual([third]);
    expect(people.isKnownPeer(second)).toBe(false);
  });

  it('keeps nothing of strangers beyond their connection', () => {
    const people = book([bob.id]);
    expect(people.learn(record(alice, n1, 1), n3?.peerId)).toBeUndefined();
    expect(people.learn(record(alice, n1, 1), n1?.peerId)).toBeDefined();
    expect([people.accountOf(n1?.peerId ?? ''), people.isKnownPeer(n1?.peerId ?? '')]).toEqual([alice.id, false]);
    expect(people.records()).toEqual([]);
    people.forget(n1?.peerId ?? '');
    expect(people.accountOf(n1?.peerId ?? '')).toBeUndefined();
  });

  it('drops who is no member any more, and binds only the connected on', () => {
    const people = book();
    people.learn(record(alice, n1, 1), n1?.peerId);
    people.learn(record(bob, n2, 1), n2?.peerId);
    people.setMembers([], new Set([n2?.peerId ?? '']));
    expect(people.records()).toEqual([]);
    expect([people.accountOf(n1?.peerId ?? ''), people.accountOf(n2?.peerId ?? '')]).toEqual([undefined, bob.id]);
  });

  it('saves what it learns, loads it again, and loads damaged records as nothing', async () => {
    const saved = new Map<AccountId, Uint8Array>();
    const store: PeerRecordStore = {
      load: async () => [...saved.values(), new Uint8Array(9)],
      save: async (member, bytes) => void saved.set(member, bytes),
    };
    book(both, store).learn(record(alice, n1, 1));
    const again = book(both, store);
    await again.load();
    expect(again.peerOf(alice.id)).toBe(n1?.peerId);
    const failing = book(both, { load: store.load, save: () => Promise.reject(new Error('disk')) });
    expect(failing.learn(record(bob, n2, 1))).toBeDefined();
  });

  it('stays consistent under any sequence of records', () => {
    const nodes = (): (Node | undefined)[] => [n1, n2, n3];
    const step = fc.tuple(fc.constantFrom(alice, bob), fc.nat(2), fc.nat(4), fc.nat(2));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const people = book();
        for (const [member, at, sequence, from] of steps) {
          people.learn(record(member, nodes()[at], sequence), nodes()[from]?.peerId);
        }
        for (const id of both) {
          const peer = people.peerOf(id);
          if (peer !== undefined) expect(people.accountOf(peer)).toBe(id);
        }
      }),
      { numRuns: 60 },
    );
  });
});

it('tells of a record that could not be kept, and knows it all the same', async () => {
  const full = new Error('disk full');
  const known = book(both, { load: async () => [], save: () => Promise.reject(full) });
  const told = new Promise((resolve) => {
    known.onUnsaved = resolve;
  });
  known.learn(record(alice, n1, 1), n1?.peerId);
  expect(await told).toBe(full);
  expect(known.peerOf(alice.id)).toBe(n1?.peerId);
});
