/**
 * The enclave's keys: made here at launch, never shown, gone with the process.
 */
import { keysetDigest } from '@cloister/attestation';
import { ed25519KeyPair, x25519KeyPair } from '@cloister/crypto';
import { type AccountId, type Digest, toHex } from '@cloister/encoding';
import type { OwnIdentity } from '@cloister/proof';

export interface Vault {
  readonly identity: OwnIdentity;
  /** X25519 public key, hex. */
  readonly hpkeKey: string;
  /** Ed25519 public key, hex. */
  readonly signKey: string;
  readonly hpkeSecretKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** Makes the keys of one enclave run from fresh secret randomness: `random` gives so many bytes. */
export function createVault(
  binding: { readonly chainId: Digest; readonly nodeId: AccountId; readonly image: Digest },
  random: (length: number) => Uint8Array,
): Vault {
  const signing = ed25519KeyPair(random(32));
  const sealing = x25519KeyPair(random(32));
  const hpkeKey = toHex(sealing.publicKey);
  const signKey = toHex(signing.publicKey);
  const keyset = keysetDigest({ ...binding, hpkeKey, signKey });
  return {
    identity: { ...binding, keyset },
    hpkeKey,
    signKey,
    hpkeSecretKey: sealing.secretKey,
    sign: signing.sign,
  };
}
