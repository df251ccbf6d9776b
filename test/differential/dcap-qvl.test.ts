/**
 * Our verifier against `@phala/dcap-qvl`: the same verdict, TCB status and advisories, but for the differences that
 * `rules.ts` lists. A difference that no rule covers fails, and so does a rule that covers none.
 */
import { readFileSync } from 'node:fs';
import { type TrustAnchors, VENDOR_ANCHORS } from '@cloister/attestation';
import { simulatedIntelAnchors } from '@cloister/attestation/simulated';
import { describe, expect, it } from 'vitest';
import { root } from '../../packages/attestation/test/formats/intel-fixture.ts';
import { difference, type Input, type Opinion, ours, theirs } from './both-verifiers.ts';
import { simulatedInputs, vectorInputs, vectorsPresent } from './inputs.ts';
import { VERDICT_RULES } from './rules.ts';
import { opinionUnder, STATUS_RULES } from './status-model.ts';

if (!vectorsPresent) console.warn('SKIPPED: dcap-qvl on real vectors, as ../shared/vectors/attestation is absent');

/** The rules that explain a difference; none when it is not explained. */
function explain(input: Input, anchors: TrustAnchors, our: Opinion, their: Opinion): readonly string[] {
  // Rules on the status first: they predict what dcap-qvl says exactly, refusals included.
  const all = new Set(STATUS_RULES);
  const same = (a: Opinion | undefined, b: Opinion): boolean => a !== undefined && difference(a, b) === undefined;
  if (same(opinionUnder(all, input, anchors), our) && same(opinionUnder(new Set(), input, anchors), their)) {
    const needed = STATUS_RULES.filter((rule) => {
      const others = new Set(STATUS_RULES.filter((other) => other !== rule));
      return !same(opinionUnder(others, input, anchors), our);
    });
    if (needed.length > 0) return needed;
  }
  const only = our.status === undefined ? 'dcap-qvl accepts' : 'we accept';
  const refusal = our.status === undefined ? our.refusal : their.status === undefined ? their.refusal : undefined;
  const rule = VERDICT_RULES.find((r) => refusal !== undefined && r.only === only && r.because.test(refusal));
  return rule === undefined ? [] : [rule.id];
}

interface Comparison {
  readonly inputs: number;
  readonly acceptedByBoth: number;
  readonly refusedByBoth: number;
  /** Differences by the rule that explains them. */
  readonly explained: ReadonlyMap<string, number>;
  readonly unexplained: readonly string[];
}

function compare(inputs: readonly Input[], anchors: TrustAnchors, rootDer: Uint8Array | undefined): Comparison {
  let [acceptedByBoth, refusedByBoth] = [0, 0];
  const explained = new Map<string, number>();
  const unexplained: string[] = [];
  for (const input of inputs) {
    const [our, their] = [ours(input, anchors), theirs(input, rootDer)];
    const differs = difference(our, their);
    if (differs === undefined) {
      if (our.status === undefined) refusedByBoth++;
      else acceptedByBoth++;
      continue;
    }
    const rules = explain(input, anchors, our, their);
    if (rules.length === 0) unexplained.push(`${input.name}: ${differs}`);
    for (const rule of rules) explained.set(rule, (explained.get(rule) ?? 0) + 1);
  }
  return { inputs: inputs.length, acceptedByBoth, refusedByBoth, explained, unexplained };
}

describe('dcap-qvl', () => {
  const simulated = compare(simulatedInputs(), simulatedIntelAnchors(), root);
  const real = compare(vectorInputs(), VENDOR_ANCHORS, undefined);

  it('says the same of simulated quotes, but for the differences listed', () => {
    expect(simulated.unexplained).toEqual([]);
    expect(simulated.inputs).toBeGreaterThan(5000);
    expect(simulated.acceptedByBoth).toBeGreaterThan(200);
    expect(simulated.refusedByBoth).toBeGreaterThan(3000);
  });

  it.skipIf(!vectorsPresent)('says the same of real quotes, but for the differences listed', () => {
    expect(real.unexplained).toEqual([]);
    expect(real.inputs).toBeGreaterThanOrEqual(53);
    expect(real.acceptedByBoth).toBeGreaterThan(0);
  });

  it('differs by every rule that is listed', () => {
    const listed = [...STATUS_RULES, ...VERDICT_RULES.map(({ id }) => id)];
    expect(listed.filter((id) => !simulated.explained.has(id))).toEqual([]);
  });

  it('differs as docs/decisions says', () => {
    const page = readFileSync(
      new URL('../../docs/decisions/0007-differences-from-dcap-qvl.md', import.meta.url),
      'utf8',
    );
    const rows = [...page.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, id]) => id);
    expect(rows.sort()).toEqual([...STATUS_RULES, ...VERDICT_RULES.map(({ id }) => id)].sort());
  });
});
