/** A second process with the own key: who stops for it, who only says so, and for how long. */
import type { TwinSeen } from '@cloister/network';
import type { SigningStatus } from '@cloister/replica';
import { describe, expect, it } from 'vitest';
import { TWIN_SEEN_MS, TwinWatch } from '../src/status/twin-watch.ts';

const SELF = 'aa'.repeat(32);
const TWIN: TwinSeen = {
  peerId: '12D3twin',
  addresses: ['/ip4/192.0.2.7/tcp/7481'],
  isFresh: true,
  signs: true,
  yields: false,
};

function watch(state: SigningStatus['state'], peers: { member: string | undefined }[] = []) {
  const halts: [string, string][] = [];
  const lines: string[] = [];
  const clock = { ms: 0 };
  const twins = new TwinWatch({
    self: SELF,
    peers: () => peers.map(({ member }) => ({ member: member as never, peerId: '12D3peer', address: '/ip4/1.2.3.4' })),
    signing: () => state,
    monotonicMs: () => clock.ms,
    log: (_, event) => lines.push(event),
    onHalt: (code, detail) => halts.push([code, detail]),
  });
  return { twins, halts, lines, clock };
}

describe('a process that meets its twin', () => {
  it.each(['resyncing', 'asking', 'observing', 'confirming'] as const)(
    'stops while %s, if the other signs',
    (state) => {
      const { twins, halts } = watch(state);
      twins.saw(TWIN);
      expect(halts).toEqual([
        ['KEY_IN_USE', expect.stringMatching(/12D3twin at \/ip4\/192\.0\.2\.7.*stop the other one/)],
      ]);
    },
  );

  it.each(['signing', 'observer'] as const)('goes on while %s', (state) => {
    const { twins, halts, lines } = watch(state);
    twins.saw(TWIN);
    expect([halts, lines]).toEqual([[], ['twin-seen']]);
  });

  it('stops for no record that may be old', () => {
    const { twins, halts } = watch('asking');
    twins.saw({ ...TWIN, isFresh: false, yields: true });
    expect(halts).toEqual([]);
    expect(twins.seen).toBeDefined();
  });

  it('stops as one of two while neither signs', () => {
    for (const yields of [true, false]) {
      const { twins, halts } = watch('asking');
      twins.saw({ ...TWIN, signs: false, yields });
      expect(halts.length).toBe(yields ? 1 : 0);
    }
  });

  it('says so for a minute, and for as long as it is connected', () => {
    const { twins, clock } = watch('signing');
    expect(twins.seen).toBeUndefined();
    twins.saw(TWIN);
    clock.ms = TWIN_SEEN_MS - 1;
    expect(twins.seen).toMatchObject({ peerId: '12D3twin', address: '/ip4/192.0.2.7/tcp/7481' });
    clock.ms = TWIN_SEEN_MS;
    expect(twins.seen).toBeUndefined();
    expect(watch('signing', [{ member: 'bb'.repeat(32) }, { member: undefined }]).twins.seen).toBeUndefined();
    expect(watch('signing', [{ member: SELF }]).twins.seen).toMatchObject({ peerId: '12D3peer' });
  });
});
