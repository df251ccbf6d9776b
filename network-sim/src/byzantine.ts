/**
 * Byzantine mocks, one named behaviour each: what a faulty validator sends in place of what its replica asked to send.
 *
 * The replica beneath is the real one, so that a mock keeps up with the others and strikes at the right moment.
 */
import {
  blockHashOf,
  bodyHashOf,
  type ConsensusMessage,
  decodeMessage,
  encodeMessage,
  justificationHash,
  type Proposal,
  type Statement,
  statementBytes,
  type Vote,
} from '@cloister/consensus';
import {
  asDigest,
  type Digest,
  type Ed25519KeyPair,
  type SeededRandom,
  toHex,
  type ValidatorId,
} from '@cloister/crypto';

export type ByzantineName =
  | 'equivocator'
  | 'conflicter'
  | 'withholder'
  | 'nullify-and-finalize'
  | 'impersonator'
  | 'outdated'
  | 'garbler'
  | 'forking-leader'
  | 'lying-server';

export interface ByzantineContext {
  readonly name: ByzantineName;
  readonly chainId: Digest;
  readonly keyPair: Ed25519KeyPair;
  readonly random: SeededRandom;
  /** Every validator, this one included, in the order of the nodes. */
  readonly validators: readonly ValidatorId[];
  readonly self: number;
}

export interface Outgoing {
  readonly to: number;
  readonly bytes: Uint8Array;
}

const HISTORY_MAX = 200;

export class ByzantineMock {
  readonly #context: ByzantineContext;
  readonly #history: Uint8Array[] = [];
  /** Newest proposals heard, by view. */
  readonly #heard = new Map<number, Proposal>();

  constructor(context: ByzantineContext) {
    this.#context = context;
  }

  get name(): ByzantineName {
    return this.#context.name;
  }

