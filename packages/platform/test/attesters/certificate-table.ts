/** Builds the certificate tables that SEV-SNP hosts hand out. */
import { concatBytes, fromHex } from '@cloister/encoding';

export const GUIDS = {
  VCEK: '63da758de6644564adc5f4b93be8accd',
  VLEK: 'a8074bc2a25a483eaae639c045a0b8a1',
  ASK: '4ab7b379bbac4fe4a02f05aef327c782',
  ARK: 'c0b406a4a803495297433fb6014cd0ae',
} as const;

/** GUID in hex, and the contents. */
export type TableEntry = readonly [string, Uint8Array];

export function certificateTable(entries: readonly TableEntry[]): Uint8Array {
  let offset = (entries.length + 1) * 24;
  const heads = entries.map(([guid, bytes]) => {
    const head = new Uint8Array(24);
    head.set(fromHex(guid));
    const view = new DataView(head.buffer);
    view.setUint32(16, offset, true);
    view.setUint32(20, bytes.length, true);
    offset += bytes.length;
    return head;
  });
  return concatBytes(...heads, new Uint8Array(24), ...entries.map(([, bytes]) => bytes));
}
