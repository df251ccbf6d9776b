/**
 * The leaf certificates of SEV-SNP: VCEK (of one chip) and VLEK (of one cloud provider), and their AMD extensions.
 *
 * Source: KDS interface specification (AMD 57230) table 8. The hardware id is raw bytes in the extension's OCTET STRING,
 * unlike all others, which are DER.
 */
import { fail, ok, parseUtf8, type Result } from '@cloister/encoding';
import { DER_TAGS, decodeDer } from '../../x509/der.ts';
import { extensionValue, type ParsedCertificate } from '../../x509/x509.ts';
import { productOfName, type SnpProduct } from './product.ts';
import { requiredSplArcs, SPL_ARCS } from './tcb.ts';

/** Object identifiers of AMD's extensions. */
export const VEK_OIDS = {
  structVersion: '1.3.6.1.4.1.3704.1.1',
  productName: '1.3.6.1.4.1.3704.1.2',
  hardwareId: '1.3.6.1.4.1.3704.1.4',
  cspId: '1.3.6.1.4.1.3704.1.5',
} as const;

/** Object identifier of the extension that certifies one TCB component. */
export function splOid(arc: number): string {
  return `1.3.6.1.4.1.3704.1.3.${arc}`;
}

/** What a VCEK or VLEK certificate states. */
export interface VekStatement {
  /** As written, such as "Milan-B0". */
  readonly productName: string;
  /** Certified TCB version, laid out as in a report. */
  readonly tcb: Uint8Array;
  /** Raw bytes; undefined when absent. */
  readonly hardwareId: Uint8Array | undefined;
  readonly cspId: string | undefined;
}

export type VekCode = 'VEK_EXTENSION_MISSING' | 'VEK_EXTENSION_MALFORMED' | 'VEK_PRODUCT_MISMATCH';

/** Whether the certificate carries AMD's product name, as every VCEK and VLEK does. */
export function isVekCertificate(certificate: ParsedCertificate): boolean {
  return extensionValue(certificate, VEK_OIDS.productName) !== undefined;
}

/** Reads the AMD extensions of a leaf (`isVekCertificate`) of this product line. */
export function readVekStatement(certificate: ParsedCertificate, product: SnpProduct): Result<VekStatement, VekCode> {
  const name = extensionValue(certificate, VEK_OIDS.productName);
  const productName = name === undefined ? undefined : readIa5(name);
  if (productName === undefined) return fail('VEK_EXTENSION_MALFORMED', 'product name');
  if (productOfName(productName) !== product) return fail('VEK_PRODUCT_MISMATCH', `${productName} under ${product}`);
  const required = requiredSplArcs(product);
  const tcb = new Uint8Array(8);
  for (const [index, arc] of SPL_ARCS[product].entries()) {
    const value = extensionValue(certificate, splOid(arc));
    if (value === undefined) {
      if (required.includes(arc)) return fail('VEK_EXTENSION_MISSING', splOid(arc));
      continue;
    }
    const spl = decodeDer(value, (reader) => reader.smallInteger(255));
    if (spl === undefined) return fail('VEK_EXTENSION_MALFORMED', splOid(arc));
    tcb[index] = spl;
  }
  const csp = extensionValue(certificate, VEK_OIDS.cspId);
  const cspId = csp === undefined ? undefined : readIa5(csp);
  if (csp !== undefined && (cspId === undefined || cspId === '')) return fail('VEK_EXTENSION_MALFORMED', 'CSP id');
  return ok({ productName, tcb, hardwareId: extensionValue(certificate, VEK_OIDS.hardwareId), cspId });
}

function readIa5(value: Uint8Array): string | undefined {
  const content = decodeDer(value, (reader) => reader.read(DER_TAGS.ia5String).content);
  return content === undefined || content.some((byte) => byte >= 0x80) ? undefined : parseUtf8(content);
}
