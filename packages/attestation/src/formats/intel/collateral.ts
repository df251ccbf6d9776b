/**
 * Intel collateral: what Intel's provisioning service says about a platform, besides the PCK chain in the quote.
 *
 * The JSON form holds TCB info and QE identity as strings, which are the exact signed texts; signatures and CRLs are hex,
 * issuer chains PEM. Whatever is absent stays undefined and is refused by the check that needs it.
 */
import { fail, parseJson, type Result, utf8 } from '@cloister/encoding';
import {
  anyJson,
  hexBytes,
  mapped,
  member,
  nullable,
  parsedBy,
  parseShape,
  type Shape,
  text,
  withDefault,
} from '@cloister/encoding/shape';
import { parsePem } from '../../x509/pem.ts';

/** A JSON text with Intel's signature over its exact bytes. */
export interface IntelSignedStatement {
  /** The signed bytes, as received. */
  readonly bytes: Uint8Array;
  /** r ‖ s, 64 bytes, big-endian. */
  readonly signature: Uint8Array;
  /** DER, leaf first, as Intel sends it. */
  readonly issuerChain: readonly Uint8Array[];
}

export interface IntelCollateral {
  readonly tcbInfo?: IntelSignedStatement | undefined;
  readonly qeIdentity?: IntelSignedStatement | undefined;
  /** DER, by the root. */
  readonly rootCrl?: Uint8Array | undefined;
  /** DER, by the issuer of the PCK certificate. */
  readonly pckCrl?: Uint8Array | undefined;
  /** DER, leaf (the PCK certificate's issuer) first. */
  readonly pckCrlIssuerChain?: readonly Uint8Array[] | undefined;
}

/** Largest JSON form, in bytes. */
export const MAX_COLLATERAL_BYTES: number = 512 * 1024;

const hexText = hexBytes(0, MAX_COLLATERAL_BYTES);
const pemChain = parsedBy(
  (value) => (typeof value === 'string' ? parsePem(value, 'CERTIFICATE') : undefined),
  'certificates in PEM',
);

/** Undefined for a member that is absent or null. */
function ifGiven<T>(shape: Shape<T>): Shape<T | undefined> {
  return mapped(withDefault(nullable(shape), null), (read) => read ?? undefined);
}

/** A text, and beside it its signature and the chain of its signer; these two count only where there is a text. */
function statement(name: string): Shape<IntelSignedStatement | undefined> {
  const signed = member(name, ifGiven(anyJson));
  const bytes = member(name, mapped(text(MAX_COLLATERAL_BYTES), utf8));
  const signature = member(`${name}_signature`, hexText);
  const issuerChain = member(`${name}_issuer_chain`, pemChain);
  return (value, path) =>
    signed(value, path) === undefined
      ? undefined
      : { bytes: bytes(value, path), signature: signature(value, path), issuerChain: issuerChain(value, path) };
}

const tcbInfo = statement('tcb_info');
const qeIdentity = statement('qe_identity');
const rootCrl = member('root_ca_crl', ifGiven(hexText));
const pckCrl = member('pck_crl', ifGiven(hexText));
const pckCrlIssuerChain = member('pck_crl_issuer_chain', ifGiven(pemChain));

const collateral: Shape<IntelCollateral> = (value, path) => ({
  tcbInfo: tcbInfo(value, path),
  qeIdentity: qeIdentity(value, path),
  rootCrl: rootCrl(value, path),
  pckCrl: pckCrl(value, path),
  pckCrlIssuerChain: pckCrlIssuerChain(value, path),
});

/** Parses the JSON form; unknown members are passed over. Signatures and contents are not judged. Never throws. */
export function parseIntelCollateral(bytes: Uint8Array): Result<IntelCollateral, 'COLLATERAL_MALFORMED'> {
  const parsed = parseJson(bytes, { maxBytes: MAX_COLLATERAL_BYTES, maxDepth: 8 });
  if (!parsed.ok) return fail('COLLATERAL_MALFORMED', parsed.code);
  const read = parseShape(collateral, parsed.value, 'collateral');
  return read.ok ? read : fail('COLLATERAL_MALFORMED', read.detail);
}
