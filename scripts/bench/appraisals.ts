/**
 * Appraisals a second per format, cold (evidence and collateral given as bytes, nothing remembered) and warm
 * (endorsements verified before and cached by digest), beside `@phala/dcap-qvl` on the same quotes; and parsing alone.
 *
 * Machines are noisy: everything measured takes turns of a few hundredths of a second, ratios are taken turn by turn, and
 * every figure is a median over the turns of all runs. dcap-qvl remembers nothing, so that its one rate stands beside
 * both of ours.
 */
import type { Subject } from './appraisal-subject.ts';
import { type Figure, median, type Report } from './figures.ts';
import { realQuoteSubjects } from './real-quotes.ts';
import { simulatedSubjects } from './simulated-subjects.ts';

const PART = 'attestation';
const TURNS_PER_RUN = 6;
const TURN_MS = 40;
/** The clock is looked at seldom enough to cost nothing. */
const PARSES_AT_ONCE = 32;

/** How often `work` runs in a second, measured over one turn. */
function rateOf(work: () => void, timesAtOnce = 1): number {
  const startMs = performance.now();
  let times = 0;
  let elapsedMs = 0;
  do {
    for (let i = 0; i < timesAtOnce; i++) work();
    times += timesAtOnce;
    elapsedMs = performance.now() - startMs;
  } while (elapsedMs < TURN_MS);
  return (times / elapsedMs) * 1_000;
}

/** The figures of one turn. */
function takeTurn({ name, cold, warm, parse, dcapQvl }: Subject): readonly Figure[] {
  const figure = (what: string, value: number, unit: string, mark?: string): Figure => ({
    part: PART,
    name: `${name}: ${what}`,
    value,
    unit,
    ...(mark === undefined ? {} : { mark }),
  });
  const rates = {
    cold: rateOf(cold),
    dcapQvl: dcapQvl && rateOf(dcapQvl.verify),
    warm: rateOf(warm),
    parse: rateOf(parse, PARSES_AT_ONCE),
    dcapQvlParse: dcapQvl && rateOf(dcapQvl.parse, PARSES_AT_ONCE),
  };
  const figures = [
    figure('appraisals, cold', rates.cold, 'a second'),
    figure('appraisals, warm', rates.warm, 'a second'),
    figure('parsing alone', rates.parse, 'a second', '≥ 50,000'),
  ];
  if (rates.dcapQvl === undefined || rates.dcapQvlParse === undefined) return figures;
  return [
    ...figures,
    figure('verified by dcap-qvl', rates.dcapQvl, 'a second'),
    figure('parsed by dcap-qvl', rates.dcapQvlParse, 'a second'),
    figure('appraisals, cold, beside dcap-qvl', rates.cold / rates.dcapQvl, '× dcap-qvl', '≥ 1'),
    figure('appraisals, warm, beside dcap-qvl', rates.warm / rates.dcapQvl, '× dcap-qvl', '≥ 5'),
  ];
}

export function appraisalFigures(options: { runs: number; report: Report }): readonly Figure[] {
  const { runs, report } = options;
  report('attestation: making evidence');
  const subjects = [...simulatedSubjects(), ...realQuoteSubjects(report)];
  const run = (): (readonly Figure[])[] => Array.from({ length: TURNS_PER_RUN }, () => subjects.flatMap(takeTurn));
  report('attestation: warming up');
  run();
  const turns: (readonly Figure[])[] = [];
  for (let number = 1; number <= runs; number++) {
    report(`attestation: run ${number} of ${runs}`);
    turns.push(...run());
  }
  const [first = []] = turns;
  return first.map((figure, index) => ({
    ...figure,
    value: median(turns.map((turn) => turn[index]?.value ?? Number.NaN)),
  }));
}
