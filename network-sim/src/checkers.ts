/**
 * Independent checkers of the invariants of the protocol page. They see what was sent and what was committed, count votes
 * and check certificates by their own arithmetic, and share nothing with the replica but the formats.
 */
import {
  type Certificate,
  type ConsensusMessage,
  decodeMessage,
  type Header,
  type SignedStatement,
  statementBytes,
} from '@cloister/consensus';
import { hash, verifyEd25519 } from '@cloister/crypto';
import { accountBytes, type Digest, type ValidatorId } from '@cloister/encoding';

export type InvariantId =
  | 'S1'
  | 'S2'
  | 'S3'
  | 'S4'
  | 'S5'
  | 'S6'
  | 'S7'
  | 'S8'
  | 'S10'
  | 'L1'
  | 'L3'
  | 'L4'
  | 'C1'
  | 'APP';

export interface Violation {
  readonly invariant: InvariantId;
  readonly detail: string;
}

/** One validator's word in a view: the statement kind and, but for nullify, what it is about. */
interface Word {
  readonly kind: SignedStatement['kind'];
  readonly subject: string;
}

interface ViewRecord {
  /** Kind and subject → signers. */
  readonly voters: Map<string, Set<ValidatorId>>;
  readonly notarized: Set<Digest>;
  nullified: boolean;
  finalized: Digest | undefined;
  /** Of the finalized proposition. */
  parentView: number | undefined;
}

export class Checkers {
  readonly violations: Violation[] = [];
  readonly #chainId: Digest;
  readonly #validators: readonly ValidatorId[];
  readonly #quorum: number;
  readonly #honest: ReadonlySet<ValidatorId>;
  readonly #views = new Map<number, ViewRecord>();
  readonly #words = new Map<string, Word[]>();
  readonly #checked = new Map<Digest, boolean>();
  readonly #chain = new Map<number, { readonly hash: Digest; root: Digest | undefined }>();
  readonly #sentByNode = new Map<ValidatorId, Set<string>>();
  readonly #onViolation: () => void;
  certificates = 0;

  /** Every validator has weight 1. */
  constructor(
    chainId: Digest,
    validators: readonly ValidatorId[],
    honest: ReadonlySet<ValidatorId>,
    onViolation: () => void = () => undefined,
  ) {
    this.#onViolation = onViolation;
    this.#chainId = chainId;
    this.#validators = [...validators].sort();
    this.#quorum = Math.floor((2 * validators.length) / 3) + 1;
    this.#honest = honest;
  }

  fail(invariant: InvariantId, detail: string): void {
    if (this.violations.length < 20) this.violations.push({ invariant, detail });
    this.#onViolation();
  }

