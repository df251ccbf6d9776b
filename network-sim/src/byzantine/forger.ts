/**
 * Floods the others with forged signatures: votes in its own name and in others', certificates, and for each of its own views a proposal whose
 * justification is full of forged nullifications.
 */
import {
  blockHashOf,
  bodyHashOf,
  decodeMessage,
  encodeMessage,
  justificationHash,
  leaderOf,
  makeValidatorSet,
  type Nullification,
  type Proposal,
} from '@cloister/consensus';
import { asEpoch, asView } from '@cloister/encoding';
import {
  type Behaviour,
  type ByzantineContext,
  type MakeBehaviour,
  type Outgoing,
  signAs,
  toAll,
} from './behaviour.ts';

const VOTES_PER_TICK = 40;
const CERTIFICATES_PER_TICK = 10;
/** As many skipped views as a proposal of the forger claims. */
const SKIPPED = 60;
const EPOCH = asEpoch(0);

class Forger implements Behaviour {
  readonly #context: ByzantineContext;
  readonly #set;
  #view = 1;
  #heard: Proposal | undefined;

  constructor(context: ByzantineContext) {
    this.#context = context;
    this.#set = makeValidatorSet(context.validators.map((id) => ({ id, weight: 1n })));
  }

  hear(_from: number, channel: 'consensus' | 'batch', bytes: Uint8Array): void {
    if (channel !== 'consensus') return;
    const message = decodeMessage(bytes);
    if (!message.ok) return;
    if (message.value.type === 'vote') this.#view = Math.max(this.#view, message.value.view);
    if (message.value.type === 'proposal') this.#heard = message.value;
  }

  tick(): { frames: Outgoing[]; gossip: never[] } {
    const { validators, self } = this.#context;
    const targets = validators.map((_, index) => index).filter((index) => index !== self);
    const forged = [
      ...Array.from({ length: VOTES_PER_TICK }, (_, count) => this.#vote(count)),
      ...Array.from({ length: CERTIFICATES_PER_TICK }, (_, count) =>
        encodeMessage(this.#nullification(this.#view + 70 + count)),
      ),
      ...this.#proposals(),
    ];
    return { frames: forged.flatMap((bytes) => toAll(targets, bytes)), gossip: [] };
  }

  #signature(): Uint8Array {
    const bytes = this.#context.random.bytes(64);
    // A scalar below the group's order, so that the length of it gives nothing away.
    bytes[63] = (bytes[63] ?? 0) & 0x0f;
    return bytes;
  }

  /** Every second one in its own name: those cost a signature check. */
  #vote(count: number): Uint8Array {
    const { validators, self } = this.#context;
    const signer = validators[count % 2 === 0 ? self : count % validators.length] ?? validators[0];
    if (signer === undefined) return new Uint8Array(1);
    const view = asView(this.#view + 1 + (count % 40));
    return encodeMessage({ type: 'vote', kind: 'nullify', epoch: EPOCH, view, signer, signature: this.#signature() });
  }

  #nullification(view: number): Nullification {
    const count = this.#context.validators.length;
    const bitmap = new Uint8Array((count + 7) >> 3);
    const signatures = [];
    for (let index = 0; index < Math.floor((2 * count) / 3) + 1; index++) {
      bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
      signatures.push(this.#signature());
    }
    return { type: 'certificate', kind: 'nullify', epoch: EPOCH, view: asView(view), bitmap, signatures };
  }

  /** One for its next view, once it has heard a header to copy, covering exactly the views that it skips. */
  #proposals(): Uint8Array[] {
    const own = this.#context.validators[this.#context.self];
    const heard = this.#heard;
    const parentCert = heard?.justification.parentCert;
    if (heard === undefined || parentCert === undefined) return [];
    let at = parentCert.view + SKIPPED;
    while (leaderOf(this.#set, { epoch: EPOCH, view: asView(at) }) !== own) at++;
    const view = asView(at);
    const body = { ...heard.body, evidence: [this.#context.random.bytes(8)] };
    const header = { ...heard.header, view, bodyHash: bodyHashOf(body), proposer: own ?? heard.header.proposer };
    const nullifications = [];
    for (let skipped = parentCert.view + 1; skipped < view; skipped++)
      nullifications.push(this.#nullification(skipped));
    const justification = { parentCert, nullifications };
    const proposition = {
      epoch: EPOCH,
      view,
      parentView: parentCert.view,
      blockHash: blockHashOf(header),
      justificationHash: justificationHash(justification),
    };
    const signature = signAs(this.#context, { kind: 'propose', epoch: EPOCH, view, proposition });
    return [encodeMessage({ type: 'proposal', proposition, header, body, justification, signature })];
  }
}

export const forger: MakeBehaviour = (context) => new Forger(context);
