/** Places for strangers: whoever holds one and does nothing with it, or holds many, makes room for a newcomer. */
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PeerConnections } from '../src/host/connections.ts';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import { Introductions } from '../src/peers/introductions.ts';
import type { PeerBook } from '../src/peers/peer-book.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Held = { remotePeer: string; remoteAddr: ReturnType<typeof multiaddr>; direction: 'inbound' };

/** Strangers at addresses, all connected; answers nobody's exchange. */
function placesOf(strangersMax: number): {
  introductions: Introductions;
  connect: (peer: string, host: string) => Promise<void>;
  peers: () => string[];
} {
  const held: Held[] = [];
  const connections = {
    all: () => held,
    of: (peer: string) => held.filter(({ remotePeer }) => remotePeer === peer),
    ofStrangers: () => held,
    ofWeightless: () => [],
    close: (peer: string) => {
      const index = held.findIndex(({ remotePeer }) => remotePeer === peer);
      if (index >= 0) held.splice(index, 1);
    },
  };
  const book = { isKnownPeer: () => false, isVoter: () => false };
  const introductions = new Introductions({
    connections: connections as unknown as PeerConnections,
    book: book as unknown as PeerBook,
    limits: { ...DEFAULT_LIMITS, strangersMax },
    ask: () => Promise.resolve(),
  });
  const connect = async (peer: string, host: string): Promise<void> => {
    held.push({ remotePeer: peer, remoteAddr: multiaddr(`/ip4/${host}/tcp/1`), direction: 'inbound' });
    introductions.used(peer);
    introductions.askAll();
    await vi.advanceTimersByTimeAsync(10);
  };
  return { introductions, connect, peers: () => held.map(({ remotePeer }) => remotePeer) };
}

describe('places for members without weight', () => {
  it('are bounded, so that validators find theirs', () => {
    const weightless = Array.from({ length: DEFAULT_LIMITS.weightlessMax }, () => ({}));
    const isFull = (isVoter: boolean): boolean =>
      new Introductions({
        connections: { of: () => [], ofWeightless: () => weightless } as unknown as PeerConnections,
        book: { isKnownPeer: () => true, isVoter: () => isVoter } as unknown as PeerBook,
        limits: DEFAULT_LIMITS,
        ask: () => Promise.resolve(),
      }).isFull('peer');
    expect([isFull(false), isFull(true)]).toEqual([true, false]);
  });
});

describe('places for strangers', () => {
  it('go to a newcomer from whoever asked for nothing', async () => {
    const { introductions, connect, peers } = placesOf(3);
    for (const peer of ['idle', 'busy', 'idler']) await connect(peer, '127.0.0.1');
    await vi.advanceTimersByTimeAsync(9_000);
    introductions.used('busy');
    introductions.used('idler');
    await vi.advanceTimersByTimeAsync(2_000);
    await connect('joiner', '127.0.0.1');
    expect(peers()).toEqual(['busy', 'idler', 'joiner']);
  });

  it('go to a newcomer from the prefix that holds the most, and never from a smaller one', async () => {
    const { connect, peers } = placesOf(3);
    for (const peer of ['x1', 'x2', 'x3']) await connect(peer, '192.0.2.1');
    await connect('joiner', '198.51.100.1');
    expect(peers()).toEqual(['x2', 'x3', 'joiner']);
    await connect('x4', '192.0.2.9');
    expect(peers()).toEqual(['x2', 'x3', 'joiner']);
  });
});
