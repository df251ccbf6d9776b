/** TCB info and QE identity: members that are not exactly as Intel writes them are refused, signed or not. */
import { type JsonValue, parseUtf8, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { parseQeIdentity } from '../../src/formats/intel/qe-identity.ts';
import { parseTcbInfo } from '../../src/formats/intel/tcb-info.ts';
import { SGX_COLLATERAL, TDX_COLLATERAL } from './intel-fixture.ts';

type Members = { readonly [key: string]: JsonValue };

function membersOf(bytes: Uint8Array | undefined): Members {
  return JSON.parse(parseUtf8(bytes ?? new Uint8Array()) ?? '') as Members;
}

const tcbInfo = membersOf(TDX_COLLATERAL.tcbInfo?.bytes);
const qeIdentity = membersOf(SGX_COLLATERAL.qeIdentity?.bytes);
const [level] = tcbInfo.tcbLevels as readonly Members[];
const [qeLevel] = qeIdentity.tcbLevels as readonly Members[];
const [identity] = tcbInfo.tdxModuleIdentities as readonly Members[];
const tcb = level?.tcb as Members;
const components = tcb.sgxtcbcomponents as readonly Members[];

function tcbInfoWith(changes: { readonly [key: string]: unknown }): unknown {
  return parseTcbInfo(utf8(JSON.stringify({ ...tcbInfo, ...changes })));
}

function qeIdentityWith(changes: { readonly [key: string]: unknown }): unknown {
  return parseQeIdentity(utf8(JSON.stringify({ ...qeIdentity, ...changes })));
}

function levelWith(changes: { readonly [key: string]: unknown }): unknown {
  return tcbInfoWith({ tcbLevels: [{ ...level, ...changes }] });
}

describe('TCB info', () => {
  it('is read as it stands, unknown members passed over', () => {
    expect(tcbInfoWith({ another: [1, { deep: null }] })).toMatchObject({
      value: { id: 'TDX', version: 3, tcbEvaluationDataNumber: 19, levels: [{ status: 'UpToDate' }, {}, {}] },
    });
    expect(tcbInfoWith({ fmspc: '90c06F000000' })).toMatchObject({
      value: { fmspc: Uint8Array.of(0x90, 0xc0, 0x6f, 0, 0, 0) },
    });
  });

  it.each([
    ['id', 'SEV'],
    ['id', 3],
    ['version', '3'],
    ['version', 3.5],
    ['version', -1],
    ['version', 65_536],
    ['tcbType', 1],
    ['tcbType', null],
    ['issueDate', '2026-05-20'],
    ['issueDate', '2026-05-20T00:00:00+02:00'],
    ['issueDate', '2026-02-30T00:00:00Z'],
    ['nextUpdate', 1_780_000_000],
    ['nextUpdate', undefined],
    ['fmspc', '90C06F0000'],
    ['fmspc', '90C06F00000g'],
    ['pceId', '000'],
    ['tcbEvaluationDataNumber', 2 ** 32],
    ['tdxModule', undefined],
    ['tdxModule', { mrsigner: '00' }],
    ['tdxModuleIdentities', {}],
    ['tdxModuleIdentities', [7]],
    ['tdxModuleIdentities', [{ ...identity, id: 1 }]],
    ['tdxModuleIdentities', [{ ...identity, attributesMask: 'FF' }]],
    ['tdxModuleIdentities', [{ ...identity, tcbLevels: [] }]],
    ['tcbLevels', []],
    ['tcbLevels', 'none'],
    ['tcbLevels', new Array(257).fill(level)],
  ])('with another %s is refused (%#)', (key, value) => {
    expect(tcbInfoWith({ [key]: value })).toMatchObject({ refused: expect.stringContaining(key) });
  });

  it.each([
    ['tcbStatus', 'uptodate'],
    ['tcbStatus', 'TDRelaunchAdvised'],
    ['tcbStatus', undefined],
    ['tcbDate', 'today'],
    ['advisoryIDs', 'SA-1'],
    ['advisoryIDs', [1]],
    ['advisoryIDs', ['x'.repeat(257)]],
    ['advisoryIDs', new Array(257).fill('SA-1')],
    ['tcb', undefined],
    ['tcb', { ...tcb, pcesvn: 65_536 }],
    ['tcb', { ...tcb, sgxtcbcomponents: components.slice(1) }],
    ['tcb', { ...tcb, sgxtcbcomponents: [...components, { svn: 0 }] }],
    ['tcb', { ...tcb, sgxtcbcomponents: [{ svn: 256 }, ...components.slice(1)] }],
    ['tcb', { ...tcb, tdxtcbcomponents: undefined }],
  ])('with a level of another %s is refused (%#)', (key, value) => {
    expect(levelWith({ [key]: value })).toMatchObject({ refused: expect.stringContaining('tcbLevels[0]') });
  });

  it('is one JSON object', () => {
    for (const text of ['', '[]', 'null', '{', '{}{}', '{"id":"TDX","id":"TDX"}']) {
      expect(parseTcbInfo(utf8(text))).toHaveProperty('refused');
      expect(parseQeIdentity(utf8(text))).toHaveProperty('refused');
    }
  });
});

describe('QE identity', () => {
  it('is read as it stands', () => {
    expect(qeIdentityWith({})).toMatchObject({ value: { id: 'QE', version: 2, isvProdId: 1 } });
  });

  it.each([
    ['id', undefined],
    ['miscselect', '000000'],
    ['miscselectMask', 7],
    ['attributes', '00'],
    ['attributesMask', undefined],
    ['mrsigner', 'zz'.repeat(32)],
    ['isvprodid', -1],
    ['isvprodid', 65_536],
    ['tcbLevels', [{ ...qeLevel, tcb: { isvsvn: '4' } }]],
    ['tcbLevels', [{ ...qeLevel, tcbStatus: 'SWHardeningNeeded' }]],
  ])('with another %s is refused (%#)', (key, value) => {
    expect(qeIdentityWith({ [key]: value })).toMatchObject({ refused: expect.stringContaining(key) });
  });
});
