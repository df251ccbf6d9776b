/** Forecasts as metrics: when endorsements and ages of attestations end, and which SVNs of the local platform are short. */
import {
  decodeEvidenceBundle,
  type EndorsementEnd,
  type EndorsementKind,
  type EvidenceBundle,
  endorsementEnds,
  evidenceEndorsementsOf,
  forecast,
} from '@cloister/attestation';
import { type AccountId, parseBase64 } from '@cloister/encoding';
import { type Attestation, type LedgerState, settingsOf } from '@cloister/ledger';
import type { MetricsRegistry } from './metrics.ts';
import { shownAttestations } from './node-gauges.ts';

type Ends = ReadonlyMap<EndorsementKind, number>;

/** Earliest end of each kind. */
function earliest(ends: readonly EndorsementEnd[]): Ends {
  const found = new Map<EndorsementKind, number>();
  for (const { kind, untilMs } of ends) found.set(kind, Math.min(untilMs, found.get(kind) ?? untilMs));
  return found;
}

function decode({ bundle }: Attestation): EvidenceBundle | undefined {
  const decoded = decodeEvidenceBundle(parseBase64(bundle) ?? new Uint8Array());
  return decoded.ok ? decoded.value : undefined;
}

/** The answer for as long as its key stays the same: scrapes are many, and bundles and policies change seldom. */
class Kept<T> {
  #key: readonly unknown[] | undefined;
  #value: T | undefined;

  get(key: readonly unknown[], compute: () => T): T {
    if (this.#key === undefined || this.#value === undefined || !key.every((part, i) => part === this.#key?.[i])) {
      this.#value = compute();
      this.#key = key;
    }
    return this.#value;
  }
}

export function addForecastMetrics(registry: MetricsRegistry, state: () => LedgerState, self: AccountId): void {
  const seconds = registry.gauge(
    'cloister_attestation_forecast_seconds',
    'Block time left until the first endorsement of this kind ends; below zero when it has',
    ['node', 'cause'],
  );
  const blocks = registry.gauge(
    'cloister_attestation_forecast_blocks',
    'Blocks after the newest one for which the attestation holds by this count; below zero when it no longer does',
    ['node', 'cause'],
  );
  const short = registry.gauge(
    'cloister_attestation_svn_short',
    "By how much an SVN of the local platform is below the newest level of its endorsements, or the policy's minimum",
    ['component'],
  );
  const ends = new Map<AccountId, Kept<Ends>>();
  const shorts = new Kept<ReadonlyMap<string, number>>();
  registry.collect(() => {
    for (const gauge of [seconds, blocks, short]) gauge.reset();
    const now = state();
    for (const node of ends.keys()) if (!now.attestations.has(node)) ends.delete(node);
    for (const { node, blocksLeft, blocksToRefresh } of shownAttestations(now)) {
      blocks.set({ node, cause: 'age' }, blocksLeft);
      blocks.set({ node, cause: 'refresh' }, blocksToRefresh);
      const held = now.attestations.get(node);
      if (held === undefined) continue;
      const graceUntil = graceOf(now, held);
      if (graceUntil !== undefined) blocks.set({ node, cause: 'measurement' }, graceUntil - now.height);
      const kept = ends.get(node) ?? new Kept<Ends>();
      ends.set(node, kept);
      for (const [cause, untilMs] of kept.get([held.bundle], () => endsOf(held))) {
        seconds.set({ node, cause }, (untilMs - now.timeMs) / 1000);
      }
    }
    const own = now.attestations.get(self);
    if (own === undefined) return;
    const found = shorts.get([own.bundle, settingsOf(now).appraisalPolicy], () => shortOf(now, own));
    for (const [component, by] of found) short.set({ component }, by);
  });
}

/** Last height at which its software counts, where that is limited. */
function graceOf({ measurements }: LedgerState, held: Attestation): number | undefined {
  for (const { platform, measurement, image, status, graceUntilHeight } of measurements.values()) {
    const isIts = platform === held.platform && measurement === held.measurement && image === held.image;
    if (isIts && status === 'grace-until') return graceUntilHeight ?? undefined;
  }
  return undefined;
}

function endsOf(held: Attestation): Ends {
  const bundle = decode(held);
  if (bundle === undefined) return new Map();
  return earliest(endorsementEnds(bundle.evidence.report, evidenceEndorsementsOf(bundle.endorsements)));
}

/** How much each component is short by, whichever level or minimum asks for most. */
function shortOf(state: LedgerState, own: Attestation): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const bundle = decode(own);
  if (bundle === undefined) return found;
  const { appraisalPolicy: policy, trustAnchors } = settingsOf(state);
  const { causes, sets } = forecast({
    evidence: bundle.evidence.report,
    endorsements: evidenceEndorsementsOf(bundle.endorsements),
    policy,
    trustAnchors,
    atMs: state.timeMs,
  });
  const svns = [
    ...causes.flatMap((cause) => cause.short),
    ...sets.flatMap(({ parts }) => parts.flatMap((p) => p.short)),
  ];
  for (const { component, have, need } of svns) found.set(component, Math.max(need - have, found.get(component) ?? 0));
  return found;
}
