/**
 * Justifications: what a proposal's parent rests on, and the hash that the signed proposition carries.
 *
 * The hash covers the statements and not the signatures, which differ between nodes that hold different certificates
 * of the same statement.
 */
import { ByteWriter, type Digest, hash } from '@cloister/crypto';
import { kindByte, writeProposition } from './signed-bytes.ts';
import type { Header, Justification, Proposition } from './types.ts';

/** H(J). */
export function justificationHash(justification: Justification): Digest {
  const { parentCert, nullifications } = justification;
  const writer = new ByteWriter(128 + 17 * nullifications.length);
  if (parentCert === undefined) {
    writer.u8(0);
  } else {
    writer.u8(kindByte(parentCert.kind)).u64(parentCert.epoch).u64(parentCert.view);
    writeProposition(writer, parentCert.proposition);
  }
  writer.u32(nullifications.length);
  for (const { kind, epoch, view } of nullifications) writer.u8(kindByte(kind)).u64(epoch).u64(view);
  return hash('cloister/justification/v1', writer.finish());
}

export type JustificationCode = 'PARENT_MISSING' | 'PARENT_ROUND' | 'SKIPPED_VIEWS' | 'PARENT_HASH';

/** The parent certificate's place: none for the anchor, else one of (epoch, parentView). */
export function parentFault(proposition: Proposition, justification: Justification): JustificationCode | undefined {
  const { parentCert } = justification;
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
  justification: Justification,
  anchorHash: Digest | undefined,
): boolean {
  const parentHash = justification.parentCert?.proposition.blockHash ?? anchorHash;
  if (parentHash === undefined) return true;
  return header.view === proposition.view ? header.parentHash === parentHash : proposition.blockHash === parentHash;
}
