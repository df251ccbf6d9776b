/**
 * The pairs of measurement and image that count, from the events that changed them: as the ledger works it out.
 */
import type { ReferenceValue } from '@cloister/attestation';
import type { GenesisReferenceValue, LedgerEvent } from '@cloister/ledger';

export const MEASUREMENT_EVENTS = ['MeasurementAllowed', 'MeasurementGraced', 'MeasurementRevoked'] as const;

export type MeasurementChange = Extract<LedgerEvent, { type: (typeof MEASUREMENT_EVENTS)[number] }>;

/** What is known of one pair. Heights: the first at which it counts, and the last one of a grace. */
interface Entry {
  readonly pair: Pick<ReferenceValue, 'platform' | 'measurement' | 'image'>;
  readonly status: 'allowed' | 'graced' | 'revoked';
  readonly effectiveHeight: number;
  readonly graceUntilHeight: number | undefined;
}

function pairKey({ platform, measurement, image }: Entry['pair']): string {
  return `${platform}/${measurement}/${image}`;
}

function afterChange(event: MeasurementChange, previous: Entry | undefined): Entry {
  const { platform, measurement, image } = event;
  const pair = { platform, measurement, image };
  switch (event.type) {
    case 'MeasurementAllowed': {
      // A grace runs on while the pair waits to be allowed again.
      const graceUntilHeight = previous?.status === 'graced' ? previous.graceUntilHeight : undefined;
      return { pair, status: 'allowed', effectiveHeight: event.effectiveHeight, graceUntilHeight };
    }
    case 'MeasurementGraced': {
      const { graceUntilHeight, height } = event;
      return { pair, status: 'graced', effectiveHeight: previous?.effectiveHeight ?? height, graceUntilHeight };
    }
    case 'MeasurementRevoked':
      return { pair, status: 'revoked', effectiveHeight: event.height, graceUntilHeight: undefined };
  }
}

/** Undefined: waits for its height, and is neither allowed yet nor what it was before. */
function standingAt(entry: Entry, height: number): ReferenceValue['status'] | undefined {
  const { status, effectiveHeight, graceUntilHeight } = entry;
  if (status === 'revoked') return 'revoked';
  const inGrace = graceUntilHeight !== undefined && height <= graceUntilHeight;
  if (status === 'graced' && !inGrace) return 'revoked';
  if (height >= effectiveHeight) return 'allowed';
  return status === 'allowed' && inGrace ? 'allowed' : undefined;
}

/** The genesis' pairs and what became of them. `height` gives the newest known one, once it matters. */
export async function referenceValuesAfter(
  genesis: readonly GenesisReferenceValue[],
  changes: readonly MeasurementChange[],
  newestHeight: (beyond: number) => Promise<number>,
): Promise<readonly ReferenceValue[]> {
  const entries = new Map<string, Entry>();
  for (const { platform, measurement, image } of genesis) {
    const pair = { platform, measurement, image };
    entries.set(pairKey(pair), { pair, status: 'allowed', effectiveHeight: 0, graceUntilHeight: undefined });
  }
  for (const change of changes) entries.set(pairKey(change), afterChange(change, entries.get(pairKey(change))));
  const turningHeights = [...entries.values()].flatMap(({ effectiveHeight, graceUntilHeight = 0 }) => [
    effectiveHeight,
    graceUntilHeight,
  ]);
  const height = await newestHeight(Math.max(0, ...turningHeights));
  return [...entries.values()].flatMap((entry) => {
    const status = standingAt(entry, height);
    return status === undefined ? [] : [{ ...entry.pair, status }];
  });
}
