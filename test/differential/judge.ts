/** Full verdicts of the verifiers on inputs that come as data: what is compared between back-ends. */
import {
  type ConformanceCase,
  createEndorsementCache,
  type EndorsementCache,
  parseIntelCollateral,
  runConformanceCase,
  SIMULATED_ANCHORS,
  type TrustAnchors,
  type UnreadableCase,
  verifyIntelQuote,
  verifyNitro,
  verifySnp,
} from '@cloister/attestation';
import { type FuzzInput, text } from '../../packages/attestation/test/fuzz/target.ts';

export interface Question {
  readonly input: FuzzInput;
  readonly atMs: number;
}

export interface SimulatedAnchors {
  readonly intel: TrustAnchors;
  readonly nitro: TrustAnchors;
}

/** One text for each question, with everything that the verifier says. */
export function verdictsOn(questions: readonly Question[], anchors: SimulatedAnchors): readonly string[] {
  const cache = createEndorsementCache();
  return questions.map((question) => text(verdictOn(question, anchors, cache)));
}

function verdictOn({ input, atMs }: Question, anchors: SimulatedAnchors, cache: EndorsementCache): object {
  switch (input.format) {
    case 'sev-snp': {
      const { report, certificates, crls } = input;
      const endorsements = { certificates, crls };
      const rest = { trustAnchors: SIMULATED_ANCHORS, atMs, requireCrl: true, allowMaskedChipId: false, cache };
      return verifySnp({ report, endorsements, ...rest });
    }
    case 'sgx':
    case 'tdx': {
      const parsed = parseIntelCollateral(input.text);
      const collateral = parsed.ok ? parsed.value : undefined;
      return verifyIntelQuote({ quote: input.quote, collateral, trustAnchors: anchors.intel, atMs, cache });
    }
    case 'nitro':
      return verifyNitro({ document: input.document, trustAnchors: anchors.nitro, atMs, cache });
  }
}

/** One text for each case of a manifest. */
export function outcomesOn(
  cases: readonly (ConformanceCase | UnreadableCase)[],
  readFile: (path: string) => Uint8Array | undefined,
): readonly string[] {
  return cases.map((vector) => text(runConformanceCase(vector, readFile)));
}
