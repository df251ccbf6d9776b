/**
 * Decides when a validator that starts may sign. It must first ask the others what they know of its votes.
 *
 * The sign guard is the memory of what this key signed, and a disk can lose it, an operator can restore an old copy of
 * it, and a key file can be copied to a second machine. A signature made without the memory may contradict an earlier
 * one: it then proves this validator faulty, and with a Byzantine third it splits the chain. So:
 *
 * 1. The guard is whole as far as this machine can tell: validators that make a quorum together with this one must have
 * answered, and none of them shows an own vote that the guard does not know. No signature could have had an effect
 * before, so this rule costs no liveness, also after a blackout of all. When the chain went on without this guard, they
 * are asked again a moment later: a second process with a copy of key and guard shows by then.
 * 2. The guard holds nothing of this key: the same, as long as the chain stands at its beginning, since all start
 *    there with nothing.
 * 3. Otherwise (the chain has begun, or an unknown own vote was shown) validators of a quorum's weight *without this
 *    one* must have answered. A vote of mine in view v rests on a certificate of v − 1, and so on the votes of a
 *    quorum; more than a third of the weight both voted for that certificate and answered, so an honest one among them
 *    was in v − 1 and shows a certificate of v − 2 or later. Hence no vote of mine lies above the highest certified
 *    view + 2: that is the floor. Views pass without this validator; then it asks again, and stops (SIGNED_ELSEWHERE)
 *    when anybody shows an own vote above the floor: a second process signs with this key.
 */
import type { ConsensusMessage, Input, Recall, RecallRequest, Round } from '@cloister/consensus';
import { compareRounds, weightOf } from '@cloister/consensus';
import { asView, type Epoch, type ValidatorId, type View } from '@cloister/encoding';
import { OBSERVED_VIEWS, RECALL_AGAIN_MS, RECALL_RETRY_MS } from '../limits.ts';
import type { GuardMemory } from '../store/guard-memory.ts';
import type { ReplicaCore } from './replica-core.ts';
import type { SigningStatus } from './replica-ports.ts';

export const START_TIMER = 'start-rule';

export interface StartRuleParts {
  readonly core: ReplicaCore;
  readonly memory: GuardMemory;
  /** The newest round that the guard knows of. */
  readonly remembered: Round;
  /** True while the log is rebuilt and behind what the guard has seen. */
  readonly resyncing: () => boolean;
  readonly round: () => Round;
  readonly send: (to: ValidatorId, message: RecallRequest) => void;
  readonly feed: (input: Input) => void;
}

export class StartRule {
  readonly #parts: StartRuleParts;
  #state: SigningStatus['state'] = 'observer';
  #nonce = 0;
  /** Validators whose answer counts. */
  readonly #answered = new Set<ValidatorId>();
  /** Validators that answered since the last asking, whether it counted or not: one answer each is looked at. */
  readonly #heard = new Set<ValidatorId>();
  #shownUnknown = false;
  #pausing = false;
  #askedAgain = false;
  #floor: Round | undefined;

  constructor(parts: StartRuleParts) {
    this.#parts = parts;
  }

  get status(): SigningStatus {
    const { core, memory } = this.#parts;
    const { validators } = core.set;
    const missing = this.#isAsking
      ? validators.map(({ id }) => id).filter((id) => id !== core.self && !this.#answered.has(id))
      : [];
    return {
      state: this.#state,
      cause: !this.#isDoubtful ? 'START' : memory === 'none' ? 'GUARD_EMPTY' : 'GUARD_OLD',
      missing,
      signsAboveView: this.#floor?.view,
      needsOverride: this.#isDoubtful && this.#otherWeight < core.set.quorum && this.#state !== 'signing',
    };
  }

  get #isAsking(): boolean {
    return !this.#pausing && (this.#state === 'asking' || this.#state === 'confirming');
  }

  get #ownWeight(): bigint {
    return weightOf(this.#parts.core.set, this.#parts.core.self);
  }

