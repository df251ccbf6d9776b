/**
 * An attestation result in EAT claim names (RFC 9711 section 4, JSON forms), for export and for people who read tokens.
 */

import { sha256 } from '@cloister/crypto';
import { fromHex, type JsonValue, utf8 } from '@cloister/encoding';
import type { Platform } from '../evidence/evidence.ts';
import { toBase64Url } from '../x509/base64url.ts';
import type { AttestationResult } from './attestation-result.ts';

/** IANA private enterprise numbers, the PEN form of `oemid`: AMD, Intel, Amazon. */
const ENTERPRISE_NUMBERS: Readonly<Record<Platform, number>> = { 'sev-snp': 3704, sgx: 343, tdx: 343, nitro: 4843 };
/** UEID type RAND: the value is unique with overwhelming probability. */
const UEID_RAND = 1;

/** `model` is the processor as its certificate names it: product name, FMSPC, or the hypervisor's kind. */
export function eatClaims(
  result: Omit<AttestationResult, 'claims'>,
  model: string,
): { readonly [claim: string]: JsonValue } {
  const { runtime, tcb } = result;
  const ueid = new Uint8Array(33);
  ueid[0] = UEID_RAND;
  ueid.set(sha256(fromHex(result.hardwareId)), 1);
  return {
    eat_profile: 'tag:cloister,2026:attestation-result',
    eat_nonce: toBase64Url(fromHex(runtime.nonce)),
    ueid: toBase64Url(ueid),
    oemid: ENTERPRISE_NUMBERS[result.platform],
    hwmodel: toBase64Url(utf8(model)),
    // Whatever allows debugging is fixed at launch, and refused on every platform.
    dbgstat: 'disabled-since-boot',
    exp: Math.floor(result.validUntilMs / 1000),
    cloister_simulated: result.simulated,
    cloister_platform: result.platform,
    cloister_product: result.product,
    cloister_measurement: result.measurement,
    cloister_image: result.image,
    cloister_keyset: result.keyset,
    cloister_tcb: tcb,
    cloister_tcb_status: result.status,
    cloister_advisories: [...result.advisories],
  };
}
