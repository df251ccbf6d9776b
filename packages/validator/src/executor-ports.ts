import type { Ed25519KeyPair } from '@cloister/crypto';
import type { Digest } from '@cloister/encoding';
import type { HoldingPort } from './holding-port.ts';
import type { BlobPort, ClockPort, EnclavePort, LedgerPort, RandomPort } from './ports.ts';
import type { ProofPort } from './proof-port.ts';
import type { ProvenEnclave } from './proven-enclave.ts';

/** Everything outside of the pure core that an execution touches. */
export interface ExecutorPorts {
  readonly chainId: Digest;
  readonly signer: Ed25519KeyPair;
  readonly enclave: EnclavePort;
  readonly ledger: LedgerPort;
  readonly proofs: ProofPort;
  readonly blobs: BlobPort;
  readonly holdings: HoldingPort;
  readonly random: RandomPort;
  readonly clock: ClockPort;
  /** Remembers full evidence for a while; without it, every execution takes new evidence. */
  readonly proven?: ProvenEnclave;
}
