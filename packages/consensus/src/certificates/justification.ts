/**
 * A justification shows why a proposal may build on its parent. The signed proposition carries its hash.
 *
 * The hash covers the statements and not the signatures, which differ between nodes that hold different certificates of
 * the same statement. It covers the nullifications by their number and a hash of their own, so that evidence of a bad
 * justification is small, however many nullifications it holds.
 */

import { hash } from '@cloister/crypto';
import { asView, ByteWriter, type Digest } from '@cloister/encoding';
import { MAX_SKIPPED_VIEWS } from '../messages/limits.ts';
import { kindByte, writeProposition } from '../messages/signed-bytes.ts';
import type { Header, Justification, JustificationSummary, Proposition, Round } from '../messages/types.ts';

/** What H(J) covers. */
export function summaryOf({ parentCert, nullifications }: Justification): JustificationSummary {
  return {
    parent:
      parentCert === undefined
        ? undefined
        : {
            kind: parentCert.kind,
            epoch: parentCert.epoch,
            view: parentCert.view,
            proposition: parentCert.proposition,
          },
    nullified: nullifications.length,
    nullifiedHash: roundsHash(nullifications),
  };
}

function roundsHash(rounds: readonly Round[]): Digest {
  const writer = new ByteWriter(16 * rounds.length);
  for (const { epoch, view } of rounds) writer.u64(epoch).u64(view);
  return hash('cloister/justification-views/v1', writer.finish());
}

/** H(J), of what it covers. */
export function summaryHash({ parent, nullified, nullifiedHash }: JustificationSummary): Digest {
  const writer = new ByteWriter(192);
  if (parent === undefined) {
    writer.u8(0);
  } else {
    writer.u8(kindByte(parent.kind)).u64(parent.epoch).u64(parent.view);
    writeProposition(writer, parent.proposition);
  }
  writer.u32(nullified).digest(nullifiedHash);
  return hash('cloister/justification/v2', writer.finish());
}

/** H(J). */
export function justificationHash(justification: Justification): Digest {
  return summaryHash(summaryOf(justification));
}

/**
 * Whether a justification of this summary fails to justify P, for whoever sees the summary alone. A summary that names
 * more skipped views than any justification on the wire can hold convicts nobody, because checking it would cost
 * without bound.
 */
export function isSummaryUnjustified(
  proposition: Proposition,
  header: Header,
  summary: JustificationSummary,
  anchorHash: Digest | undefined,
): boolean {
  const stated = { parentCert: summary.parent };
  if (parentFault(proposition, stated) !== undefined) return true;
  if (!parentHashMatches(proposition, header, stated, anchorHash)) return true;
  const skipped = proposition.view - proposition.parentView - 1;
  if (summary.nullified !== skipped) return true;
  if (skipped > MAX_SKIPPED_VIEWS) return false;
  const { epoch, parentView } = proposition;
  const due = Array.from({ length: skipped }, (_, index) => ({ epoch, view: asView(parentView + 1 + index) }));
  return summary.nullifiedHash !== roundsHash(due);
}

/** A justification as far as it names its parent. */
interface StatedParent {
  readonly parentCert: JustificationSummary['parent'];
}

export type JustificationCode = 'PARENT_MISSING' | 'PARENT_ROUND';

/** The parent certificate's place: none for the anchor, else one of (epoch, parentView). */
export function parentFault(proposition: Proposition, stated: StatedParent): JustificationCode | undefined {
  const { parentCert } = stated;
  if (parentCert === undefined) return proposition.parentView === 0 ? undefined : 'PARENT_MISSING';
  if (parentCert.epoch !== proposition.epoch || parentCert.view !== proposition.parentView) return 'PARENT_ROUND';
  return proposition.parentView < proposition.view && parentCert.view > 0 ? undefined : 'PARENT_ROUND';
}

/** Whether exactly the views between parent and proposition are nullified, each once, ascending. */
export function coversSkippedViews(proposition: Proposition, justification: Justification): boolean {
  const { nullifications } = justification;
  const skipped = proposition.view - proposition.parentView - 1;
  return (
    nullifications.length === skipped &&
    nullifications.every(
      ({ epoch, view }, index) => epoch === proposition.epoch && view === proposition.parentView + 1 + index,
    )
  );
}

/**
 * Whether the header builds on the justified parent. A header first proposed in an earlier view is one re-proposed at its epoch's
 * end, whose parent is the block itself. `anchorHash` is undefined when the verifier does not know the epoch's anchor.
 */
export function parentHashMatches(
  proposition: Proposition,
  header: Header,
  stated: StatedParent,
  anchorHash: Digest | undefined,
): boolean {
  const parentHash = stated.parentCert?.proposition.blockHash ?? anchorHash;
  if (parentHash === undefined) return true;
  return header.view === proposition.view ? header.parentHash === parentHash : proposition.blockHash === parentHash;
}
