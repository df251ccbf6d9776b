import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crlPeriod } from '@cloister/attestation';
import { simulatedCrl } from '@cloister/attestation/simulated';
import { ok, utf8 } from '@cloister/encoding';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndorsementError, EndorsementStore, type FetchedAnswer } from '../../src/attesters/index.ts';
import type { EndorsementRequest } from '../../src/endorsements/answers.ts';
import { type EndorsementNotice, KeptAnswers, renewalTimeMs } from '../../src/endorsements/kept-answers.ts';
import { AT_MS, answer, DAY_MS } from './vendor-services.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let folder: string;
let store: EndorsementStore;
let notices: EndorsementNotice[];
let fetches: number;
let serve: () => FetchedAnswer | Promise<FetchedAnswer>;
let answers: KeptAnswers;

function open(): KeptAnswers {
  const fetcher = {
    get: async () => {
      fetches++;
      return serve();
    },
  };
  return new KeptAnswers(store, fetcher, (notice) => notices.push(notice));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-renewal-'));
  store = new EndorsementStore(folder);
  notices = [];
  fetches = 0;
  answers = open();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A CRL of so many days from `fromMs` on. */
function crl(fromMs: number, days: number): Uint8Array {
  return simulatedCrl({ product: 'Genoa', number: 1n, thisUpdateMs: fromMs, nextUpdateMs: fromMs + days * DAY_MS });
}

function request(changes: boolean): EndorsementRequest<Uint8Array> {
  return {
    url: 'https://a.example/crl',
    headers: [],
    changes,
    read: ({ body }) => {
      const period = crlPeriod(body);
      return period === undefined ? { ok: false, code: 'ANSWER_MALFORMED' } : ok({ value: body, period });
    },
  };
}

const steady = request(false);
const changing = request(true);
const down = (): never => {
  throw new EndorsementError('FETCH_FAILED', 'down');
};

describe('when to renew', () => {
  it('is when a third of the life is left, ten days at most', () => {
    const period = { fromMs: AT_MS, untilMs: AT_MS + 9 * DAY_MS };
    expect(renewalTimeMs(period, AT_MS, false)).toBe(AT_MS + 6 * DAY_MS);
    const long = { fromMs: AT_MS, untilMs: AT_MS + 365 * DAY_MS };
    expect(renewalTimeMs(long, AT_MS, false)).toBe(AT_MS + 355 * DAY_MS);
  });

  it('is an hour after the last time for what changes meanwhile, and never within ten minutes', () => {
    const long = { fromMs: AT_MS, untilMs: AT_MS + 365 * DAY_MS };
    expect(renewalTimeMs(long, AT_MS + DAY_MS, true)).toBe(AT_MS + DAY_MS + HOUR_MS);
    const ending = { fromMs: AT_MS, untilMs: AT_MS + 9 * DAY_MS };
    expect(renewalTimeMs(ending, AT_MS + 8 * DAY_MS, false)).toBe(AT_MS + 8 * DAY_MS + 10 * MINUTE_MS);
  });
});

describe('answers that are kept', () => {
  it('are fetched once, and again only when they are due', async () => {
    serve = () => answer(crl(AT_MS, 9));
    const first = await answers.get(steady, AT_MS);
    expect([first.isKept, first.renewAtMs]).toEqual([false, AT_MS + 6 * DAY_MS]);
    const second = await answers.get(steady, AT_MS + 6 * DAY_MS - 1);
    expect([second.isKept, second.value, fetches]).toEqual([true, first.value, 1]);
    serve = () => answer(crl(AT_MS + 6 * DAY_MS, 9));
    const third = await answers.get(steady, AT_MS + 6 * DAY_MS);
    expect([third.isKept, third.untilMs, fetches]).toEqual([false, AT_MS + 15 * DAY_MS, 2]);
  });

  it('survive a restart', async () => {
    serve = () => answer(crl(AT_MS, 9));
    await answers.get(steady, AT_MS);
    serve = down;
    expect((await open().get(steady, AT_MS + DAY_MS)).isKept).toBe(true);
    expect(fetches).toBe(1);
  });

  it('are asked for hourly when they change meanwhile', async () => {
    serve = () => answer(crl(AT_MS, 365));
    await answers.get(changing, AT_MS);
    await answers.get(changing, AT_MS + HOUR_MS - 1);
    expect(fetches).toBe(1);
    await answers.get(changing, AT_MS + HOUR_MS);
    expect(fetches).toBe(2);
  });

  it('stay in use while they hold when the service is down, which is told, and asked again after a pause', async () => {
    serve = () => answer(crl(AT_MS, 9));
    const { value } = await answers.get(steady, AT_MS);
    serve = down;
    const dueMs = AT_MS + 7 * DAY_MS;
    const held = await answers.get(steady, dueMs);
    expect([held.isKept, held.value]).toEqual([true, value]);
    expect(notices).toMatchObject([{ code: 'RENEWAL_FAILED', detail: expect.stringContaining('FETCH_FAILED') }]);
    await answers.get(steady, dueMs + 10 * MINUTE_MS - 1);
    expect(fetches).toBe(2);
    await answers.get(steady, dueMs + 10 * MINUTE_MS);
    expect(fetches).toBe(3);
  });

  it('are never used after their end', async () => {
    serve = () => answer(crl(AT_MS, 9));
    await answers.get(steady, AT_MS);
    serve = down;
    expect((await answers.get(steady, AT_MS + 9 * DAY_MS)).isKept).toBe(true);
    await expect(answers.get(steady, AT_MS + 9 * DAY_MS + 1)).rejects.toMatchObject({ code: 'FETCH_FAILED' });
  });

  it('are fetched anew by a clock that went back', async () => {
    serve = () => answer(crl(AT_MS, 9));
    await answers.get(steady, AT_MS + DAY_MS);
    await answers.get(steady, AT_MS);
    expect(fetches).toBe(2);
  });

  it('are not replaced by older ones', async () => {
    serve = () => answer(crl(AT_MS, 9));
    const { value } = await answers.get(steady, AT_MS);
    serve = () => answer(crl(AT_MS - DAY_MS, 30));
    const dueMs = AT_MS + 6 * DAY_MS;
    expect((await answers.get(steady, dueMs)).value).toEqual(value);
    expect(notices).toMatchObject([{ code: 'ANSWER_OLDER' }]);
    serve = down;
    expect((await open().get(steady, dueMs)).value).toEqual(value);
  });

  it.each([
    ['of another status', () => answer(crl(AT_MS, 9), {}, 404), 'ANSWER_STATUS'],
    ['that cannot be read', () => answer(utf8('Too Many Requests')), 'ANSWER_MALFORMED'],
    ['that has ended', () => answer(crl(AT_MS - 9 * DAY_MS, 8)), 'ANSWER_NOT_CURRENT'],
    ['that has not begun', () => answer(crl(AT_MS + 1000, 9)), 'ANSWER_NOT_CURRENT'],
  ])('are not kept when the service gives one %s', async (_, served, code) => {
    serve = served;
    await expect(answers.get(steady, AT_MS)).rejects.toMatchObject({ code });
    expect(await store.read(steady.url)).toBeUndefined();
  });

  it('do not give way to an answer that cannot be used', async () => {
    serve = () => answer(crl(AT_MS, 9));
    const { value } = await answers.get(steady, AT_MS);
    serve = () => answer(utf8('<html>'));
    expect((await answers.get(steady, AT_MS + 7 * DAY_MS)).value).toEqual(value);
    expect(await store.read(steady.url)).toMatchObject({ body: value });
  });

  it('are fetched once for many who ask at the same time', async () => {
    const { promise, resolve } = Promise.withResolvers<FetchedAnswer>();
    serve = () => promise;
    const asked = Promise.all(Array.from({ length: 5 }, () => answers.get(steady, AT_MS)));
    resolve(answer(crl(AT_MS, 9)));
    expect((await asked).length).toBe(5);
    expect(fetches).toBe(1);
  });

  it('are given even if they cannot be kept', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    store = new EndorsementStore(join(file, 'endorsements'));
    serve = () => answer(crl(AT_MS, 9));
    expect((await open().get(steady, AT_MS)).isKept).toBe(false);
    expect(notices).toMatchObject([{ code: 'STORE_IO' }]);
  });
});
