/**
 * Intel's Provisioning Certification Service, API version 4: TCB info, QE identity, and the CRLs of root and PCK issuer.
 *
 * Source: Intel PCS API v4 ("Get TCB Info", "Get Quoting Enclave Identity", "Retrieve PCK CRL"). Statements come as
 * {"tcbInfo": …, "signature": hex}, signed over the bytes of the member; issuer chains come as URL-encoded PEM in headers.
 * A caching service of one's own (PCCS) answers the same addresses.
 */
import {
  certificatePeriod,
  crlPeriod,
  type IntelCollateral,
  type IntelEndorsementNeeds,
  type IntelSignedStatement,
  parsePem,
  statementPeriod,
} from '@cloister/attestation';
import { ok } from '@cloister/encoding';
import { anyObject, hexBytes, object, parseShape } from '@cloister/encoding/shape';
import { commonPeriod, type EndorsementRequest, malformed } from './answers.ts';
import { jsonMemberBytes } from './json-member-bytes.ts';

/** Before which of Intel's two dates of a TCB recovery a platform counts as up to date: 'early' knows the newest levels. */
export type IntelUpdate = 'standard' | 'early';

export interface IntelService {
  /** Without trailing slash, such as "https://api.trustedservices.intel.com". */
  readonly pcs: string;
  /** Address of the root's CRL in DER. */
  readonly rootCrl: string;
}

export const INTEL_SERVICE: IntelService = {
  pcs: 'https://api.trustedservices.intel.com',
  rootCrl: 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
};

const JSON_LIMITS = { maxBytes: 512 * 1024, maxDepth: 10 };
const SIGNATURE_BYTES = 64;

interface PckCrl {
  readonly crl: Uint8Array;
  readonly issuerChain: readonly Uint8Array[];
}

/** The four requests that make collateral. */
export interface IntelRequests {
  readonly tcbInfo: EndorsementRequest<IntelSignedStatement>;
  readonly qeIdentity: EndorsementRequest<IntelSignedStatement>;
  readonly pckCrl: EndorsementRequest<PckCrl>;
  readonly rootCrl: EndorsementRequest<Uint8Array>;
}

/** What to ask for a platform. */
export function intelRequests(
  { platform, fmspc, pckIssuer }: IntelEndorsementNeeds,
  update: IntelUpdate,
  { pcs, rootCrl }: IntelService = INTEL_SERVICE,
): IntelRequests {
  const base = `${pcs}/${platform}/certification/v4`;
  return {
    tcbInfo: statementRequest('tcb-info', `${base}/tcb?fmspc=${fmspc}&update=${update}`),
    qeIdentity: statementRequest('qe-identity', `${base}/qe/identity?update=${update}`),
    pckCrl: pckCrlRequest(`${pcs}/sgx/certification/v4/pckcrl?ca=${pckIssuer}&encoding=der`),
    rootCrl: {
      url: rootCrl,
      headers: [],
      changes: true,
      read: ({ body }) => {
        const period = crlPeriod(body);
        return period === undefined ? malformed('root CRL') : ok({ value: body, period });
      },
    },
  };
}

const STATEMENTS = {
  'tcb-info': { member: 'tcbInfo', headers: ['tcb-info-issuer-chain', 'sgx-tcb-info-issuer-chain'] },
  'qe-identity': { member: 'enclaveIdentity', headers: ['sgx-enclave-identity-issuer-chain'] },
} as const;

function statementRequest(kind: 'tcb-info' | 'qe-identity', url: string): EndorsementRequest<IntelSignedStatement> {
  const { member, headers } = STATEMENTS[kind];
  return {
    url,
    headers,
    changes: true,
    read: (answer) => {
      const found = jsonMemberBytes(answer.body, member, JSON_LIMITS);
      if (!found.ok) return malformed(`${kind}: ${found.code}`);
      const { bytes, document } = found.value;
      const signed = parseShape(object({ [member]: anyObject, signature: hexBytes(SIGNATURE_BYTES) }), document);
      if (!signed.ok) return malformed(`${kind}: members`);
      const { signature } = signed.value;
      const issuerChain = chainOf(answer.headers, headers);
      if (issuerChain === undefined) return malformed(`${kind}: issuer chain`);
      const period = commonPeriod([statementPeriod(kind, bytes), ...issuerChain.map(certificatePeriod)]);
      return period === undefined ? malformed(kind) : ok({ value: { bytes, signature, issuerChain }, period });
    },
  };
}

const PCK_CRL_HEADERS = ['sgx-pck-crl-issuer-chain'];

function pckCrlRequest(url: string): EndorsementRequest<PckCrl> {
  return {
    url,
    headers: PCK_CRL_HEADERS,
    changes: true,
    read: ({ headers, body }) => {
      const issuerChain = chainOf(headers, PCK_CRL_HEADERS);
      if (issuerChain === undefined) return malformed('PCK CRL: issuer chain');
      const period = commonPeriod([crlPeriod(body), ...issuerChain.map(certificatePeriod)]);
      return period === undefined ? malformed('PCK CRL') : ok({ value: { crl: body, issuerChain }, period });
    },
  };
}

/** The chain, leaf first, in the first of these headers that is there. */
function chainOf(headers: ReadonlyMap<string, string>, names: readonly string[]): readonly Uint8Array[] | undefined {
  const value = names.map((name) => headers.get(name)).find((one) => one !== undefined);
  if (value === undefined) return undefined;
  try {
    return parsePem(decodeURIComponent(value), 'CERTIFICATE');
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** Four answers as collateral. */
export function intelCollateral(
  tcbInfo: IntelSignedStatement,
  qeIdentity: IntelSignedStatement,
  pckCrl: PckCrl,
  rootCrl: Uint8Array,
): IntelCollateral {
  return { tcbInfo, qeIdentity, rootCrl, pckCrl: pckCrl.crl, pckCrlIssuerChain: pckCrl.issuerChain };
}