  get #otherWeight(): bigint {
    return this.#parts.core.set.totalWeight - this.#ownWeight;
  }

  /** Whether this key may have signed what the guard does not know. */
  get #isDoubtful(): boolean {
    const { core, memory, round } = this.#parts;
    const atBeginning = core.committedHeight() === 0 && round().view === 1;
    return this.#shownUnknown || (memory === 'none' && !atBeginning);
  }

  start(): void {
    if (this.#ownWeight === 0n) return;
    this.#state = 'resyncing';
    this.progress();
  }

  /** After each step, goes on with what waited for the log or for a later view. */
  progress(): void {
    const { resyncing, round } = this.#parts;
    if (this.#state === 'resyncing' && !resyncing()) this.#ask('asking');
    if (this.#state === 'observing' && this.#floor !== undefined && round().view > this.#floor.view + OBSERVED_VIEWS) {
      this.#ask('confirming');
    }
  }

  #ask(state: 'asking' | 'confirming'): void {
    const { core } = this.#parts;
    this.#state = state;
    // Two starts read different clocks, or the same start asks for the second time.
    this.#nonce = Math.max(this.#nonce + 1, Math.floor(core.nowMs));
    this.#answered.clear();
    this.#decide();
    this.#request();
  }

  #request(): void {
    const { core } = this.#parts;
    if (!this.#isAsking) return;
    this.#heard.clear();
    for (const { id } of core.set.validators) this.#requestOf(id);
    core.setTimer(START_TIMER, RECALL_RETRY_MS);
  }

  #requestOf(id: ValidatorId): void {
    if (id === this.#parts.core.self || this.#answered.has(id)) return;
    this.#parts.send(id, { type: 'recall-request', nonce: this.#nonce });
  }

  timer(): void {
    if (this.#pausing) {
      this.#pausing = false;
      this.#ask('asking');
    } else {
      this.#request();
    }
  }

  /** Asks a peer that connects later, since what was sent to it before is lost. */
  peerUp(id: string): void {
    const validator = this.#parts.core.set.validators.find((one) => one.id === id);
    if (validator !== undefined && this.#isAsking) this.#requestOf(validator.id);
  }

  onRecall(from: ValidatorId, recall: Recall): void {
    const { core, feed, round } = this.#parts;
    if (!this.#isAsking || recall.nonce !== this.#nonce || this.#heard.has(from)) return;
    if (weightOf(core.set, from) === 0n || from === core.self) return;
    this.#heard.add(from);
    if (recall.votes.some(({ signer }) => signer !== core.self)) {
      core.emit({ type: 'refused', from, code: 'RECALL_FOREIGN_VOTE' });
      core.emit({ type: 'blame', peer: from, offence: 'MALFORMED' });
      return;
    }
    const shown: ConsensusMessage[] = [...recall.votes];
    if (recall.certificate !== undefined) shown.unshift(recall.certificate);
    for (const message of shown) feed({ type: 'message', from, message });
    // Only a certificate proves the view that an answer names. Without one the answer does not count.
    if (compareRounds(round(), recall) < 0) return;
    this.#answered.add(from);
    this.#decide();
  }

  /** The machine met a signature by this key that the guard does not know. */
  onOwnUnknown(shown: Round): void {
    if (this.#floor === undefined) {
      this.#shownUnknown = true;
      return;
    }
    if (compareRounds(shown, this.#floor) <= 0) return;
    const where = `epoch ${shown.epoch}, view ${shown.view}`;
    this.#parts.core.halt(
      'SIGNED_ELSEWHERE',
      `while this node only observed, its key signed in ${where}: another process signs with it. Stop one of the two for good`,
    );
  }

  #decide(): void {
    const { core, round } = this.#parts;
    let weight = 0n;
    for (const id of this.#answered) weight += weightOf(core.set, id);
    if (this.#state === 'asking' && !this.#isDoubtful) {
      if (weight + this.#ownWeight < core.set.quorum) return;
      if (this.#askedAgain || round().view <= this.#parts.remembered.view + 1) {
        this.#permit();
      } else {
        this.#askedAgain = true;
        this.#pausing = true;
        core.setTimer(START_TIMER, RECALL_AGAIN_MS);
      }
      return;
    }
    if (weight < core.set.quorum && weight < this.#otherWeight) return;
    if (this.#state === 'confirming') {
      this.#permit();
    } else if (this.#state === 'asking') {
      const { epoch, view }: { epoch: Epoch; view: View } = round();
      this.#floor = { epoch, view: asView(view + 1) };
      this.#state = 'observing';
    }
  }

  #permit(): void {
    this.#state = 'signing';
    this.#parts.feed({ type: 'may-sign', floor: this.#floor });
  }
}
