/**
 * The certificate chain of an SEV-SNP report: pinned ARK → ASK → VCEK, or pinned ARK → ASVK → VLEK.
 *
 * Authenticating a chain costs three RSA verifications and depends on nothing but its bytes and the anchors, so that the
 * result can be cached by digest; validity at an instant is judged each time. The checks run in
 * the order in which `SnpChainCode` lists their codes.
 */
import { equalBytes, fail, ok, type Result } from '@cloister/encoding';
import { pinnedSnpProduct, type TrustAnchors } from '../../policy/trust-anchors.ts';
import {
  criticalExtensionsKnown,
  type ParsedCertificate,
  type PublicKey,
  parseCertificate,
  spkiPin,
  verifySignature,
} from '../../x509/x509.ts';
import { commonNameOf } from '../../x509/x509-fields.ts';
import type { SnpProduct } from './product.ts';
import type { SnpSigningKey } from './report.ts';
import { isVekCertificate, readVekStatement, type VekCode, type VekStatement } from './vek-certificate.ts';

/** Why a set of certificates is no chain to a pinned root. */
export type SnpChainCode =
  | 'ENDORSEMENTS_MISSING'
  | 'CERTIFICATE_MALFORMED'
  | 'ROOT_MISSING'
  | 'ROOT_NOT_PINNED'
  | 'LEAF_MISSING'
  | 'LEAF_AMBIGUOUS'
  | 'INTERMEDIATE_MISSING'
  | 'CERTIFICATE_NAME'
  | 'CERTIFICATE_ALGORITHM'
  | 'CERTIFICATE_KEY'
  | 'CERTIFICATE_CRITICAL_EXTENSION'
  | 'CERTIFICATE_NOT_CA'
  | 'CERTIFICATE_KEY_USAGE'
  | 'CERTIFICATE_PATH_LENGTH'
  | 'ROOT_SIGNATURE'
  | 'INTERMEDIATE_SIGNATURE'
  | 'LEAF_SIGNATURE'
  | 'LEAF_IS_CA'
  | 'LEAF_KEY_NOT_P384'
  | VekCode;

/** An authenticated chain, its validity not yet judged. */
export interface SnpChain {
  readonly product: SnpProduct;
  /** Kind of the leaf. */
  readonly signingKey: SnpSigningKey;
  readonly root: ParsedCertificate;
  readonly intermediate: ParsedCertificate;
  readonly leaf: ParsedCertificate;
  /** Uncompressed P-384 point. */
  readonly leafPoint: Uint8Array;
  readonly statement: VekStatement;
}

const RSA_BYTES = 512;

/** Finds and authenticates the one chain in `certificates`, in whatever order they come. */
export function authenticateSnpChain(
  certificates: readonly Uint8Array[],
  anchors: TrustAnchors,
): Result<SnpChain, SnpChainCode> {
  if (certificates.length === 0) return fail('ENDORSEMENTS_MISSING');
  const parsed: ParsedCertificate[] = [];
  for (const [index, der] of certificates.entries()) {
    const certificate = parseCertificate(der);
    if (certificate === undefined) return fail('CERTIFICATE_MALFORMED', `certificate ${index}`);
    parsed.push(certificate);
  }
  const leaves = parsed.filter(isVekCertificate);
  const [leaf] = leaves;
  if (leaf === undefined) return fail('LEAF_MISSING');
  if (leaves.length > 1) return fail('LEAF_AMBIGUOUS');
  const roots = parsed.filter((c) => c !== leaf && equalBytes(c.issuer, c.subject));
  if (roots.length === 0) return fail('ROOT_MISSING');
  for (const root of roots) {
    const product = pinnedSnpProduct(anchors, spkiPin(root));
    if (product !== undefined) return authenticate(product, root, leaf, parsed);
  }
  return fail('ROOT_NOT_PINNED');
}

