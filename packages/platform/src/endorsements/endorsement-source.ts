/**
 * Endorsements for evidence: from what the host offers with it, from disk, or from the vendor's service.
 *
 * This is the only place that fetches. Appraisal, on the ledger or anywhere else, works with the endorsements that travel with
 * the evidence and never asks anybody. Before endorsements leave here they are verified together with the evidence, under the
 * same trust anchors and by the same verifier that relying parties use, so that a damaged cache, a lying host or a lying
 * service is noticed by the attester and not only by the network.
 */
import {
  type CollateralCode,
  type EndorsementNeeds,
  type Endorsements,
  type Evidence,
  endorsementNeeds,
  endorsementsOfCollateral,
  type IntelEndorsementNeeds,
  intelCollateralOf,
  type SnpEndorsementNeeds,
  type TrustAnchors,
  verifyIntelQuote,
  verifyNitro,
  verifySnp,
} from '@cloister/attestation';
import { ok, type Result } from '@cloister/encoding';
import { AMD_KDS, chainRequest, chipKeyRequest, snpCrlRequest } from './amd-kds.ts';
import type { EndorsementRequest } from './answers.ts';
import { EndorsementError } from './endorsement-error.ts';
import type { EndorsementStore } from './endorsement-store.ts';
import type { EndorsementFetcher } from './fetcher.ts';
import { INTEL_SERVICE, type IntelService, type IntelUpdate, intelCollateral, intelRequests } from './intel-pcs.ts';
import { type EndorsementNotice, KeptAnswers } from './kept-answers.ts';

/** Addresses of the vendors' services, or of mirrors of them. */
export interface EndorsementServices extends IntelService {
  /** Base address of AMD's key server, without trailing slash. */
  readonly kds: string;
}

export const VENDOR_SERVICES: EndorsementServices = { ...INTEL_SERVICE, kds: AMD_KDS };

/** The hosts of services, as `httpsFetcher` wants them. Throws `TypeError` for what is no address. */
export function serviceHosts({ pcs, rootCrl, kds }: EndorsementServices): readonly string[] {
  return [...new Set([pcs, rootCrl, kds].map((address) => new URL(address).host))];
}

export interface EndorsementSourceOptions {
  readonly store: EndorsementStore;
  readonly fetcher: EndorsementFetcher;
  readonly trustAnchors: TrustAnchors;
  /** 'standard' unless told otherwise. */
  readonly intelUpdate?: IntelUpdate;
  readonly services?: EndorsementServices;
  /** Told of what went wrong without keeping endorsements from being had. */
  readonly onNotice?: (notice: EndorsementNotice) => void;
}

/** Endorsements that verify with their evidence. Times are milliseconds of the Unix epoch. */
export interface HeldEndorsements {
  readonly endorsements: Endorsements;
  /** The same in the form that stands alone, without evidence: Intel's with the issuer of PCK certificates. */
  readonly standAlone: Endorsements;
  /** Last instant at which all of them, and the evidence's own certificates, hold. */
  readonly validUntilMs: number;
  /** From then on asking again gives newer ones. */
  readonly renewAtMs: number;
}

type Gathered = Pick<HeldEndorsements, 'endorsements' | 'standAlone'>;

/** `isKept`: some of what does not verify was fetched before. */
type Attempt = { readonly held: HeldEndorsements } | { readonly refused: string; readonly isKept: boolean };

/** Endorsements that do not verify are fetched anew once in so long. */
const REFUSAL_PAUSE_MS = 600_000;

export class EndorsementSource {
  readonly #options: EndorsementSourceOptions;
  readonly #services: EndorsementServices;
  readonly #onNotice: (notice: EndorsementNotice) => void;
  readonly #answers: KeptAnswers;
  #refetchedAtMs: number | undefined;

  constructor(options: EndorsementSourceOptions) {
    this.#options = options;
    this.#services = options.services ?? VENDOR_SERVICES;
    this.#onNotice = options.onNotice ?? (() => undefined);
    this.#answers = new KeptAnswers(options.store, options.fetcher, this.#onNotice);
  }

  /** Under these anchors evidence is appraised. */
  get trustAnchors(): TrustAnchors {
    return this.#options.trustAnchors;
  }

  /**
   * Endorsements that hold at `nowMs`. `offered` certificates (DER) came with SEV-SNP evidence and spare the key server: the
   * one of the signing key first, then whatever stands above it. Rejects with `EndorsementError`.
   */
  async endorsementsFor(
    evidence: Evidence,
    nowMs: number,
    offered: readonly Uint8Array[] = [],
  ): Promise<HeldEndorsements> {
    const needs = endorsementNeeds(evidence, offered);
    if (!needs.ok) throw new EndorsementError('EVIDENCE_UNREADABLE', textOf(needs));
    let attempt = await this.#attempt(evidence, needs.value, nowMs, offered, false);
    // A provider's key certificate is to be had from the host alone; a chip's need not be.
    const isDispensable = needs.value.platform === 'sev-snp' && needs.value.signingKey === 'VCEK';
    if ('refused' in attempt && offered.length > 0 && isDispensable) {
      this.#onNotice({ code: 'OFFERED_REFUSED', detail: attempt.refused });
      attempt = await this.#attempt(evidence, needs.value, nowMs, [], false);
    }
    if ('refused' in attempt && attempt.isKept && this.#mayRefetch(nowMs)) {
      this.#onNotice({ code: 'KEPT_REFUSED', detail: attempt.refused });
      attempt = await this.#attempt(evidence, needs.value, nowMs, isDispensable ? [] : offered, true);
    }
    if ('refused' in attempt) throw new EndorsementError('ENDORSEMENTS_REFUSED', attempt.refused);
    return attempt.held;
  }

