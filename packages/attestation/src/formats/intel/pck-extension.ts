/**
 * The SGX extension of a PCK certificate (1.2.840.113741.1.13.1): which processor, at which TCB.
 *
 * Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5. Members that this package does not know
 * are passed over; those it knows occur once and have their exact form.
 */
import { DecodeError } from '@cloister/encoding';
import { DER_TAGS, type DerReader, decodeDer } from '../../x509/der.ts';

export const SGX_EXTENSION_OID = '1.2.840.113741.1.13.1';

/** What a PCK certificate states; byte fields are views over the certificate. */
export interface PckExtension {
  /** 16 bytes: identifies the processor package. */
  readonly ppid: Uint8Array;
  /** SVNs of the 16 SGX TCB components. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** 16 bytes. */
  readonly cpuSvn: Uint8Array;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** 6 bytes. */
  readonly fmspc: Uint8Array;
  /** 0 standard, 1 scalable, 2 scalable with integrity. */
  readonly sgxType: number;
  /** 16 bytes, of platforms with several packages. */
  readonly platformInstanceId: Uint8Array | undefined;
}

const COMPONENTS = 16;

/** Reads the extension's value; undefined when it is not strictly formed or lacks a member. Never throws. */
export function parsePckExtension(value: Uint8Array): PckExtension | undefined {
  return decodeDer(value, (document) => {
    const members = readMembers(document, SGX_EXTENSION_OID, (arc, reader) => {
      switch (arc) {
        case 1:
        case 6:
          return sized(reader, 16);
        case 3:
          return sized(reader, 2);
        case 4:
          return sized(reader, 6);
        case 2:
        case 5:
          return reader.any().bytes;
        default:
          return reader.any().content;
      }
    });
    const [ppid, tcbBytes, pceId] = [required(members, 1), required(members, 2), required(members, 3)];
    const [fmspc, typeBytes] = [required(members, 4), required(members, 5)];
    const tcb = decodeDer(tcbBytes, readTcb);
    const sgxType = decodeDer(typeBytes, readType);
    if (tcb === undefined || sgxType === undefined) throw new DecodeError('PCK: TCB or type');
    return { ppid, ...tcb, pceId, fmspc, sgxType, platformInstanceId: members.get(6) };
  });
}

/** A SEQUENCE of {object identifier prefix.arc, value}; undefined keys never repeat. */
function readMembers<T>(
  reader: DerReader,
  prefix: string,
  readValue: (arc: number, reader: DerReader) => T,
): Map<number, T> {
  const members = new Map<number, T>();
  reader.within(DER_TAGS.sequence, (list) => {
    while (!list.isAtEnd) {
      list.within(DER_TAGS.sequence, (member) => {
        const oid = member.oid();
        const arc = oid.startsWith(`${prefix}.`) ? Number(oid.slice(prefix.length + 1)) : Number.NaN;
        if (!Number.isInteger(arc) || members.has(arc)) throw new DecodeError('PCK: member');
        members.set(arc, readValue(arc, member));
      });
    }
  });
  return members;
}

function readTcb(document: DerReader): Pick<PckExtension, 'components' | 'pceSvn' | 'cpuSvn'> {
  const members = readMembers(document, `${SGX_EXTENSION_OID}.2`, (arc, reader) => {
    if (arc >= 1 && arc <= COMPONENTS) return reader.smallInteger(255);
    if (arc === 17) return reader.smallInteger(0xffff);
    if (arc === 18) return sized(reader, 16);
    throw new DecodeError('PCK: TCB member');
  });
  const components = Array.from({ length: COMPONENTS }, (_, index) => members.get(index + 1));
  const svns = components.filter((svn) => typeof svn === 'number');
  const [pceSvn, cpuSvn] = [members.get(17), members.get(18)];
  if (svns.length !== COMPONENTS || typeof pceSvn !== 'number' || !(cpuSvn instanceof Uint8Array)) {
    throw new DecodeError('PCK: TCB');
  }
  return { components: svns, pceSvn, cpuSvn };
}

function readType(reader: DerReader): number {
  const { content } = reader.read(DER_TAGS.enumerated);
  const [type] = content;
  if (content.length !== 1 || type === undefined || type > 2) throw new DecodeError('PCK: type');
  return type;
}

function sized(reader: DerReader, length: number): Uint8Array {
  const bytes = reader.octetString();
  if (bytes.length !== length) throw new DecodeError('PCK: size');
  return bytes;
}

function required(members: ReadonlyMap<number, Uint8Array>, arc: number): Uint8Array {
  const value = members.get(arc);
  if (value === undefined) throw new DecodeError(`PCK: no member ${arc}`);
  return value;
}
