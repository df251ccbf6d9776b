/**
 * Independent checks on a simulated run: they look at what honest nodes sent, committed and wrote, never into rules.
 */
import { type Digest, toHex, type ValidatorId } from '@cloister/encoding';
import type { Block, Certificate, Effect, Proposition, SignedStatement, ValidatorSet } from '../../src/index.ts';
import { recoverGuard, statementBytes, verifyFaultEvidence } from '../../src/index.ts';
import { committedBlocks } from './sim-ledger.ts';
import { mockCheck, type SimNode } from './sim-node.ts';

export interface Violation {
  readonly id: string;
  readonly detail: string;
}

/** What an honest node saw: a fault or a refusal, who saw it, and whose it was. */
export interface Sighting {
  readonly what: string;
  readonly by: ValidatorId;
  readonly of: ValidatorId;
}

function same(a: Proposition, b: Proposition): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export class Checker {
  readonly violations: Violation[] = [];
  /** Each kind of evidence that an honest node gave out, with that node and whom it accused. */
  readonly accusations: Sighting[] = [];
  /** Each message that an honest node refused, with that node and who sent it. */
  readonly refusals: Sighting[] = [];
  readonly #set: ValidatorSet;
  readonly #chainId: Digest;
  readonly #byzantine: ReadonlySet<ValidatorId>;
  readonly #chain = new Map<number, Block>();
  readonly #finalized = new Map<number, Proposition>();
  readonly #notarized = new Map<number, Digest>();
  readonly #nullified = new Set<number>();
  readonly #signed = new Map<string, SignedStatement[]>();

  constructor(set: ValidatorSet, chainId: Digest, byzantine: ReadonlySet<ValidatorId>) {
    this.#set = set;
    this.#chainId = chainId;
    this.#byzantine = byzantine;
  }

  #fail(id: string, detail: string): void {
    if (this.violations.filter((each) => each.id === id).length < 3) this.violations.push({ id, detail });
  }

  /** Sees each effect of each node as it runs. */
  observe(node: SimNode, effect: Effect): void {
    if (this.#byzantine.has(node.id)) return;
    if (effect.type === 'evidence') {
      const { evidence } = effect;
      this.accusations.push({ what: evidence.type, by: node.id, of: evidence.signer });
      if (!this.#byzantine.has(evidence.signer)) this.#fail('S8', `${evidence.type} against an honest validator`);
      if (!verifyFaultEvidence(this.#set, this.#chainId, evidence, mockCheck).ok)
        this.#fail('S8', `${evidence.type} does not hold`);
    } else if (effect.type === 'commit') {
      this.#certificate(effect.finalization);
      for (const block of effect.blocks) this.#committed(block);
    } else if (effect.type === 'rejected') {
      this.refusals.push({ what: effect.code, by: node.id, of: effect.from });
    } else if (effect.type === 'halt') {
      this.#fail('HALT', effect.detail);
    } else if (effect.type === 'send') {
      this.#message(effect.message);
    }
  }

  #message(message: Extract<Effect, { type: 'send' }>['message']): void {
    if (message.type === 'certificate') this.#certificate(message);
    if (message.type === 'vote') this.#signature(message);
    if (message.type === 'status' && message.finalization !== undefined) this.#certificate(message.finalization);
    if (message.type === 'proposal') {
      const { proposition, signature, header } = message;
      const { epoch, view } = proposition;
      this.#signature({ kind: 'propose', epoch, view, proposition, signer: header.proposer, signature });
    }
  }

  /** S6, over every life of the signer. */
  #signature(signed: SignedStatement): void {
    if (this.#byzantine.has(signed.signer)) return;
    const key = `${signed.signer}/${signed.epoch}/${signed.view}`;
    const earlier = this.#signed.get(key) ?? [];
    for (const other of earlier) {
      const nullifies = [signed.kind, other.kind].includes('nullify');
      if (nullifies) {
        if ([signed.kind, other.kind].includes('finalize')) this.#fail('S6', `nullify and finalize in ${key}`);
      } else if (
        signed.kind !== 'nullify' &&
        other.kind !== 'nullify' &&
        !same(signed.proposition, other.proposition)
      ) {
        if (signed.kind === other.kind) this.#fail('S6', `double ${signed.kind} in ${key}`);
        else if (signed.kind !== 'propose' && other.kind !== 'propose')
          this.#fail('S6', `notarize and finalize in ${key}`);
      }
    }
    if (!earlier.some((other) => other.kind === signed.kind)) earlier.push(signed);
    this.#signed.set(key, earlier);
  }

  /** S2, S3 and S7, on every certificate that an honest node sent or used. */
  #certificate(certificate: Certificate): void {
    const { view } = certificate;
    const bits = this.#set.validators.filter((_, index) => ((certificate.bitmap[index >> 3] ?? 0) >> (index & 7)) & 1);
    const weight = bits.reduce((sum, validator) => sum + validator.weight, 0n);
    const bytes = statementBytes(this.#chainId, certificate);
    const good = bits.every(({ id }, index) => mockCheck(id, bytes, certificate.signatures[index] ?? new Uint8Array()));
    const distinct = new Set(certificate.signatures.map(toHex)).size === bits.length;
    if (3n * weight <= 2n * this.#set.totalWeight || !good || !distinct)
      this.#fail('S7', `${certificate.kind} of view ${view}`);
    if (certificate.kind === 'nullify') this.#nullified.add(view);
    if (certificate.kind === 'notarize') {
      const { blockHash } = certificate.proposition;
      if ((this.#notarized.get(view) ?? blockHash) !== blockHash)
        this.#fail('S3', `two blocks notarized in view ${view}`);
      this.#notarized.set(view, blockHash);
    }
    if (certificate.kind === 'finalize') this.#finalized.set(view, certificate.proposition);
    if (this.#nullified.has(view) && this.#finalized.has(view))
      this.#fail('S2', `view ${view} nullified and finalized`);
  }

  /** Who proposed the blocks that honest nodes committed. */
  proposers(): ReadonlySet<ValidatorId> {
    return new Set([...this.#chain.values()].map(({ header }) => header.proposer));
  }

  #committed(block: Block): void {
    const { height } = block.header;
    const agreed = this.#chain.get(height);
    if (agreed !== undefined && agreed.hash !== block.hash) this.#fail('S1', `two blocks at height ${height}`);
    this.#chain.set(height, block);
  }

  /** S10, right after a restart: what the disk says was signed is what the machine knows and counts. */
  restarted(node: SimNode): void {
    const { machine, disk, id } = node;
    const records = recoverGuard(this.#chainId, disk.guard.values());
    if (machine === undefined || !records.ok) return;
    for (const { signed } of records.value.records) {
      const final = machine.current.finalized?.view ?? 0;
      if (signed.view <= final || signed.signer !== id) continue;
      const own = machine.guard.own(signed)[signed.kind];
      if (own === undefined || toHex(own.signature) !== toHex(signed.signature))
        this.#fail('S10', `${signed.kind} forgotten`);
      const counted = signed.kind === 'propose' || machine.current.rounds.get(signed.view)?.votes[signed.kind].has(id);
      if (!counted) this.#fail('S10', `${signed.kind} not counted again`);
    }
  }

  /** S4 and S5, at the end, on the chain that all agree on. */
  finish(nodes: readonly SimNode[]): void {
    const quorum = (kind: string, view: number, blockHash?: Digest): boolean => {
      const weight = this.#set.validators.reduce((sum, { id, weight: each }) => {
        const votes = this.#signed.get(`${id}/0/${view}`) ?? [];
        const voted = votes.some(
          (v) => v.kind === kind && (v.kind === 'nullify' || v.proposition.blockHash === blockHash),
        );
        return voted || this.#byzantine.has(id) ? sum + each : sum;
      }, 0n);
      return weight >= this.#set.quorum;
    };
    for (const [view, { blockHash }] of this.#finalized) {
      if (this.#notarized.get(view) !== blockHash && !quorum('notarize', view, blockHash)) {
        this.#fail('S4', `view ${view} finalized, not notarized`);
      }
    }
    for (const block of this.#chain.values()) {
      const parent = this.#chain.get(block.header.height - 1);
      if (parent === undefined && block.header.height !== 1)
        this.#fail('S1', `no block below height ${block.header.height}`);
      for (let view = (parent?.header.view ?? 0) + 1; view < block.header.view; view++) {
        if (this.#finalized.has(view)) this.#fail('S5', `height ${block.header.height} skips finalized view ${view}`);
        if (!this.#nullified.has(view) && !quorum('nullify', view))
          this.#fail('S5', `view ${view} skipped, not nullified`);
      }
    }
    for (const node of nodes) {
      for (const [index, block] of committedBlocks(node.disk).entries()) {
        if (block.header.height !== index + 1) this.#fail('S1', 'heights out of order');
      }
    }
  }
}