function authenticate(
  product: SnpProduct,
  root: ParsedCertificate,
  leaf: ParsedCertificate,
  parsed: readonly ParsedCertificate[],
): Result<SnpChain, SnpChainCode> {
  if (commonNameOf(root.subject) !== `ARK-${product}`) return fail('CERTIFICATE_NAME', 'root');
  const rootKey = rsaKeyOf(root);
  if (rootKey === undefined) return fail('CERTIFICATE_KEY', 'root');
  const rootRefusal = checkAuthority(root, 1) ?? checkSigned(root, rootKey, 'ROOT_SIGNATURE');
  if (rootRefusal !== undefined) return fail(rootRefusal, 'root');
  if (root.keyUsage?.crlSign !== true) return fail('CERTIFICATE_KEY_USAGE', 'root: CRL signing');

  const intermediate = parsed.find(
    (c) => c !== root && c !== leaf && equalBytes(c.subject, leaf.issuer) && equalBytes(c.issuer, root.subject),
  );
  if (intermediate === undefined) return fail('INTERMEDIATE_MISSING');
  const signingKey = signingKeyOf(intermediate, product);
  if (signingKey === undefined) return fail('CERTIFICATE_NAME', 'intermediate');
  const intermediateKey = rsaKeyOf(intermediate);
  if (intermediateKey === undefined) return fail('CERTIFICATE_KEY', 'intermediate');
  const intermediateRefusal =
    checkAuthority(intermediate, 0) ?? checkSigned(intermediate, rootKey, 'INTERMEDIATE_SIGNATURE');
  if (intermediateRefusal !== undefined) return fail(intermediateRefusal, 'intermediate');

  if (commonNameOf(leaf.subject) !== `SEV-${signingKey}`) return fail('CERTIFICATE_NAME', 'leaf');
  const leafRefusal = checkLeaf(leaf) ?? checkSigned(leaf, intermediateKey, 'LEAF_SIGNATURE');
  if (leafRefusal !== undefined) return fail(leafRefusal, 'leaf');
  const { publicKey } = leaf;
  if (publicKey?.type !== 'ec' || publicKey.curve !== 'P-384') return fail('LEAF_KEY_NOT_P384');
  const statement = readVekStatement(leaf, product);
  if (!statement.ok) return statement;
  return ok({
    product,
    signingKey,
    root,
    intermediate,
    leaf,
    leafPoint: publicKey.point,
    statement: statement.value,
  });
}

/** ASKs certify chips, ASVKs certify providers' keys; their names tell them apart. */
function signingKeyOf(intermediate: ParsedCertificate, product: SnpProduct): SnpSigningKey | undefined {
  const name = commonNameOf(intermediate.subject);
  if (name === `SEV-${product}`) return 'VCEK';
  return name === `SEV-VLEK-${product}` ? 'VLEK' : undefined;
}

function rsaKeyOf(certificate: ParsedCertificate): PublicKey | undefined {
  const key = certificate.publicKey;
  return key?.type === 'rsa' && key.modulus.length === RSA_BYTES ? key : undefined;
}

/** `authoritiesBelow`: how many certification authorities stand between this one and the leaf. */
function checkAuthority(certificate: ParsedCertificate, authoritiesBelow: number): SnpChainCode | undefined {
  if (!criticalExtensionsKnown(certificate)) return 'CERTIFICATE_CRITICAL_EXTENSION';
  if (certificate.basicConstraints?.ca !== true) return 'CERTIFICATE_NOT_CA';
  if (certificate.keyUsage?.certificateSign !== true) return 'CERTIFICATE_KEY_USAGE';
  const { pathLength } = certificate.basicConstraints;
  return pathLength !== undefined && pathLength < authoritiesBelow ? 'CERTIFICATE_PATH_LENGTH' : undefined;
}

function checkLeaf(leaf: ParsedCertificate): SnpChainCode | undefined {
  if (!criticalExtensionsKnown(leaf)) return 'CERTIFICATE_CRITICAL_EXTENSION';
  if (leaf.basicConstraints?.ca === true) return 'LEAF_IS_CA';
  return leaf.keyUsage !== undefined && !leaf.keyUsage.digitalSignature ? 'CERTIFICATE_KEY_USAGE' : undefined;
}

/** RSASSA-PSS with SHA-384 and a salt as long as the hash, by the issuer's key. */
function checkSigned<C extends SnpChainCode>(
  certificate: ParsedCertificate,
  issuerKey: PublicKey,
  code: C,
): C | 'CERTIFICATE_ALGORITHM' | undefined {
  const { signatureAlgorithm: algorithm, tbs, signature } = certificate;
  if (algorithm?.type !== 'rsa-pss' || algorithm.hash !== 'sha384' || algorithm.saltLength !== 48) {
    return 'CERTIFICATE_ALGORITHM';
  }
  return verifySignature(issuerKey, algorithm, tbs, signature) ? undefined : code;
}
