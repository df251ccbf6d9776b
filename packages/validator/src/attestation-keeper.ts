/**
 * Keeps this node's attestation alive: asks the pure planner after every block and carries out its answer through the
 * enclave port, one action at a time.
 *
 * The nonce of evidence is the hash of a header that the enclave's own light client has accepted; the keeper only
 * carries proofs to it. It submits nothing before this node is synced. After a refused transaction it waits a growing
 * number of blocks.
 */

import type { Ed25519KeyPair } from '@cloister/crypto';
import { asHeight, type Digest, type Result, toBase64, toHex } from '@cloister/encoding';
import {
  isEligibilityReason,
  settingsOf,
  signTransaction,
  standingSubjects,
  type TransactionFields,
} from '@cloister/ledger';
import { type AttestationAction, planAttestation } from './attestation-plan.ts';
import { type EnclavePort, EnclaveUnavailable, type LedgerPort, type RandomPort, type SubmitPort } from './ports.ts';
import type { ProofPort } from './proof-port.ts';

/** Blocks in which a submitted transaction should have been executed. */
const PATIENCE_BLOCKS = 10;
const BACKOFF_BLOCKS_MAX = 128;

export interface KeeperPorts {
  readonly chainId: Digest;
  readonly signer: Ed25519KeyPair;
  readonly enclave: EnclavePort;
  readonly ledger: LedgerPort;
  readonly proofs: ProofPort;
  readonly random: RandomPort;
  readonly submit: SubmitPort;
  /** Whether this node is up to date with the chain. */
  readonly isSynced: () => boolean;
}

/** What the keeper did or could not do, for logs and metrics. */
export type KeeperReport =
  | { readonly type: 'submitted' | 'refreshed'; readonly reason: string; readonly transaction: Digest }
  /** The enclave has seen that the ledger holds its evidence, up to this event about it. */
  | { readonly type: 'accepted'; readonly sequence: number }
  /** The same, and that it does not stand. */
  | { readonly type: 'stopped'; readonly sequence: number; readonly code: string }
  | {
      readonly type: 'failed';
      readonly action: AttestationAction['type'];
      readonly code: string;
      readonly detail: string;
    };

interface InFlight {
  readonly transaction: Digest;
  readonly giveUpHeight: number;
}

export class AttestationKeeper {
  readonly #ports: KeeperPorts;
  readonly #report: (report: KeeperReport) => void;
  #busy: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #inFlight: InFlight | undefined;
  #failures = 0;
  #quietUntilHeight = 0;
  #keyset: Digest | undefined;
  #shownSequence: number | undefined;
  #provableCount = 0;

  constructor(ports: KeeperPorts, report: (report: KeeperReport) => void) {
    this.#ports = ports;
    this.#report = report;
  }