  #view(view: number): ViewRecord {
    let record = this.#views.get(view);
    if (record === undefined) {
      record = {
        voters: new Map(),
        notarized: new Set(),
        nullified: false,
        finalized: undefined,
        parentView: undefined,
      };
      this.#views.set(view, record);
    }
    return record;
  }

  /** A frame of consensus left `from`. */
  frame(from: ValidatorId, bytes: Uint8Array): void {
    const decoded = decodeMessage(bytes);
    if (!decoded.ok) {
      if (this.#honest.has(from)) this.fail('S6', `an honest node sent what does not decode: ${decoded.code}`);
      return;
    }
    const honest = this.#honest.has(from);
    for (const statement of statementsOf(decoded.value, from)) this.#statement(statement);
    for (const certificate of certificatesOf(decoded.value)) this.#certificate(certificate, honest);
  }

  #signed(bytes: Uint8Array, signer: ValidatorId, signature: Uint8Array): boolean {
    const key = hash('network-sim/checked', accountBytes(signer), bytes, signature);
    let good = this.#checked.get(key);
    if (good === undefined) {
      good = verifyEd25519(accountBytes(signer), bytes, signature);
      this.#checked.set(key, good);
    }
    return good;
  }

  #statement(signed: SignedStatement): void {
    if (!this.#validators.includes(signed.signer)) return;
    if (!this.#signed(statementBytes(this.#chainId, signed), signed.signer, signed.signature)) return;
    const subject = signed.kind === 'nullify' ? '' : JSON.stringify(signed.proposition);
    this.#checkHonesty(signed, subject);
    if (signed.kind === 'propose') return;
    const record = this.#view(signed.view);
    const key = `${signed.kind} ${subject}`;
    const voters = record.voters.get(key) ?? new Set();
    voters.add(signed.signer);
    record.voters.set(key, voters);
    if (voters.size < this.#quorum) return;
    if (signed.kind === 'nullify') this.#nullified(signed.view);
    else if (signed.kind === 'notarize') this.#notarized(signed.view, signed.proposition.blockHash);
    else this.#finalized(signed.view, signed.proposition.blockHash, signed.proposition.parentView);
  }

  /** S6: no honest signer contradicts itself in a view, whatever happened to it in between. */
  #checkHonesty(signed: SignedStatement, subject: string): void {
    if (!this.#honest.has(signed.signer)) return;
    const sent = this.#sentByNode.get(signed.signer) ?? new Set();
    sent.add(`${signed.view} ${signed.kind}`);
    this.#sentByNode.set(signed.signer, sent);
    const key = `${signed.signer} ${signed.view}`;
    const words = this.#words.get(key) ?? [];
    if (words.some((word) => word.kind === signed.kind && word.subject === subject)) return;
    for (const word of words) {
      const conflict =
        word.kind === signed.kind ||
        pair(word.kind, signed.kind, 'nullify', 'finalize') ||
        (pair(word.kind, signed.kind, 'notarize', 'finalize') && word.subject !== subject);
      if (conflict)
        this.fail('S6', `${short(signed.signer)} said ${word.kind} and ${signed.kind} in view ${signed.view}`);
    }
    words.push({ kind: signed.kind, subject });
    this.#words.set(key, words);
  }

  /** S7, by own count: distinct signers of the set, in the order of its ids, each signature good, a quorum of them. */
  #certificate(certificate: Certificate, fromHonest: boolean): void {
    // A bare certificate names a statement without proving it.
    if (certificate.bitmap.length === 0) return;
    this.certificates++;
    const bytes = statementBytes(this.#chainId, certificate);
    const signers = this.#validators.filter(
      (_, index) => (((certificate.bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1,
    );
    const bits = certificate.bitmap.reduce(
      (sum, byte) => sum + [...byte.toString(2)].filter((bit) => bit === '1').length,
      0,
    );
    const good =
      bits === signers.length &&
      signers.length >= this.#quorum &&
      certificate.signatures.length === signers.length &&
      signers.every((signer, index) => this.#signed(bytes, signer, certificate.signatures[index] ?? new Uint8Array(0)));
    if (!good) {
      if (fromHonest) this.fail('S7', `a ${certificate.kind} certificate of view ${certificate.view} does not hold`);
      return;
    }
    if (certificate.kind === 'nullify') this.#nullified(certificate.view);
    else if (certificate.kind === 'notarize') this.#notarized(certificate.view, certificate.proposition.blockHash);
    else this.#finalized(certificate.view, certificate.proposition.blockHash, certificate.proposition.parentView);
  }

  #nullified(view: number): void {
    const record = this.#view(view);
    record.nullified = true;
    if (record.finalized !== undefined) this.fail('S2', `view ${view} is nullified and finalized`);
  }

  #notarized(view: number, hashOfBlock: Digest): void {
    const { notarized } = this.#view(view);
    notarized.add(hashOfBlock);
    if (notarized.size > 1) this.fail('S3', `view ${view} has ${notarized.size} notarized blocks`);
  }

  #finalized(view: number, hashOfBlock: Digest, parentView: number): void {
    const record = this.#view(view);
    if (record.finalized !== undefined && record.finalized !== hashOfBlock) {
      this.fail('S1', `view ${view} has two finalized blocks`);
    }
    record.finalized = hashOfBlock;
    record.parentView = parentView;
    if (record.nullified) this.fail('S2', `view ${view} is nullified and finalized`);
  }

  /** S1: a node executed a block; the event root is its own log's, undefined where that has gone on already. */
  committed(node: string, height: number, hashOfBlock: Digest, root: Digest | undefined): void {
    const known = this.#chain.get(height);
    if (known === undefined) this.#chain.set(height, { hash: hashOfBlock, root });
    else if (known.hash !== hashOfBlock) this.fail('S1', `${node} has another block at height ${height}`);
    else if (known.root === undefined) known.root = root;
    else if (root !== undefined && known.root !== root)
      this.fail('APP', `${node} has another event root at height ${height}`);
  }

  /** S8: evidence names `against`. */
  evidence(against: ValidatorId, kind: string): void {
    if (this.#honest.has(against)) this.fail('S8', `evidence of ${kind} names the honest ${short(against)}`);
  }

  /** S10: what an honest node sent before a crash stands in the records that it recovers, unless below their floor. */
  recovered(node: ValidatorId, records: ReadonlySet<string>, floorView: number): void {
    for (const word of this.#sentByNode.get(node) ?? []) {
      const view = Number(word.split(' ')[0]);
      if (view > floorView && !records.has(word)) this.fail('S10', `${short(node)} forgot its ${word}`);
    }
  }

  /** S4 and S5, over the whole run; `headers` are those of the finalized chain. */
  finish(headers: ReadonlyMap<Digest, Header>): void {
    for (const [view, record] of this.#views) {
      if (record.finalized === undefined) continue;
      if (!record.notarized.has(record.finalized)) this.fail('S4', `view ${view} was finalized without a notarization`);
      for (let between = (record.parentView ?? view) + 1; between < view; between++) {
        const skipped = this.#views.get(between);
        if (skipped?.finalized !== undefined)
          this.fail('S5', `view ${between} is final, between ${record.parentView} and ${view}`);
        if (skipped?.nullified !== true) this.fail('S5', `view ${between} was skipped by ${view} and never nullified`);
      }
    }
    for (const [height, { hash: hashOfBlock }] of this.#chain) {
      const parent = this.#chain.get(height - 1)?.hash;
      const header = headers.get(hashOfBlock);
      if (parent !== undefined && header !== undefined && header.parentHash !== parent) {
        this.fail('S1', `the block at height ${height} does not continue the one before it`);
      }
    }
  }
}

function pair<T>(a: T, b: T, x: T, y: T): boolean {
  return (a === x && b === y) || (a === y && b === x);
}

function short(id: string): string {
  return id.slice(0, 8);
}

function statementsOf(message: ConsensusMessage, from: ValidatorId): SignedStatement[] {
  if (message.type === 'vote') return [message];
  if (message.type !== 'proposal') return [];
  const { proposition, signature, header } = message;
  // A proposal is its leader's, whoever passes it on; the proposer of a block first proposed in this view leads it.
  const signer = header.view === proposition.view ? header.proposer : from;
  return [{ kind: 'propose', epoch: proposition.epoch, view: proposition.view, proposition, signer, signature }];
}

function certificatesOf(message: ConsensusMessage): Certificate[] {
  switch (message.type) {
    case 'certificate':
      return [message];
    case 'status':
      return message.finalization === undefined ? [] : [message.finalization];
    case 'proposal': {
      const { parentCert, nullifications } = message.justification;
      const { lastFinalCert } = message.body;
      return [parentCert, lastFinalCert, ...nullifications].filter((certificate) => certificate !== undefined);
    }
    default:
      return [];
  }
}
