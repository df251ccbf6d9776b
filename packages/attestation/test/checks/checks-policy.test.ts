/** Members of requirements, each refused in any other form. Each case fails when its check is left out. */
import type { JsonValue } from '@cloister/encoding';
import { parseShape } from '@cloister/encoding/shape';
import { describe, expect, it } from 'vitest';
import { tdxRequirements } from '../../src/formats/intel/requirements.ts';
import { checkLedgerSafety, snpRequirements, snpRequirementsToJson } from '../../src/formats/sev-snp/requirements.ts';
import { SIMULATED_TCBS } from '../../src/simulated/index.ts';

const tdxRequirementsFromJson = (value: JsonValue) => parseShape(tdxRequirements, value);
const snpRequirementsFromJson = (value: JsonValue) => {
  const read = parseShape(snpRequirements, value);
  return read.ok ? checkLedgerSafety(read.value) : read;
};

type Members = { readonly [name: string]: JsonValue };

const tcb = { ...SIMULATED_TCBS.Genoa };
const snp = snpRequirementsToJson({
  products: { Genoa: { minimumTcb: tcb, upToDateTcb: tcb } },
  requireCrl: true,
  allowVlek: false,
  allowMaskedChipId: false,
  allowMigrationAgent: false,
  maximumVmpl: 0,
  requireAliasCheck: true,
  requireCiphertextHiding: false,
  refuseSmt: false,
  idKeyDigests: [],
}) as Members;
const zeros = new Array<number>(16).fill(0);
const tdx: Members = {
  barredFmspcs: [],
  minimumTcbEvaluationDataNumber: 1,
  minimumComponents: zeros,
  minimumPceSvn: 1,
  minimumQeIsvSvn: 1,
  minimumTeeTcbSvn: zeros,
  allowMigration: false,
  allowServiceTd: false,
  requireSeptVeDisable: true,
  allowPerformanceMonitoring: false,
};

describe('SEV-SNP requirements', () => {
  const digests = Array.from({ length: 65 }, (_, i) => i.toString(16).padStart(96, '0'));
  const genoa = (change: object): Members => ({
    products: { Genoa: { minimumTcb: tcb, upToDateTcb: tcb, ...change } },
  });

  it('are read as they are written', () => {
    expect(snpRequirementsFromJson(snp)).toMatchObject({ ok: true });
    expect(snpRequirementsFromJson({ ...snp, idKeyDigests: digests.slice(0, 64) })).toMatchObject({ ok: true });
  });

  const names = ['allowVlek', 'allowMigrationAgent', 'requireAliasCheck', 'requireCiphertextHiding', 'refuseSmt'];
  it.each([
    ...names.map((name): [string, Members] => [name, { [name]: 1 }]),
    ['requireCrl', { requireCrl: false }],
    ['allowMaskedChipId', { allowMaskedChipId: true }],
    ...['0', 0.5, -1, 4].map((maximumVmpl): [string, Members] => ['maximumVmpl', { maximumVmpl }]),
    ['idKeyDigests', { idKeyDigests: digests }],
    ['idKeyDigests', { idKeyDigests: ['00'] }],
    ['products', { products: [] }],
    ['products', { products: { Naples: { minimumTcb: tcb, upToDateTcb: tcb } } }],
    ...Object.keys(tcb).flatMap((name): [string, Members][] => [
      [name, genoa({ minimumTcb: { ...tcb, [name]: 256 }, upToDateTcb: { ...tcb, [name]: 255 } })],
      [name, genoa({ minimumTcb: { ...tcb, [name]: -1 } })],
      [name, genoa({ upToDateTcb: { ...tcb, [name]: 256 } })],
    ]),
    ['upToDateTcb', genoa({ upToDateTcb: 5 })],
    ['minimumTcb', genoa({ minimumTcb: 5 })],
    ['both', genoa({ minimumTcb: { ...tcb, snp: tcb.snp + 1 } })],
  ] as [string, Members][])('refuse another %s (%#)', (_, change) => {
    expect(snpRequirementsFromJson({ ...snp, ...change })).toMatchObject({ ok: false });
  });
});

describe('TDX requirements', () => {
  it('are read as they are written', () => {
    expect(tdxRequirementsFromJson(tdx)).toMatchObject({ ok: true });
  });

  const counts = ['minimumTcbEvaluationDataNumber', 'minimumPceSvn', 'minimumQeIsvSvn'];
  const flags = ['allowMigration', 'allowServiceTd', 'requireSeptVeDisable', 'allowPerformanceMonitoring'];
  const lists = ['minimumComponents', 'minimumTeeTcbSvn'];
  it.each([
    ...counts.flatMap((name): [string, Members][] => ['1', 0.5, -1, 2 ** 32].map((value) => [name, { [name]: value }])),
    ...flags.map((name): [string, Members] => [name, { [name]: 1 }]),
    ...lists.flatMap((name): [string, Members][] =>
      [5, null, zeros.slice(1), [...zeros, 0], [256, ...zeros.slice(1)], { length: 16 }].map((value) => [
        name,
        { [name]: value },
      ]),
    ),
    ['barredFmspcs', { barredFmspcs: ['00'] }],
    ['barredFmspcs', { barredFmspcs: 'none' }],
  ] as [string, Members][])('refuse another %s (%#)', (_, change) => {
    expect(tdxRequirementsFromJson({ ...tdx, ...change })).toMatchObject({ ok: false });
  });
});
