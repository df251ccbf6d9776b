/** Offences add up, fade, and cut a peer off for growing times. */
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { type Identity, PeerReputation } from '../src/gates/peer-reputation.ts';
import { prefixOf } from '../src/peers/addresses.ts';

const peer: Identity = { key: 'a', prefix: '192.0.2.0/24' };

function reputationAt(): { reputation: PeerReputation; clock: { nowMs: number } } {
  const clock = { nowMs: 1_000 };
  return { reputation: new PeerReputation(() => clock.nowMs), clock };
}

/** Blames until the peer is cut off; the length of the back-off. */
function cutOff(reputation: PeerReputation, who: Identity = peer): number {
  for (let i = 0; i < 20; i++) {
    const forMs = reputation.blame(who, 'FORGED');
    if (forMs > 0) return forMs;
  }
  throw new Error('never cut off');
}

describe('the reputation of peers', () => {
  it('cuts off after a few forgeries, for doubling times up to a cap', () => {
    const { reputation, clock } = reputationAt();
    const lengths = Array.from({ length: 10 }, () => {
      const forMs = cutOff(reputation);
      expect(reputation.isCutOff('a')).toBe(true);
      clock.nowMs += forMs - 1;
      expect(reputation.isCutOff('a')).toBe(true);
      clock.nowMs += 1;
      expect(reputation.isCutOff('a')).toBe(false);
      return forMs;
    });
    expect(lengths.slice(0, 4)).toEqual([5_000, 10_000, 20_000, 40_000]);
    expect(lengths.slice(-2)).toEqual([600_000, 600_000]);
    // A long stretch without offence is worth a doubling.
    clock.nowMs += 20 * 1_200_000;
    expect(cutOff(reputation)).toBe(5_000);
  });

  it('lets rare mistakes fade, and never counts silence', () => {
    const { reputation, clock } = reputationAt();
    for (let i = 0; i < 100; i++) {
      expect(reputation.blame(peer, 'MALFORMED')).toBe(0);
      clock.nowMs += 20_000;
    }
    for (let i = 0; i < 1_000; i++) expect(reputation.blame(peer, 'SILENT')).toBe(0);
    expect(reputation.isCutOff('a')).toBe(false);
  });

  it('closes a prefix only for what several keys behind it did, and never one that stands for everybody', () => {
    const { reputation } = reputationAt();
    for (const key of ['a', 'b', 'c']) cutOff(reputation, { ...peer, key });
    expect(reputation.isPrefixCutOff(peer.prefix)).toBe(false);
    cutOff(reputation, { ...peer, key: 'd' });
    expect(reputation.isPrefixCutOff(peer.prefix)).toBe(true);
    for (let i = 0; i < 50; i++) cutOff(reputation, { key: `local ${i}`, prefix: undefined });
    expect(reputation.isPrefixCutOff(undefined)).toBe(false);
  });

  it('carries over what a name did before it proved to be a member', () => {
    const { reputation } = reputationAt();
    cutOff(reputation);
    reputation.merge('a', 'member');
    expect(reputation.isCutOff('member')).toBe(true);
  });

  it('keeps a bounded number of accounts, those that are cut off the longest', () => {
    const { reputation } = reputationAt();
    cutOff(reputation);
    for (let i = 0; i < 10_000; i++) reputation.blame({ key: `s${i}`, prefix: `p${i}` }, 'FLOOD');
    expect(reputation.size).toBeLessThanOrEqual(2 * 2_048);
    expect(reputation.isCutOff('a')).toBe(true);
    for (let i = 0; i < 10_000; i++) cutOff(reputation, { key: `s${i}`, prefix: undefined });
    expect(reputation.size).toBeLessThanOrEqual(2 * 2_048);
  });
});

describe('address prefixes', () => {
  it.each([
    ['/ip4/192.0.2.77/tcp/1', '192.0.2.0/24'],
    ['/ip6/2001:db8:1:2ff:3::1/tcp/1', '2001:db8:1:200::/56'],
    ['/ip6/2001:db8:1:2aa::9/tcp/1', '2001:db8:1:200::/56'],
    ['/ip6/::ffff:192.0.2.5/tcp/1', '192.0.2.0/24'],
    ['/ip4/127.0.0.9/tcp/1', undefined],
    ['/ip6/::1/tcp/1', undefined],
    ['/dns4/example.org/tcp/1', undefined],
  ])('%s', (address, prefix) => {
    expect(prefixOf(multiaddr(address))).toBe(prefix);
  });
});
