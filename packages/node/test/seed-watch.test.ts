/** A node that is connected to no validator reads its config file again, and dials what it finds there. */
import { describe, expect, it } from 'vitest';
import { SeedWatch } from '../src/status/seed-watch.ts';

function watch(read: () => Promise<readonly string[]>) {
  const state = { lost: true };
  const added: (readonly string[])[] = [];
  const lines: string[] = [];
  const seeds = new SeedWatch({
    isLost: () => state.lost,
    read,
    add: (addresses) => added.push(addresses),
    log: (_, event) => lines.push(event),
  });
  return { seeds, state, added, lines };
}

describe('the addresses of a lost node', () => {
  it('are taken from the file once for each change, and only while it is lost', async () => {
    let file = ['/ip4/192.0.2.1/tcp/1'];
    const { seeds, state, added, lines } = watch(async () => file);
    await seeds.look();
    await seeds.look();
    expect(added).toEqual([file]);
    state.lost = false;
    file = ['/ip4/192.0.2.2/tcp/1'];
    await seeds.look();
    expect(added.length).toBe(1);
    state.lost = true;
    await seeds.look();
    expect(added.at(-1)).toEqual(['/ip4/192.0.2.2/tcp/1']);
    expect(lines).toEqual(['no-validator-connected', 'no-validator-connected']);
  });

  it('that cannot be read or are none are said, and read again', async () => {
    let broken = true;
    const { seeds, added, lines } = watch(async () => {
      if (broken) throw new Error('half written');
      return ['good'];
    });
    await seeds.look();
    expect([added, lines]).toEqual([[], ['seeds-unreadable']]);
    broken = false;
    await seeds.look();
    expect(added).toEqual([['good']]);
  });
});
