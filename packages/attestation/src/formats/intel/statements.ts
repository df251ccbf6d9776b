/**
 * TCB info and QE identity as endorsements: signed by Intel over the exact bytes, current, and about this quote.
 */
import { equalBytes, fail, hash, ok, type Result, toHex, verifyEcdsa } from '@cloister/crypto';
import type { PathCode } from '../../certificate-path.ts';
import { type Crl, isRevoked } from '../../crl.ts';
import { type CacheEntries, throughCache } from '../../endorsement-cache.ts';
import type { SignedStatement } from './collateral.ts';
import { type PathContext, verifySignerChain } from './paths.ts';
import type { PckExtension } from './pck-extension.ts';
import type { Prefixed } from './prefixed.ts';
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
  readonly validUntilMs: number;
}

interface Dated {
  readonly issueDateMs: number;
  readonly nextUpdateMs: number;
}

type SignedCode<N extends StatementName> =
  | Prefixed<N, 'MISSING' | 'SIGNER_REVOKED' | 'SIGNATURE' | 'MALFORMED'>
  | Prefixed<Prefixed<N, 'CHAIN'>, PathCode>;

/** Checks chain, revocation and signature, then reads: nothing unsigned is interpreted. */
function verifySigned<T extends Dated, N extends StatementName>(
  name: N,
  statement: SignedStatement | undefined,
  rootCrl: Crl,
  context: PathContext,
  entries: CacheEntries<T> | undefined,
  parse: (bytes: Uint8Array) => { readonly value: T } | { readonly refused: string },
): Result<VerifiedStatement<T>, SignedCode<N>> {
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

function dateCode({ issueDateMs, nextUpdateMs }: Dated, atMs: number): 'NOT_YET_VALID' | 'EXPIRED' | undefined {
  if (atMs < issueDateMs) return 'NOT_YET_VALID';
  return atMs > nextUpdateMs ? 'EXPIRED' : undefined;
}

/** TCB info for this TEE and the platform of the PCK certificate. */
export function verifyTcbInfo(
  statement: SignedStatement | undefined,
  tee: 'sgx' | 'tdx',
  pck: PckExtension,
  rootCrl: Crl,
  context: PathContext,
): Result<VerifiedStatement<TcbInfo>, TcbInfoCode> {
  const signed = verifySigned('TCB_INFO', statement, rootCrl, context, context.cache?.tcbInfos, parseTcbInfo);
  if (!signed.ok) return signed;
  const { value } = signed.value;
  if (value.id !== (tee === 'sgx' ? 'SGX' : 'TDX')) return fail('TCB_INFO_ID', `${value.id} for ${tee}`);
  if (value.version !== 3 && !(value.version === 2 && tee === 'sgx')) {
    return fail('TCB_INFO_VERSION', `version ${value.version}`);
  }
  const date = dateCode(value, context.atMs);
  if (date !== undefined) return fail(`TCB_INFO_${date}`);
  if (!equalBytes(value.fmspc, pck.fmspc)) {
    return fail('TCB_INFO_FMSPC', `${toHex(value.fmspc)} for ${toHex(pck.fmspc)}`);
  }
  return equalBytes(value.pceId, pck.pceId) ? signed : fail('TCB_INFO_PCEID');
}

/** The identity of the quoting enclave for this TEE: QE, or TD_QE. */
export function verifyQeIdentity(
  statement: SignedStatement | undefined,
  tee: 'sgx' | 'tdx',
  rootCrl: Crl,
  context: PathContext,
): Result<VerifiedStatement<QeIdentity>, QeIdentityCode> {
  const entries = context.cache?.qeIdentities;
  const signed = verifySigned('QE_IDENTITY', statement, rootCrl, context, entries, parseQeIdentity);
  if (!signed.ok) return signed;
  const { value } = signed.value;
  if (value.id !== (tee === 'sgx' ? 'QE' : 'TD_QE')) return fail('QE_IDENTITY_ID', `${value.id} for ${tee}`);
  if (value.version !== 2) return fail('QE_IDENTITY_VERSION', `version ${value.version}`);
  const date = dateCode(value, context.atMs);
  return date === undefined ? signed : fail(`QE_IDENTITY_${date}`);
}
