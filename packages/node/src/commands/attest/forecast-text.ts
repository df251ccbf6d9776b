/** A forecast in words: what costs first, when, and which SVN is short. */
import type { Forecast, ForecastCause, SetForecast } from '@cloister/attestation';

type ShortSvn = ForecastCause['short'][number];

const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ['days', 86_400_000],
  ['hours', 3_600_000],
  ['minutes', 60_000],
  ['seconds', 1000],
];

/** In the largest unit of which there are two. */
export function span(ms: number): string {
  const [name, unit] = UNITS.find(([, size]) => ms >= 2 * size) ?? ['seconds', 1000];
  return `${(ms / unit).toFixed(1)} ${name}`;
}

function shorts(short: readonly ShortSvn[]): string {
  if (short.length === 0) return '';
  const words = short.map(({ component, type, have, need }) => {
    const name = type === undefined ? component : `${component} (${type})`;
    return `${name} is ${have}, not ${need}`;
  });
  return `; short: ${words.join(', ')}`;
}

function when(cause: ForecastCause, atMs: number, height: number | undefined): string {
  const { losesAtHeight, losesAtMs, expectedAtMs, set } = cause;
  if (cause.when === 'with-set') return `with the ${set} set`;
  if (cause.when === 'now') return 'NOW';
  if (losesAtHeight !== undefined) {
    if (height === undefined || expectedAtMs === undefined) return `from block ${losesAtHeight} on`;
    return `in ${losesAtHeight - height} blocks, about ${span(expectedAtMs - atMs)}`;
  }
  return losesAtMs === undefined ? 'some day' : `in ${span(losesAtMs - atMs)}`;
}

/** One line: when, what, why. */
export function describeCause(cause: ForecastCause, atMs: number, height: number | undefined): string {
  const { kind, name, code, losesAtMs, short } = cause;
  const date = losesAtMs === undefined ? '' : `, ${new Date(losesAtMs).toISOString()}`;
  const why = code === undefined ? '' : `: ${code}`;
  return `${when(cause, atMs, height)}: ${kind} ${name}`.trimEnd() + date + why + shorts(short);
}

function describeSet({ set, status, refusal, tcbEvaluationDataNumber, parts, advisories }: SetForecast): string[] {
  const number = tcbEvaluationDataNumber === undefined ? '' : `, TCB evaluation data ${tcbEvaluationDataNumber}`;
  const open = advisories.length === 0 ? '' : `, open: ${advisories.join(' ')}`;
  const verdict = refusal === undefined ? 'accepted' : `refused: ${refusal.code} ${refusal.detail ?? ''}`.trimEnd();
  const below = parts.filter(({ short }) => short.length > 0);
  return [
    `${set} set: ${status ?? 'no status'}${number}${open}, ${verdict}`,
    ...below.map(
      ({ part, status: is, newestStatus, short }) => `  ${part} ${is}, newest ${newestStatus}${shorts(short)}`,
    ),
  ];
}

/** Everything, what costs first on top. */
export function describeForecast(forecast: Forecast, atMs: number, height: number | undefined): readonly string[] {
  return [...forecast.causes.map((cause) => describeCause(cause, atMs, height)), ...forecast.sets.flatMap(describeSet)];
}
