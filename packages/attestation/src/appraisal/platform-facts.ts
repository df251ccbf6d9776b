/**
 * What an attestation result says about the platform of genuine evidence.
 */
import { type JsonValue, toHex } from '@cloister/encoding';
import type { CrlSeen, StatementSeen } from '../endorsements/endorsement-floors.ts';
import type { VerifiedEvidence } from '../evidence/verified-evidence.ts';
import type { VerifiedIntel } from '../formats/intel/verify.ts';
import type { VerifiedSnp } from '../formats/sev-snp/verify.ts';

type Members = { readonly [member: string]: JsonValue };

export interface PlatformFacts {
  readonly product: string;
  /** The processor as its certificate names it. */
  readonly model: string;
  readonly tcb: Members;
  readonly crls: readonly CrlSeen[];
  readonly statements: readonly StatementSeen[];
}

export function platformFactsOf(verified: VerifiedEvidence): PlatformFacts {
  switch (verified.format) {
    case 'sev-snp': {
      const { product, productName: model, crls } = verified.value;
      return { product, model, tcb: tcbOfSnp(verified.value), crls, statements: [] };
    }
    case 'sgx':
    case 'tdx': {
      const product = toHex(verified.value.pck.fmspc);
      const { crls, statements } = verified.value;
      return { product, model: product, tcb: tcbOfIntel(verified.value), crls, statements };
    }
    case 'nitro':
      return { product: 'nitro', model: 'nitro', tcb: {}, crls: [], statements: [] };
  }
}

function tcbOfSnp({ tcb: { reported, committed, current, launch } }: VerifiedSnp): Members {
  return {
    reported: { ...reported },
    committed: { ...committed },
    current: { ...current },
    launch: { ...launch },
  };
}

function tcbOfIntel({ pck, quote, tcbEvaluationDataNumbers }: VerifiedIntel): Members {
  const { tcbInfo, qeIdentity } = tcbEvaluationDataNumbers;
  const platform = {
    components: [...pck.components],
    pceSvn: pck.pceSvn,
    qeIsvSvn: quote.qeReport.isvSvn,
    tcbEvaluationDataNumber: Math.min(tcbInfo, qeIdentity),
  };
  if (quote.body.tee === 'sgx') return platform;
  const { teeTcbSvn, teeTcbSvn2 } = quote.body.report;
  const td = { ...platform, teeTcbSvn: [...teeTcbSvn] };
  return teeTcbSvn2 === undefined ? td : { ...td, teeTcbSvn2: [...teeTcbSvn2] };
}
