/**
 * An attestation result in EAT claim names (RFC 9711 section 4, JSON forms), for export and for people who read tokens.
 */
import { fromHex, type JsonValue, sha256, utf8 } from '@cloister/crypto';
import type { AttestationResult } from './attestation-result.ts';
import { toBase64Url } from './base64url.ts';

/** AMD's IANA private enterprise number, the PEN form of `oemid`. */
const AMD_ENTERPRISE_NUMBER = 3704;
/** UEID type RAND: the value is unique with overwhelming probability. */
const UEID_RAND = 1;

/** `model` is the processor as its certificate names it. */
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
    oemid: AMD_ENTERPRISE_NUMBER,
    hwmodel: toBase64Url(utf8(model)),
    // Debugging is off in the guest's policy, which is fixed at launch.
    dbgstat: 'disabled-since-boot',
    exp: Math.floor(result.validUntilMs / 1000),
    cloister_simulated: result.simulated,
    cloister_platform: result.platform,
    cloister_product: result.product,
    cloister_measurement: result.measurement,
    cloister_image: result.image,
    cloister_keyset: result.keyset,
    cloister_tcb: {
      reported: { ...tcb.reported },
      committed: { ...tcb.committed },
      current: { ...tcb.current },
      launch: { ...tcb.launch },
    },
    cloister_tcb_status: result.status,
    cloister_advisories: [...result.advisories],
  };
}