  /** A frame reached this node. */
  hear(bytes: Uint8Array): void {
    if (this.#context.name !== 'forking-leader') return;
    const message = decodeMessage(bytes);
    if (!message.ok || message.value.type !== 'proposal') return;
    this.#heard.set(message.value.proposition.view, message.value);
    for (const view of this.#heard.keys()) if (this.#heard.size > 16) this.#heard.delete(view);
  }

  /** What leaves instead of `bytes` to `targets`. */
  send(targets: readonly number[], bytes: Uint8Array): Outgoing[] {
    const message = decodeMessage(bytes);
    const honest = targets.map((to) => ({ to, bytes }));
    if (!message.ok) return honest;
    const { random } = this.#context;
    switch (this.#context.name) {
      case 'equivocator':
        return message.value.type === 'proposal'
          ? this.#split(targets, bytes, this.#otherProposal(message.value))
          : honest;
      case 'conflicter':
        return message.value.type === 'vote' && message.value.kind !== 'nullify'
          ? this.#split(targets, bytes, this.#otherVote(message.value))
          : honest;
      case 'nullify-and-finalize':
        return this.#alsoNullify(honest, message.value);
      case 'withholder':
        // A proposal reaches one validator only; votes reach nobody in particular.
        return message.value.type === 'proposal' ? honest.slice(0, 1) : honest.filter(() => random.below(2) === 0);
      case 'impersonator':
        return [...honest, ...this.#impersonate(targets, message.value)];
      case 'outdated':
        return [...honest, ...this.#replay(targets, bytes)];
      case 'garbler':
        return [...honest, ...targets.map((to) => ({ to, bytes: this.#garble(bytes) }))];
      case 'forking-leader':
        return message.value.type === 'proposal' ? this.#fork(targets, message.value, honest) : honest;
      case 'lying-server':
        return honest;
    }
  }

  /** What a sync request is answered with instead. */
  serve(answer: Uint8Array): Uint8Array {
    if (this.#context.name === 'garbler') return this.#garble(answer);
    if (this.#context.name !== 'lying-server') return answer;
    // Swaps single bytes all over: blocks, heights, certificates.
    return this.#garble(answer);
  }

  #sign(statement: Statement): Uint8Array {
    return this.#context.keyPair.sign(statementBytes(this.#context.chainId, statement));
  }

  #split(targets: readonly number[], first: Uint8Array, second: Uint8Array): Outgoing[] {
    // Half sees one, half the other, and one of them both.
    return targets.flatMap((to, index) => {
      if (index === 0)
        return [
          { to, bytes: first },
          { to, bytes: second },
        ];
      return [{ to, bytes: index % 2 === 0 ? first : second }];
    });
  }

  #otherProposal(proposal: Proposal): Uint8Array {
    const header = { ...proposal.header, timestampMs: proposal.header.timestampMs + 1 };
    const proposition = { ...proposal.proposition, blockHash: blockHashOf(header) };
    const { epoch, view } = proposition;
    const signature = this.#sign({ kind: 'propose', epoch, view, proposition });
    return encodeMessage({ ...proposal, header, proposition, signature });
  }

  /** Proposes beside the parent's block instead of on top of it, without the nullification that this would take. */
  #fork(targets: readonly number[], proposal: Proposal, honest: Outgoing[]): Outgoing[] {
    const parent = this.#heard.get(proposal.proposition.parentView);
    if (parent === undefined) return honest;
    const body = { batches: [], evidence: [], lastFinalCert: parent.body.lastFinalCert };
    const { parentHash, height, lastFinal } = parent.header;
    const header = { ...proposal.header, parentHash, height, lastFinal, bodyHash: bodyHashOf(body) };
    const { justification } = parent;
    const proposition = {
      ...proposal.proposition,
      parentView: parent.proposition.parentView,
      blockHash: blockHashOf(header),
      justificationHash: justificationHash(justification),
    };
    const { epoch, view } = proposition;
    const signature = this.#sign({ kind: 'propose', epoch, view, proposition });
    const bytes = encodeMessage({ type: 'proposal', proposition, header, body, justification, signature });
    return targets.map((to) => ({ to, bytes }));
  }

  #otherVote(vote: Exclude<Vote, { kind: 'nullify' }>): Uint8Array {
    const blockHash = asDigest(toHex(this.#context.random.bytes(32)));
    const proposition = { ...vote.proposition, blockHash };
    const { kind, epoch, view } = vote;
    return encodeMessage({ ...vote, proposition, signature: this.#sign({ kind, epoch, view, proposition }) });
  }

  #alsoNullify(honest: readonly Outgoing[], message: ConsensusMessage): Outgoing[] {
    if (message.type !== 'vote' || message.kind !== 'finalize') return [...honest];
    const { epoch, view, signer } = message;
    const signature = this.#sign({ kind: 'nullify', epoch, view });
    const bytes = encodeMessage({ type: 'vote', kind: 'nullify', epoch, view, signer, signature });
    return [...honest, ...honest.map(({ to }) => ({ to, bytes }))];
  }

  #impersonate(targets: readonly number[], message: ConsensusMessage): Outgoing[] {
    if (message.type !== 'vote') return [];
    const { validators, self, random } = this.#context;
    const others = validators.filter((_, index) => index !== self);
    const signer = others[random.below(others.length)];
    if (signer === undefined) return [];
    return targets.map((to) => ({ to, bytes: encodeMessage({ ...message, signer }) }));
  }

  #replay(targets: readonly number[], bytes: Uint8Array): Outgoing[] {
    this.#history.push(bytes);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    const old = this.#history[this.#context.random.below(this.#history.length)];
    return old === undefined ? [] : targets.map((to) => ({ to, bytes: old }));
  }

  #garble(bytes: Uint8Array): Uint8Array {
    const copy = Uint8Array.from(bytes);
    const { random } = this.#context;
    for (let flips = 1 + random.below(4); flips > 0 && copy.length > 0; flips--) {
      const at = random.below(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    }
    return copy;
  }
}