  /** Evidence that is itself bad must not send every request to the services. */
  #mayRefetch(nowMs: number): boolean {
    const lastMs = this.#refetchedAtMs;
    if (lastMs !== undefined && nowMs >= lastMs && nowMs < lastMs + REFUSAL_PAUSE_MS) return false;
    this.#refetchedAtMs = nowMs;
    return true;
  }

  async #attempt(
    evidence: Evidence,
    needs: EndorsementNeeds,
    nowMs: number,
    offered: readonly Uint8Array[],
    isFresh: boolean,
  ): Promise<Attempt> {
    const answers = new Answers(this.#answers, nowMs, isFresh);
    const gathered = await this.#gather(needs, answers, offered);
    const { isAnyKept: isKept } = answers;
    if (!gathered.ok) return { refused: textOf(gathered), isKept };
    const verified = this.#verify(evidence, gathered.value.endorsements, nowMs);
    if (!verified.ok) return { refused: textOf(verified), isKept };
    const { validUntilMs } = verified.value;
    const renewAtMs = Math.min(answers.renewAtMs, validUntilMs);
    return { held: { ...gathered.value, validUntilMs, renewAtMs } };
  }

  async #gather(
    needs: EndorsementNeeds,
    answers: Answers,
    offered: readonly Uint8Array[],
  ): Promise<Result<Gathered, CollateralCode>> {
    switch (needs.platform) {
      case 'sev-snp': {
        const endorsements = await this.#gatherSnp(needs, answers, offered);
        return ok({ endorsements, standAlone: endorsements });
      }
      case 'sgx':
      case 'tdx':
        return this.#gatherIntel(needs, answers);
      case 'nitro': {
        const none = { certificates: [], crls: [] };
        return ok({ endorsements: none, standAlone: none });
      }
    }
  }

  async #gatherSnp(
    needs: SnpEndorsementNeeds,
    answers: Answers,
    offered: readonly Uint8Array[],
  ): Promise<Endorsements> {
    const { kds } = this.#services;
    const [offeredKey, ...offeredChain] = offered;
    const key = offeredKey ?? (await answers.get(chipKeyRequest(needs, chipOf(needs), kds)));
    // Hosts that offer the key alone leave the rest to the key server.
    const chain = offeredChain.length >= 2 ? offeredChain : await answers.get(chainRequest(needs, kds));
    return { certificates: [key, ...chain], crls: [await answers.get(snpCrlRequest(needs, kds))] };
  }

  async #gatherIntel(needs: IntelEndorsementNeeds, answers: Answers): Promise<Result<Gathered, CollateralCode>> {
    const { intelUpdate = 'standard' } = this.#options;
    const requests = intelRequests(needs, intelUpdate, this.#services);
    const [tcbInfo, qeIdentity, pckCrl, rootCrl] = await Promise.all([
      answers.get(requests.tcbInfo),
      answers.get(requests.qeIdentity),
      answers.get(requests.pckCrl),
      answers.get(requests.rootCrl),
    ]);
    const endorsements = endorsementsOfCollateral(intelCollateral(tcbInfo, qeIdentity, pckCrl, rootCrl));
    if (!endorsements.ok) return endorsements;
    const { certificates } = endorsements.value;
    const [pckIssuer] = pckCrl.issuerChain;
    const standAlone = {
      ...endorsements.value,
      certificates: pckIssuer === undefined ? certificates : [...certificates, pckIssuer],
    };
    return ok({ endorsements: endorsements.value, standAlone });
  }

  /** What every relying party will do again. */
  #verify(evidence: Evidence, endorsements: Endorsements, atMs: number): Result<{ readonly validUntilMs: number }> {
    const { trustAnchors } = this.#options;
    const { platform, report } = evidence;
    switch (platform) {
      case 'sev-snp':
        // Whether a chip may hide its id is for policies to say.
        return verifySnp({ report, endorsements, trustAnchors, atMs, requireCrl: true, allowMaskedChipId: true });
      case 'sgx':
      case 'tdx':
        return verifyIntelQuote({ quote: report, collateral: intelCollateralOf(endorsements), trustAnchors, atMs });
      case 'nitro':
        return verifyNitro({ document: report, trustAnchors, atMs });
    }
  }
}

/** The answers that one set of endorsements is made from. */
class Answers {
  readonly #source: KeptAnswers;
  readonly #nowMs: number;
  readonly #isFresh: boolean;
  /** When the first of them must be renewed. */
  renewAtMs: number = Number.POSITIVE_INFINITY;
  /** One at least was fetched before. */
  isAnyKept = false;

  constructor(source: KeptAnswers, nowMs: number, isFresh: boolean) {
    this.#source = source;
    this.#nowMs = nowMs;
    this.#isFresh = isFresh;
  }

  async get<T>(request: EndorsementRequest<T>): Promise<T> {
    const { value, renewAtMs, isKept } = await this.#source.get(request, this.#nowMs, this.#isFresh);
    this.renewAtMs = Math.min(this.renewAtMs, renewAtMs);
    this.isAnyKept ||= isKept;
    return value;
  }
}

/** Hex of the chip whose certificate AMD's key server has. */
function chipOf({ signingKey, hardwareId }: SnpEndorsementNeeds): string {
  if (signingKey === 'VLEK')
    throw new EndorsementError('VLEK_NOT_OFFERED', 'the host offers no certificate of its key');
  if (hardwareId === undefined) throw new EndorsementError('CHIP_ID_MASKED', 'the report hides its chip');
  return hardwareId;
}

function textOf({ code, detail }: { readonly code: string; readonly detail?: string }): string {
  return detail === undefined ? code : `${code}: ${detail}`;
}
