import { concatBytes, fromHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSnpCertificateTable } from '../../src/attesters/index.ts';
import { certificateTable, GUIDS, type TableEntry } from './certificate-table.ts';
import { genoa, pem } from './vendor-services.ts';

const [vcek = new Uint8Array(), ask = new Uint8Array(), ark = new Uint8Array()] = genoa.certificates;
const ENTRIES: readonly TableEntry[] = [
  [GUIDS.VCEK, vcek],
  [GUIDS.ASK, ask],
  [GUIDS.ARK, ark],
];

/** The blob with a u32 written at an offset. */
function patched(blob: Uint8Array, offset: number, value: number): Uint8Array {
  const copy = blob.slice();
  new DataView(copy.buffer).setUint32(offset, value, true);
  return copy;
}

function codeOf(blob: Uint8Array): string | undefined {
  const parsed = parseSnpCertificateTable(blob);
  return parsed.ok ? undefined : parsed.code;
}

describe('the certificate table of an SEV-SNP host', () => {
  it('gives certificates by name, in whatever order, and passes over other GUIDs', () => {
    const other: TableEntry = ['92f81bc358114d3d97ffd19f88dc67ea', Uint8Array.of(1, 2, 3)];
    const parsed = parseSnpCertificateTable(certificateTable([...ENTRIES, other].reverse()));
    expect(parsed).toEqual({
      ok: true,
      value: new Map([
        ['ARK', ark],
        ['ASK', ask],
        ['VCEK', vcek],
      ]),
    });
  });

  it('reads GUIDs in the order of their text', () => {
    const blob = certificateTable([['63da758de6644564adc5f4b93be8accd', vcek]]);
    expect(blob.subarray(0, 16)).toEqual(fromHex('63da758de6644564adc5f4b93be8accd'));
    expect(parseSnpCertificateTable(blob)).toEqual({ ok: true, value: new Map([['VCEK', vcek]]) });
  });

  it('takes one PEM block for a certificate', () => {
    const parsed = parseSnpCertificateTable(certificateTable([[GUIDS.VLEK, utf8(pem([vcek]))]]));
    expect(parsed).toEqual({ ok: true, value: new Map([['VLEK', vcek]]) });
    expect(codeOf(certificateTable([[GUIDS.VLEK, utf8(pem([vcek, ask]))]]))).toBe('TABLE_NOT_A_CERTIFICATE');
  });

  it('holds nothing when it is empty or all zero', () => {
    for (const blob of [new Uint8Array(), new Uint8Array(24), new Uint8Array(4096)]) {
      expect(parseSnpCertificateTable(blob)).toEqual({ ok: true, value: new Map() });
    }
  });

  const blob = certificateTable(ENTRIES);
  const many = certificateTable(
    Array.from({ length: 17 }, (_, index) => [`${index + 10}`.repeat(16), Uint8Array.of(1)] as const),
  );
  const refusals: readonly (readonly [string, Uint8Array, string])[] = [
    ['of more than 64 KiB', new Uint8Array(64 * 1024 + 1), 'TABLE_TOO_LARGE'],
    ['shorter than an entry', new Uint8Array(23), 'TABLE_TRUNCATED'],
    ['that ends before the entry of zeros', blob.subarray(0, 72), 'TABLE_TRUNCATED'],
    ['with seventeen entries', many, 'TABLE_TOO_MANY_ENTRIES'],
    ['with a GUID of zeros over an offset', patched(blob, 3 * 24 + 16, 96), 'TABLE_GUID_ZERO'],
    ['with a GUID of zeros over a length', patched(blob, 3 * 24 + 20, 1), 'TABLE_GUID_ZERO'],
    ['with a GUID twice', certificateTable([...ENTRIES, [GUIDS.VCEK, vcek]]), 'TABLE_GUID_REPEATED'],
    ['with an empty entry', patched(blob, 20, 0), 'TABLE_ENTRY_EMPTY'],
    ['that reaches into the table', patched(blob, 16, 24), 'TABLE_ENTRY_OUT_OF_BOUNDS'],
    ['that reaches beyond the end', patched(blob, 2 * 24 + 20, ark.length + 1), 'TABLE_ENTRY_OUT_OF_BOUNDS'],
    [
      'whose end wraps around 32 bits',
      patched(patched(blob, 16, 0xffff_ffff), 20, 0xffff_ffff),
      'TABLE_ENTRY_OUT_OF_BOUNDS',
    ],
    ['with entries that overlap', patched(blob, 24 + 16, 96 + vcek.length - 1), 'TABLE_ENTRIES_OVERLAP'],
    [
      'with something else under a known GUID',
      certificateTable([[GUIDS.ASK, Uint8Array.of(1)]]),
      'TABLE_NOT_A_CERTIFICATE',
    ],
    [
      'with bytes after a certificate',
      certificateTable([[GUIDS.ASK, concatBytes(ask, Uint8Array.of(0))]]),
      'TABLE_NOT_A_CERTIFICATE',
    ],
  ];
  it.each(refusals)('refuses one %s', (_, bytes, code) => {
    expect(codeOf(bytes)).toBe(code);
  });

  it('never throws, and what it gives lies in the blob', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const spoilt = fc
      .tuple(fc.nat({ max: 4 * 24 - 1 }), fc.nat({ max: 255 }))
      .map(([at, value]) => blob.with(at, value));
    fc.assert(
      fc.property(fc.oneof(bytes, spoilt), (input) => {
        const parsed = parseSnpCertificateTable(input);
        if (!parsed.ok) return;
        const total = [...parsed.value.values()].reduce((sum, der) => sum + der.length, 0);
        expect(total).toBeLessThanOrEqual(input.length);
      }),
    );
  });
});
