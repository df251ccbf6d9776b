/**
 * TCB info and QE identity as endorsements: signed by Intel over the exact bytes, current, and about this quote.
 */

import { hash, verifyEcdsa } from '@cloister/crypto';
import { equalBytes, fail, ok, type Result, toHex } from '@cloister/encoding';
import type { StatementFloors, StatementSeen } from '../../endorsements/endorsement-floors.ts';
import { type CacheEntries, throughCache } from '../../x509/cache-entries.ts';
import type { PathCode } from '../../x509/certificate-path.ts';
import { type Crl, isRevoked } from '../../x509/crl.ts';
import type { IntelSignedStatement } from './collateral.ts';
import { type PathContext, verifySignerChain } from './paths.ts';
import type { PckExtension } from './pck-extension.ts';
import { type Prefixed, prefixed } from './prefixed.ts';
import { parseQeIdentity, type QeIdentity } from './qe-identity.ts';
import { parseTcbInfo, type TcbInfo } from './tcb-info.ts';

type StatementName = 'TCB_INFO' | 'QE_IDENTITY';

/** Why either statement is refused. */
export const STATEMENT_CODES = [
  'MISSING',
  'SIGNER_REVOKED',
  'SIGNATURE',
  'MALFORMED',
  'ID',
  'VERSION',
  'NOT_YET_VALID',
  'EXPIRED',
  'OLDER_THAN_SEEN',
] as const;

type StatementCode = (typeof STATEMENT_CODES)[number];

export type TcbInfoCode =
  | Prefixed<'TCB_INFO', StatementCode>
  | Prefixed<'TCB_INFO_CHAIN', PathCode>
  | 'TCB_INFO_FMSPC'
  | 'TCB_INFO_PCEID';

export type QeIdentityCode = Prefixed<'QE_IDENTITY', StatementCode> | Prefixed<'QE_IDENTITY_CHAIN', PathCode>;

/** A verified statement, and the last instant at which it and its signer's certificates are valid. */
export interface VerifiedStatement<T> {
  readonly value: T;
  readonly seen: StatementSeen;
  readonly validUntilMs: number;
}

/** What checking a statement needs. */
export interface StatementContext extends PathContext {
  readonly statementFloors?: StatementFloors | undefined;
}

interface Dated {
  readonly issueDateMs: number;
  readonly nextUpdateMs: number;
  readonly tcbEvaluationDataNumber: number;
}

type SignedCode<N extends StatementName> =
  | Prefixed<N, 'MISSING' | 'SIGNER_REVOKED' | 'SIGNATURE' | 'MALFORMED'>
  | Prefixed<Prefixed<N, 'CHAIN'>, PathCode>;

/** Checks chain, revocation and signature, then reads: nothing unsigned is interpreted. */
function verifySigned<T extends Dated, N extends StatementName>(
  name: N,
  statement: IntelSignedStatement | undefined,
  rootCrl: Crl,
  context: PathContext,
  entries: CacheEntries<T> | undefined,
  parse: (bytes: Uint8Array) => { readonly value: T } | { readonly refused: string },
): Result<Omit<VerifiedStatement<T>, 'seen'>, SignedCode<N>> {
  if (statement === undefined) return fail<SignedCode<N>>(`${name}_MISSING`);
  const chain = verifySignerChain(`${name}_CHAIN`, statement.issuerChain, context);
  if (!chain.ok) return chain;
  const { end: signer, validUntilMs } = chain.value;
  if (isRevoked(rootCrl, signer)) return fail<SignedCode<N>>(`${name}_SIGNER_REVOKED`);
  const parsed = throughCache<T, SignedCode<N>>(
    entries,
    () => hash('cloister/cache/intel-statement', signer.spki, statement.signature, statement.bytes),
    () => {
      const { publicKey } = signer;
      const { bytes: message, signature } = statement;
      if (
        publicKey?.type !== 'ec' ||
        !verifyEcdsa({ curve: 'P-256', hash: 'sha256', publicKey: publicKey.point, message, signature })
      ) {
        return fail<SignedCode<N>>(`${name}_SIGNATURE`);
      }
      const read = parse(message);
      return 'refused' in read ? fail<SignedCode<N>>(`${name}_MALFORMED`, read.refused) : ok(read.value);
    },
  );
  if (!parsed.ok) return parsed;
  const { value } = parsed;
  return ok({ value, validUntilMs: Math.min(validUntilMs, value.nextUpdateMs) });
}

