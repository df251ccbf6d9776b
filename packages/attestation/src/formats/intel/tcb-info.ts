/**
 * TCB info: which TCB levels Intel knows for a kind of processor, and what each is worth.
 *
 * Source: Intel PCS API v4, "Get TCB Info"; version 2 (SGX only, components as members of their own) and version 3.
 */

import {
  anyJson,
  array,
  count,
  hexBytes,
  literal,
  mapped,
  member,
  oneOf,
  openObject,
  optional,
  refuse,
  type Shape,
  withDefault,
} from '@cloister/encoding/shape';
import { advisories, instant, readStatement, statementText } from './statement-json.ts';
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
  /** The TDX module with major version 0; undefined for SGX. */
  readonly tdxModule: TdxModule | undefined;
  readonly tdxModuleIdentities: readonly TdxModuleIdentity[];
  /** In Intel's order, newest first. */
  readonly levels: readonly PlatformLevel[];
}

const MAX_LEVELS = 256;
const COMPONENTS = 16;

/** Components of a version-2 level: sgxtcbcomp01svn to sgxtcbcomp16svn. */
const NUMBERED: readonly string[] = Array.from(
  { length: COMPONENTS },
  (_, index) => `sgxtcbcomp${String(index + 1).padStart(2, '0')}svn`,
);

const svn8 = count({ max: 255 });
const svn16 = count({ max: 0xffff });
const components = array(
  mapped(openObject({ svn: svn8 }), ({ svn }) => svn),
  { min: COMPONENTS, max: COMPONENTS },
);
const numberedComponents: Shape<readonly number[]> = (value, path) =>
  NUMBERED.map((name) => member(name, svn8)(value, path));

/** The levels of the TDX module or of the quoting enclave. */
export const componentLevels: Shape<readonly ComponentLevel[]> = array(
  mapped(
    openObject({
      tcb: openObject({ isvsvn: svn16 }),
      tcbStatus: oneOf(COMPONENT_STATUSES),
      tcbDate: instant,
      advisoryIDs: advisories,
    }),
    ({ tcb, tcbStatus, tcbDate, advisoryIDs }): ComponentLevel => ({
      isvSvn: tcb.isvsvn,
      status: tcbStatus,
      tcbDateMs: tcbDate,
      advisories: advisoryIDs,
    }),
  ),
  { min: 1, max: MAX_LEVELS },
);

function platformLevel(version: number, isTdx: boolean): Shape<PlatformLevel> {
  const sgx = version === 2 ? numberedComponents : member('sgxtcbcomponents', components);
  return (value, path) => {
    const level = platformLevelMembers(value, path);
    const tcbPath = `${path}.tcb`;
    const tcb = member('tcb', anyJson)(value, path);
    return {
      sgxComponents: sgx(tcb, tcbPath),
      tdxComponents: isTdx ? member('tdxtcbcomponents', components)(tcb, tcbPath) : undefined,
      pceSvn: level.tcb.pcesvn,
      status: level.tcbStatus,
      tcbDateMs: level.tcbDate,
      advisories: level.advisoryIDs,
    };
  };
}

const platformLevelMembers = openObject({
  tcb: openObject({ pcesvn: svn16 }),
  tcbStatus: oneOf(PLATFORM_STATUSES),
  tcbDate: instant,
  advisoryIDs: advisories,
});

const moduleMembers = {
  mrsigner: hexBytes(48),
  attributes: hexBytes(8),
  attributesMask: hexBytes(8),
};
const tdxModule = mapped(
  openObject(moduleMembers),
  ({ mrsigner, attributes, attributesMask }): TdxModule => ({ mrSigner: mrsigner, attributes, attributesMask }),
);
const tdxModuleIdentities = withDefault(
  array(
    mapped(
      openObject({ ...moduleMembers, id: statementText, tcbLevels: componentLevels }),
      ({ id, mrsigner, attributes, attributesMask, tcbLevels }): TdxModuleIdentity => ({
        id: id.toUpperCase(),
        mrSigner: mrsigner,
        attributes,
        attributesMask,
        levels: tcbLevels,
      }),
    ),
    { max: MAX_LEVELS },
  ),
  [],
);

const commonMembers = openObject({
  version: svn16,
  id: optional(oneOf(['SGX', 'TDX'])),
  tcbType: literal(0),
  issueDate: instant,
  nextUpdate: instant,
  fmspc: hexBytes(6),
  pceId: hexBytes(2),
  tcbEvaluationDataNumber: count({ max: 0xffff_ffff }),
});

const tcbInfo: Shape<TcbInfo> = (value, path) => {
  const common = commonMembers(value, path);
  const { version, fmspc, pceId, tcbEvaluationDataNumber } = common;
  // Only version 2 knows no id.
  const id = common.id ?? (version === 2 ? 'SGX' : refuse(`${path}.id`, 'one of SGX, TDX'));
  const isTdx = id === 'TDX';
  return {
    id,
    version,
    issueDateMs: common.issueDate,
    nextUpdateMs: common.nextUpdate,
    fmspc,
    pceId,
    tcbEvaluationDataNumber,
    tdxModule: isTdx ? member('tdxModule', tdxModule)(value, path) : undefined,
    tdxModuleIdentities: isTdx ? member('tdxModuleIdentities', tdxModuleIdentities)(value, path) : [],
    levels: member('tcbLevels', array(platformLevel(version, isTdx), { min: 1, max: MAX_LEVELS }))(value, path),
  };
};

/** Reads TCB info, or names what is not as it should be. Never throws. */
export function parseTcbInfo(bytes: Uint8Array): { readonly value: TcbInfo } | { readonly refused: string } {
  return readStatement(bytes, 'tcbInfo', tcbInfo);
}
