import { asEpoch, asView } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { CERTIFICATE_FANOUT, RELAY_FANOUT } from '../../src/messages/limits.ts';
import { Bench, blank, certificate, leaderAt, ofType, setOfSize, vote } from '../bench.ts';

const set = setOfSize(40);
const ids = set.validators.map(({ id }) => id);
const quorum = Number(set.quorum);
const nextLeader = leaderAt(set, 2);
const certificatesIn = (effects: Parameters<typeof ofType>[0]) =>
  ofType(effects, 'send').filter(({ message }) => message.type === 'certificate');

/** Gives the machine a quorum of nullify votes of view 1, one by one. */
function nullifyFirst(bench: Bench) {
  const voters = bench.others().slice(0, quorum);
  return voters.flatMap((id) => bench.receive(vote(id, 'nullify', blank(1))));
}

describe('a newly formed certificate', () => {
  it('goes to the next leader and a few others, whatever the number of validators', () => {
    const self = ids.find((id) => id !== nextLeader);
    const bench = new Bench(set, self);
    const sent = certificatesIn(nullifyFirst(bench));
    expect(sent).toHaveLength(CERTIFICATE_FANOUT);
    expect(sent[0]?.to).toBe(nextLeader);
    expect(new Set(sent.map(({ to }) => to)).size).toBe(CERTIFICATE_FANOUT);
  });

  it('reaches everybody alike, when all send it', () => {
    const copies = new Map<string, number>();
    for (const self of ids) {
      for (const { to } of certificatesIn(nullifyFirst(new Bench(set, self))))
        copies.set(to, (copies.get(to) ?? 0) + 1);
    }
    expect(copies.size).toBe(ids.length);
    copies.delete(nextLeader);
    expect(Math.max(...copies.values())).toBeLessThanOrEqual(2 * CERTIFICATE_FANOUT);
  });

  it('goes to nobody who has shown to be past the view, and not at all from one who received it', () => {
    const bench = new Bench(
      set,
      ids.find((id) => id !== nextLeader),
    );
    for (const id of bench.others()) bench.receive(vote(id, 'nullify', blank(2)));
    // A quorum for view 2 has brought the machine there; the certificate of view 1 is news to nobody.
    expect(certificatesIn(nullifyFirst(bench))).toEqual([]);
    const late = new Bench(
      set,
      ids.find((id) => id !== nextLeader),
    );
    expect(certificatesIn(late.receive(certificate(set, 'nullify', blank(1))))).toEqual([]);
  });
});

describe('while a view lasts', () => {
  it('the way into it is shown after a quarter of T0 to some who may not be there', () => {
    const bench = new Bench(
      set,
      ids.find((id) => id !== nextLeader),
      { timing: { viewTimeoutMs: 800 } },
    );
    bench.receive(certificate(set, 'nullify', blank(1)));
    const timer = ofType(bench.log, 'set-timer').findLast((each) => each.timer === 'quarter');
    expect(timer).toMatchObject({ delayMs: 200, view: 2 });
    const here = bench.others().slice(0, 20);
    for (const id of here) bench.receive(vote(id, 'notarize', { ...blank(2) }));
    const sent = certificatesIn(bench.timer('quarter'));
    const absent = bench.others().slice(20);
    expect(sent).toHaveLength(RELAY_FANOUT);
    expect(sent.every(({ to }) => absent.some((id) => id === to))).toBe(true);
  });

  it('each retry shows it to others, and a peer that was restarted is shown it again', () => {
    const bench = new Bench(
      set,
      ids.find((id) => id !== nextLeader),
    );
    bench.receive(certificate(set, 'nullify', blank(1)));
    const shown = new Set<string>();
    for (let retry = 0; retry < 40; retry++) {
      const sent = certificatesIn(bench.timer('retry'));
      expect(sent.length).toBeLessThanOrEqual(RELAY_FANOUT);
      for (const { to } of sent) shown.add(to);
    }
    expect(shown.size).toBe(39);
    for (const id of bench.others()) bench.receive(vote(id, 'nullify', blank(2)));
    bench.receive(certificate(set, 'nullify', blank(2)));
    const [back] = bench.others();
    if (back === undefined) throw new Error('alone');
    const status = { type: 'status', epoch: asEpoch(0), view: asView(1), finalization: undefined } as const;
    bench.receive(status, back);
    for (const id of bench.others()) if (id !== back) bench.receive({ ...status, view: asView(3) }, id);
    expect(certificatesIn(bench.timer('quarter')).map(({ to }) => to)).toEqual([back]);
  });
});
