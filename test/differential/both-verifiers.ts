/** One Intel quote before our verifier and before `@phala/dcap-qvl`, and what each says. */
import {
  checkIntelRequirements,
  parseIntelCollateral,
  type TdxRequirements,
  type TrustAnchors,
  verifyIntelQuote,
} from '@cloister/attestation';
import { parseUtf8 } from '@cloister/encoding';
import { type Collateral, QuoteVerifier } from '@phala/dcap-qvl';

/** What is asked of a platform so that both ask the same: dcap-qvl has no policy, but refuses some platforms anyway. */
const REQUIREMENTS: TdxRequirements = {
  barredFmspcs: [],
  minimumTcbEvaluationDataNumber: 0,
  minimumComponents: new Array<number>(16).fill(0),
  minimumPceSvn: 0,
  minimumQeIsvSvn: 0,
  minimumTeeTcbSvn: new Array<number>(16).fill(0),
  allowMigration: false,
  allowServiceTd: false,
  requireSeptVeDisable: true,
  allowPerformanceMonitoring: true,
};

/** Statuses with which dcap-qvl accepts nothing. */
export const REFUSED_STATUSES: readonly string[] = ['Revoked', 'TcbNotSupported'];

/** A status with its advisories, or why there is none. */
export type Opinion =
  | { readonly status: string; readonly advisories: string }
  | { readonly status: undefined; readonly refusal: string };

export interface Input {
  readonly name: string;
  readonly quote: Uint8Array;
  /** The service's JSON. */
  readonly text: Uint8Array;
  readonly atMs: number;
}

/** Advisory ids in one text, each once. */
export function advisoriesOf(ids: readonly string[]): string {
  return [...new Set(ids)].sort().join(' ');
}

export function ours({ quote, text, atMs }: Input, trustAnchors: TrustAnchors): Opinion {
  const collateral = parseIntelCollateral(text);
  if (!collateral.ok) return { status: undefined, refusal: collateral.code };
  const verified = verifyIntelQuote({ quote, collateral: collateral.value, trustAnchors, atMs });
  if (!verified.ok) return { status: undefined, refusal: verified.code };
  const { status, advisories } = verified.value.tcb;
  const allowed = checkIntelRequirements(verified.value, REQUIREMENTS);
  if (!allowed.ok) return { status: undefined, refusal: allowed.code };
  if (REFUSED_STATUSES.includes(status)) return { status: undefined, refusal: status };
  return { status, advisories: advisoriesOf(advisories) };
}

/** `root`: DER; undefined stands for Intel's, which dcap-qvl carries. */
export function theirs({ quote, text, atMs }: Input, root: Uint8Array | undefined): Opinion {
  const verifier = root === undefined ? QuoteVerifier.newProd() : QuoteVerifier.newWithRootCa(Buffer.from(root));
  try {
    const collateral = JSON.parse(parseUtf8(text) ?? '') as Collateral;
    const { status, advisory_ids: advisories } = verifier.verify(quote, collateral, atMs / 1000);
    return { status, advisories: advisoriesOf(advisories) };
  } catch (error) {
    return { status: undefined, refusal: error instanceof Error ? error.message : String(error) };
  }
}

/** What differs, in one text: the refusal of the one that refuses, or both statuses and advisories. */
export function difference(our: Opinion, their: Opinion): string | undefined {
  if (our.status === undefined) {
    return their.status === undefined ? undefined : `only dcap-qvl accepts (${their.status}): ${our.refusal}`;
  }
  if (their.status === undefined) return `only we accept (${our.status}): ${their.refusal}`;
  if (our.status !== their.status) return `status ${our.status}, dcap-qvl ${their.status}`;
  return our.advisories === their.advisories
    ? undefined
    : `advisories [${our.advisories}], dcap-qvl [${their.advisories}]`;
}
