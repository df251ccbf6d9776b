/**
 * TCB info: which TCB levels Intel knows for a kind of processor, and what each is worth.
 *
 * Source: Intel PCS API v4, "Get TCB Info"; version 2 (SGX only, components as members of their own) and version 3.
 */

import { type JsonMembers, readStatement } from './json-members.ts';
import { COMPONENT_STATUSES, PLATFORM_STATUSES } from './tcb-status.ts';

/** A level of the platform. */
export interface PlatformLevel {
  readonly sgxComponents: readonly number[];
  /** Undefined in TCB info for SGX. */
  readonly tdxComponents: readonly number[] | undefined;
  readonly pceSvn: number;
  readonly status: (typeof PLATFORM_STATUSES)[number];
  readonly tcbDateMs: number;
  readonly advisories: readonly string[];
}

/** A level of the TDX module or of the quoting enclave. */
export interface ComponentLevel {
  readonly isvSvn: number;
  readonly status: (typeof COMPONENT_STATUSES)[number];
  readonly tcbDateMs: number;
  readonly advisories: readonly string[];
}

/** Who signed the TDX module, and its SEAM attributes under their mask. */
export interface TdxModule {
  readonly mrSigner: Uint8Array;
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
}

/** A major version of the TDX module. */
export interface TdxModuleIdentity extends TdxModule {
  /** Such as "TDX_01", upper case. */
  readonly id: string;
  /** Newest first. */
  readonly levels: readonly ComponentLevel[];
}

/** Times are milliseconds of the Unix epoch. */
export interface TcbInfo {
  readonly id: 'SGX' | 'TDX';
  readonly version: number;
  readonly issueDateMs: number;
  readonly nextUpdateMs: number;
  readonly fmspc: Uint8Array;
  readonly pceId: Uint8Array;
  readonly tcbEvaluationDataNumber: number;
  /** Of a module whose major version is 0; undefined for SGX. */
  readonly tdxModule: TdxModule | undefined;
  readonly tdxModuleIdentities: readonly TdxModuleIdentity[];
  /** In Intel's order, newest first. */
  readonly levels: readonly PlatformLevel[];
}

const MAX_LEVELS = 256;
const MAX_ADVISORIES = 256;
const COMPONENTS = 16;

/** Reads TCB info, or names what is not as it should be. Unknown members are passed over. Never throws. */
export function parseTcbInfo(bytes: Uint8Array): { readonly value: TcbInfo } | { readonly refused: string } {
  return readStatement(bytes, 'tcbInfo', (members) => {
    const version = members.number('version', 0xffff);
    // Only version 2 knows no id.
    const id = version === 2 && !members.has('id') ? 'SGX' : members.oneOf('id', ['SGX', 'TDX']);
    members.number('tcbType', 0);
    const isTdx = id === 'TDX';
    return {
      id,
      version,
      issueDateMs: members.instant('issueDate'),
      nextUpdateMs: members.instant('nextUpdate'),
      fmspc: members.hex('fmspc', 6),
      pceId: members.hex('pceId', 2),
      tcbEvaluationDataNumber: members.number('tcbEvaluationDataNumber', 0xffff_ffff),
      tdxModule: isTdx ? readModule(members.object('tdxModule')) : undefined,
      tdxModuleIdentities: isTdx ? readIdentities(members) : [],
      levels: members.objects('tcbLevels', 1, MAX_LEVELS).map((level) => readPlatformLevel(level, version, isTdx)),
    };
  });
}

function readModule(members: JsonMembers): TdxModule {
  return {
    mrSigner: members.hex('mrsigner', 48),
    attributes: members.hex('attributes', 8),
    attributesMask: members.hex('attributesMask', 8),
  };
}

function readIdentities(members: JsonMembers): readonly TdxModuleIdentity[] {
  if (!members.has('tdxModuleIdentities')) return [];
  return members.objects('tdxModuleIdentities', 0, MAX_LEVELS).map((identity) => ({
    id: identity.text('id').toUpperCase(),
    ...readModule(identity),
    levels: readComponentLevels(identity),
  }));
}

/** The levels of the TDX module or of the quoting enclave. */
export function readComponentLevels(members: JsonMembers): readonly ComponentLevel[] {
  return members.objects('tcbLevels', 1, MAX_LEVELS).map((level) => ({
    isvSvn: level.object('tcb').number('isvsvn', 0xffff),
    status: level.oneOf('tcbStatus', COMPONENT_STATUSES),
    tcbDateMs: level.instant('tcbDate'),
    advisories: level.texts('advisoryIDs', MAX_ADVISORIES),
  }));
}

function readPlatformLevel(level: JsonMembers, version: number, isTdx: boolean): PlatformLevel {
  const tcb = level.object('tcb');
  return {
    sgxComponents: version === 2 ? readNumberedComponents(tcb) : readComponents(tcb, 'sgxtcbcomponents'),
    tdxComponents: isTdx ? readComponents(tcb, 'tdxtcbcomponents') : undefined,
    pceSvn: tcb.number('pcesvn', 0xffff),
    status: level.oneOf('tcbStatus', PLATFORM_STATUSES),
    tcbDateMs: level.instant('tcbDate'),
    advisories: level.texts('advisoryIDs', MAX_ADVISORIES),
  };
}

function readComponents(tcb: JsonMembers, key: string): readonly number[] {
  return tcb.objects(key, COMPONENTS, COMPONENTS).map((component) => component.number('svn', 255));
}

/** Version 2: sgxtcbcomp01svn to sgxtcbcomp16svn. */
function readNumberedComponents(tcb: JsonMembers): readonly number[] {
  return Array.from({ length: COMPONENTS }, (_, index) =>
    tcb.number(`sgxtcbcomp${String(index + 1).padStart(2, '0')}svn`, 255),
  );
}