/** Current at the instant, and neither issued before nor evaluated by older rules than the newest of its name. */
function checkDates<T extends Dated>(
  name: string,
  { value, validUntilMs }: Omit<VerifiedStatement<T>, 'seen'>,
  { atMs, statementFloors }: StatementContext,
): Result<VerifiedStatement<T>, 'NOT_YET_VALID' | 'EXPIRED' | 'OLDER_THAN_SEEN'> {
  const { issueDateMs, nextUpdateMs, tcbEvaluationDataNumber } = value;
  if (atMs < issueDateMs) return fail('NOT_YET_VALID');
  if (atMs > nextUpdateMs) return fail('EXPIRED');
  const floor = statementFloors?.get(name);
  if (
    floor !== undefined &&
    (issueDateMs < floor.issueDateMs || tcbEvaluationDataNumber < floor.tcbEvaluationDataNumber)
  ) {
    return fail('OLDER_THAN_SEEN', name);
  }
  return ok({ value, validUntilMs, seen: { name, issueDateMs, nextUpdateMs, tcbEvaluationDataNumber } });
}

/** TCB info; when `of` is given, for this TEE and the platform of the PCK certificate. */
export function verifyTcbInfo(
  statement: IntelSignedStatement | undefined,
  of: { readonly tee: 'sgx' | 'tdx'; readonly pck: PckExtension } | undefined,
  rootCrl: Crl,
  context: StatementContext,
): Result<VerifiedStatement<TcbInfo>, TcbInfoCode> {
  const signed = verifySigned('TCB_INFO', statement, rootCrl, context, context.cache?.tcbInfos, parseTcbInfo);
  if (!signed.ok) return signed;
  const { value } = signed.value;
  if (of !== undefined && value.id !== (of.tee === 'sgx' ? 'SGX' : 'TDX')) {
    return fail('TCB_INFO_ID', `${value.id} for ${of.tee}`);
  }
  if (value.version !== 3 && !(value.version === 2 && value.id === 'SGX')) {
    return fail('TCB_INFO_VERSION', `version ${value.version}`);
  }
  const dated = checkDates(`tcb-info/${value.id}/${toHex(value.fmspc)}`, signed.value, context);
  if (!dated.ok) return prefixed('TCB_INFO', dated);
  if (of === undefined) return dated;
  if (!equalBytes(value.fmspc, of.pck.fmspc)) {
    return fail('TCB_INFO_FMSPC', `${toHex(value.fmspc)} for ${toHex(of.pck.fmspc)}`);
  }
  return equalBytes(value.pceId, of.pck.pceId) ? dated : fail('TCB_INFO_PCEID');
}

/** The identity of the quoting enclave; when `tee` is given, for this TEE: QE, or TD_QE. */
export function verifyQeIdentity(
  statement: IntelSignedStatement | undefined,
  tee: 'sgx' | 'tdx' | undefined,
  rootCrl: Crl,
  context: StatementContext,
): Result<VerifiedStatement<QeIdentity>, QeIdentityCode> {
  const entries = context.cache?.qeIdentities;
  const signed = verifySigned('QE_IDENTITY', statement, rootCrl, context, entries, parseQeIdentity);
  if (!signed.ok) return signed;
  const { value } = signed.value;
  if (tee !== undefined && value.id !== (tee === 'sgx' ? 'QE' : 'TD_QE')) {
    return fail('QE_IDENTITY_ID', `${value.id} for ${tee}`);
  }
  if (value.version !== 2) return fail('QE_IDENTITY_VERSION', `version ${value.version}`);
  const dated = checkDates(`qe-identity/${value.id}`, signed.value, context);
  return dated.ok ? dated : prefixed('QE_IDENTITY', dated);
}
