/**
 * Intel collateral: what Intel's provisioning service says about a platform, besides the PCK chain in the quote.
 *
 * The JSON form holds TCB info and QE identity as strings, which are the exact signed texts; signatures and CRLs are hex,
 * issuer chains PEM. Whatever is absent stays undefined and is refused by the check that needs it.
 */
import { fail, fromHex, type JsonValue, ok, parseJson, type Result, utf8 } from '@cloister/encoding';
import { jsonObject } from '../../policy/json-fields.ts';
import { parsePem } from '../../x509/pem.ts';

/** A JSON text with Intel's signature over its exact bytes. */
export interface SignedStatement {
  /** The signed bytes, as received. */
  readonly bytes: Uint8Array;
  /** r ‖ s, 64 bytes, big-endian. */
  readonly signature: Uint8Array;
  /** DER, leaf first, as Intel sends it. */
  readonly issuerChain: readonly Uint8Array[];
}

export interface IntelCollateral {
  readonly tcbInfo?: SignedStatement | undefined;
  readonly qeIdentity?: SignedStatement | undefined;
  /** DER, by the root. */
  readonly rootCrl?: Uint8Array | undefined;
  /** DER, by the issuer of the PCK certificate. */
  readonly pckCrl?: Uint8Array | undefined;
  /** DER, leaf (the PCK certificate's issuer) first. */
  readonly pckCrlIssuerChain?: readonly Uint8Array[] | undefined;
}

/** Largest JSON form, in bytes. */
export const MAX_COLLATERAL_BYTES: number = 512 * 1024;

type Members = { readonly [key: string]: JsonValue };

/** Parses the JSON form; unknown members are passed over. Signatures and contents are not judged. Never throws. */
export function parseIntelCollateral(bytes: Uint8Array): Result<IntelCollateral, 'COLLATERAL_MALFORMED'> {
  const parsed = parseJson(bytes, { maxBytes: MAX_COLLATERAL_BYTES, maxDepth: 8 });
  if (!parsed.ok) return fail('COLLATERAL_MALFORMED', parsed.code);
  const members = jsonObject(parsed.value);
  if (members === undefined) return fail('COLLATERAL_MALFORMED', 'not an object');
  const tcbInfo = statement(members, 'tcb_info');
  if (tcbInfo === 'malformed') return fail('COLLATERAL_MALFORMED', 'tcb_info');
  const qeIdentity = statement(members, 'qe_identity');
  if (qeIdentity === 'malformed') return fail('COLLATERAL_MALFORMED', 'qe_identity');
  const [rootCrl, pckCrl] = [optional(members.root_ca_crl, hexBytes), optional(members.pck_crl, hexBytes)];
  if (rootCrl === 'malformed') return fail('COLLATERAL_MALFORMED', 'root_ca_crl');
  if (pckCrl === 'malformed') return fail('COLLATERAL_MALFORMED', 'pck_crl');
  const pckCrlIssuerChain = optional(members.pck_crl_issuer_chain, pemChain);
  if (pckCrlIssuerChain === 'malformed') return fail('COLLATERAL_MALFORMED', 'pck_crl_issuer_chain');
  return ok({ tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuerChain });
}

function statement(members: Members, name: string): SignedStatement | undefined | 'malformed' {
  const text = members[name];
  if (text === undefined || text === null) return undefined;
  const signature = hexBytes(members[`${name}_signature`]);
  const issuerChain = pemChain(members[`${name}_issuer_chain`]);
  if (typeof text !== 'string' || signature === undefined || issuerChain === undefined) return 'malformed';
  return { bytes: utf8(text), signature, issuerChain };
}

function optional<T>(
  value: JsonValue | undefined,
  read: (value: JsonValue) => T | undefined,
): T | undefined | 'malformed' {
  if (value === undefined || value === null) return undefined;
  return read(value) ?? 'malformed';
}

/** Bytes of hex in either case. */
function hexBytes(value: JsonValue | undefined): Uint8Array | undefined {
  return typeof value === 'string' && /^(?:[0-9a-fA-F]{2})*$/.test(value) ? fromHex(value) : undefined;
}

function pemChain(value: JsonValue | undefined): readonly Uint8Array[] | undefined {
  return typeof value === 'string' ? parsePem(value, 'CERTIFICATE') : undefined;
}