  /**
   * Call it after each committed block, with the number of events that finalized headers cover, and once at start.
   * Resolves when the action that it led to is done.
   */
  blockCommitted(block: { readonly provableCount: number }): Promise<void> {
    this.#provableCount = Math.max(this.#provableCount, block.provableCount);
    this.#again = true;
    this.#busy ??= this.#work().finally(() => {
      this.#busy = undefined;
    });
    return this.#busy;
  }

  /** Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#busy;
  }

  async #work(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      const height = this.#ports.ledger.state().height;
      this.#checkInFlight(height);
      if (this.#inFlight !== undefined || height < this.#quietUntilHeight) continue;
      try {
        await this.#step();
      } catch (error) {
        if (!(error instanceof EnclaveUnavailable)) throw error;
        this.#fail('none', error.code, error.message);
      }
    }
  }

  async #step(): Promise<void> {
    const { enclave, ledger, proofs, signer } = this.#ports;
    const description = await enclave.describe();
    if (description.keyset !== this.#keyset) {
      this.#keyset = description.keyset;
      this.#shownSequence = undefined;
    }
    const action = planAttestation({
      state: ledger.state(),
      self: signer.id,
      enclave: description,
      provableCount: this.#provableCount,
      shownSequence: this.#shownSequence,
    });
    // Evidence made at an old height is refused by the time it is executed, and each refusal makes the keeper wait longer.
    if ((action.type === 'submit' || action.type === 'refresh') && !this.#ports.isSynced()) return;
    switch (action.type) {
      case 'none':
        return;
      case 'accept':
        return this.#show(action.sequence);
      case 'submit':
        return this.#speak(action, await proofs.latestFinality(), (finality) =>
          enclave.attest({ purpose: 'ledger', finality }),
        );
      case 'refresh':
        return this.#speak(action, await this.#facts(), (facts) => enclave.refresh({ facts }));
    }
  }

  /** Shows the enclave what the ledger holds now, after the event at `sequence` and whatever came since. */
  async #show(sequence: number): Promise<void> {
    const facts = await this.#facts();
    if (facts === undefined) return;
    const taken = await this.#ports.enclave.accept({ facts });
    if (!taken.ok && !isEligibilityReason(taken.code)) return this.#fail('accept', taken.code, taken.detail ?? '');
    this.#shownSequence = sequence;
    this.#failures = 0;
    this.#again = true;
    this.#report(taken.ok ? { type: 'accepted', sequence } : { type: 'stopped', sequence, code: taken.code });
  }

  #facts(): Promise<Uint8Array | undefined> {
    return this.#ports.proofs.facts(standingSubjects([this.#ports.signer.id]));
  }

  /** Lets the enclave sign for the newest header that it will accept, and hands that to the ledger. */
  async #speak(
    action: AttestationAction & { readonly type: 'submit' | 'refresh' },
    proof: Uint8Array | undefined,
    ask: (proof: Uint8Array) => Promise<Result<Uint8Array>>,
  ): Promise<void> {
    if (proof === undefined) return;
    const signed = await ask(proof);
    if (!signed.ok) {
      this.#fail(action.type, signed.code, signed.detail ?? '');
      return;
    }
    const transaction = signTransaction(this.#ports.signer, this.#fields(action.type, toBase64(signed.value)));
    if (!transaction.ok) {
      this.#fail(action.type, transaction.code, transaction.detail ?? '');
      return;
    }
    const { id, bytes } = transaction.value;
    const taken = await this.#ports.submit.submit(bytes);
    if (!taken.ok) {
      this.#fail(action.type, taken.code, taken.detail ?? '');
      return;
    }
    this.#inFlight = { transaction: id, giveUpHeight: this.#ports.ledger.state().height + PATIENCE_BLOCKS };
    if (action.type === 'submit') this.#report({ type: 'submitted', reason: action.reason, transaction: id });
    else this.#report({ type: 'refreshed', reason: 'window', transaction: id });
  }

  #fields(type: 'submit' | 'refresh', content: string): TransactionFields {
    const { chainId, signer, random, ledger } = this.#ports;
    const state = ledger.state();
    const window = Math.min(settingsOf(state).params.transactionWindow, 10 * PATIENCE_BLOCKS);
    const envelope = {
      chainId,
      sender: signer.id,
      nonce: toHex(random.bytes(16)),
      expiryHeight: asHeight(state.height + window),
    };
    return type === 'submit'
      ? { ...envelope, kind: 'submit-attestation', payload: { bundle: content } }
      : { ...envelope, kind: 'refresh-attestation', payload: { statement: content } };
  }

  #checkInFlight(height: number): void {
    if (this.#inFlight === undefined) return;
    const { transaction, giveUpHeight } = this.#inFlight;
    const code = this.#ports.ledger.state().executed.get(transaction);
    if (code === undefined && height < giveUpHeight) return;
    this.#inFlight = undefined;
    if (code === null) this.#failures = 0;
    else this.#fail('submit', code ?? 'NOT_EXECUTED', `transaction ${transaction}`);
  }

  #fail(action: AttestationAction['type'], code: string, detail: string): void {
    const waitBlocks = Math.min(2 ** this.#failures, BACKOFF_BLOCKS_MAX);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#quietUntilHeight = this.#ports.ledger.state().height + waitBlocks;
    this.#report({ type: 'failed', action, code, detail });
  }
}
