/** Signed put-record transactions of a given size in bytes, made before the clock runs. */
import { randomBytes } from 'node:crypto';
import type { Ed25519KeyPair } from '../../packages/crypto/src/index.ts';
import { asHeight, assert, type Digest, toHex } from '../../packages/encoding/src/index.ts';
import { signTransaction } from '../../packages/ledger/src/index.ts';

export type Signed = { readonly id: Digest; readonly body: Buffer };

export type Signer = { readonly keyPair: Ed25519KeyPair; readonly namespace: string };

/** The wire bytes of a transaction without its value, for the padding. */
function emptySize(chainId: Digest, signer: Signer): number {
  return signed(chainId, signer, 'key-00000', '', 1).bytes.length;
}

function signed(chainId: Digest, { keyPair, namespace }: Signer, key: string, value: string, expiryHeight: number) {
  const made = signTransaction(keyPair, {
    chainId,
    sender: keyPair.id,
    nonce: toHex(randomBytes(16)),
    expiryHeight: asHeight(expiryHeight),
    kind: 'put-record',
    payload: { namespace, key, value },
  });
  assert(made.ok, "the benchmark's transactions are well formed");
  return made.value;
}

/** `count` transactions of exactly `sizeBytes`, as bodies of POST /v1/transactions, the signers taking turns. */
export function makeTransactions(options: {
  chainId: Digest;
  signers: readonly Signer[];
  count: number;
  sizeBytes: number;
  expiryHeight: number;
}): Signed[] {
  const { chainId, signers, count, sizeBytes, expiryHeight } = options;
  const fill = signers.map((signer) => Math.max(0, sizeBytes - emptySize(chainId, signer)));
  return Array.from({ length: count }, (_, i) => {
    const at = i % signers.length;
    const signer = signers[at];
    assert(signer !== undefined, 'a signer');
    const key = `key-${String(i % 100_000).padStart(5, '0')}`;
    const { id, bytes } = signed(chainId, signer, key, 'v'.repeat(fill[at] ?? 0), expiryHeight);
    return { id, body: Buffer.from(JSON.stringify({ transaction: Buffer.from(bytes).toString('base64') })) };
  });
}
