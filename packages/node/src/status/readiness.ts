/** Whether a node does its work, and if not, why: the reasons of /readyz, and the same in words for an operator. */
import type { AccountId } from '@cloister/encoding';
import type { ReplicaStatus, SigningStatus } from '@cloister/replica';
import { type SeenTwin, twinWords } from './twin-watch.ts';

/** A validator whose vote counts, as this node sees it. */
export interface ValidatorPresence {
  readonly id: AccountId;
  readonly name: string;
  readonly weight: number;
  readonly connected: boolean;
}

/** Weights of the validators: this node's, that of all it is connected to, and what a block needs. */
export interface QuorumReach {
  readonly own: number;
  readonly connected: number;
  readonly needed: number;
}

export interface ReadinessFacts {
  readonly halted: boolean;
  readonly resyncing: boolean;
  readonly replica: Pick<ReplicaStatus, 'synced' | 'signing' | 'finalityMs' | 'clockSkewMs'>;
  /** Now, by the clock of `finalityMs`. */
  readonly monotonicMs: number;
  readonly validators: readonly ValidatorPresence[];
  readonly self: AccountId;
  /** Some member, of weight or not, is connected. */
  readonly isConnected: boolean;
  /** Reasons that concern the enclave and its attestation; empty when this node has no enclave or all is well. */
  readonly enclaveReasons: readonly string[];
  /** Left on the disk of the databases; undefined when it cannot be told. */
  readonly freeBytes: number | undefined;
  /** A second process with this node's key. */
  readonly twin: SeenTwin | undefined;
}

/** Without a new finalization for so long a node does not know where the network is. */
export const FINALITY_AGE_MS_MAX = 30_000;
/** Blocks of the others are refused beyond this difference, so a clock that is further off is wrong. */
export const CLOCK_SKEW_MS_MAX = 2_000;
/** Less than this is about to stop the node: a write that fails halts it. */
export const FREE_BYTES_MIN: number = 256 * 1024 * 1024;

export function quorumReach({ validators, self }: Pick<ReadinessFacts, 'validators' | 'self'>): QuorumReach {
  const sum = (some: readonly ValidatorPresence[]): number => some.reduce((total, { weight }) => total + weight, 0);
  const others = validators.filter(({ id }) => id !== self);
  return {
    own: sum(validators.filter(({ id }) => id === self)),
    connected: sum(others.filter(({ connected }) => connected)),
    needed: Math.floor((2 * sum(validators)) / 3) + 1,
  };
}

export function readinessReasons(facts: ReadinessFacts): string[] {
  const { replica, monotonicMs, freeBytes, isConnected } = facts;
  const reasons: string[] = [];
  const quorum = quorumReach(facts);
  const isStale = monotonicMs - replica.finalityMs > FINALITY_AGE_MS_MAX;
  if (facts.halted) reasons.push('HALTED');
  if (facts.resyncing) reasons.push('RESYNCING');
  if (isStale) reasons.push('NO_FINALITY');
  else if (!replica.synced) reasons.push('SYNCING');
  if (facts.twin !== undefined) reasons.push('TWIN_SEEN');
  if (isWaiting(replica.signing)) reasons.push('NOT_SIGNING');
  const isAlone = quorum.own >= quorum.needed;
  if (quorum.own > 0 && quorum.own + quorum.connected < quorum.needed) reasons.push('NO_QUORUM_CONNECTED');
  if (!isAlone && !isConnected) reasons.push('NOT_CONNECTED');
  else if (isLost(facts)) reasons.push('NO_VALIDATOR_CONNECTED');
  if (Math.abs(replica.clockSkewMs ?? 0) > CLOCK_SKEW_MS_MAX) reasons.push('CLOCK_SKEW');
  if (freeBytes !== undefined && freeBytes < FREE_BYTES_MIN) reasons.push('DISK_FULL');
  return [...reasons, ...facts.enclaveReasons];
}

function isWaiting({ state }: SigningStatus): boolean {
  return state === 'asking' || state === 'observing' || state === 'confirming';
}

/** Whether there are other validators, and none of them is connected. */
export function isLost(facts: Pick<ReadinessFacts, 'validators' | 'self'>): boolean {
  const { own, connected, needed } = quorumReach(facts);
  return own < needed && connected === 0;
}

/** What the node waits for, one sentence each, for `cloister status` and the log. */
export function waitsFor(facts: ReadinessFacts): string[] {
  const { replica, validators, self, monotonicMs } = facts;
  const sentences: string[] = facts.twin === undefined ? [] : [twinWords(facts.twin, monotonicMs)];
  const quorum = quorumReach(facts);
  const names = (ids: readonly AccountId[]): string =>
    ids.map((id) => validators.find((one) => one.id === id)?.name || id.slice(0, 8)).join(', ');
  const away = validators.filter(({ id, connected }) => id !== self && !connected).map(({ id }) => id);
  if (quorum.own > 0 && quorum.own + quorum.connected < quorum.needed) {
    const weight = `${quorum.own + quorum.connected} of the ${quorum.needed} that a block needs`;
    sentences.push(`No block can be made: the connected weight is ${weight}. Not connected: ${names(away)}.`);
  }
  if (isLost(facts)) {
    sentences.push(
      'No validator is connected: the addresses that this node knows lead to nobody, or to peers that hide the network. Write ' +
        'the address of a validator that you trust into the config file, as network.seeds: it is read again every few seconds.',
    );
  }
  const silentMs = monotonicMs - replica.finalityMs;
  if (silentMs > FINALITY_AGE_MS_MAX) {
    sentences.push(`No block was finalized for ${Math.floor(silentMs / 1000)} s, as far as this node heard.`);
  }
  sentences.push(...signingWords(replica.signing, names));
  const skewMs = replica.clockSkewMs ?? 0;
  if (Math.abs(skewMs) > CLOCK_SKEW_MS_MAX) {
    const side = skewMs > 0 ? 'ahead of' : 'behind';
    sentences.push(
      `The clock of this machine is ${Math.round(Math.abs(skewMs) / 1000)} s ${side} the others'. Set it right.`,
    );
  }
  if (facts.freeBytes !== undefined && facts.freeBytes < FREE_BYTES_MIN) {
    sentences.push(
      `Only ${Math.floor(facts.freeBytes / 2 ** 20)} MiB are left on the disk; a write that fails stops the node.`,
    );
  }
  return sentences;
}

const CAUSES: { readonly [cause in SigningStatus['cause']]: string } = {
  START: 'Before it signs, this validator asks the others which of its votes they know.',
  GUARD_EMPTY:
    'The sign guard knows no signature of this key, and the chain has begun: the guard was lost, or is new here.',
  GUARD_OLD: 'Others show votes of this key that the sign guard does not know: the guard is an old copy.',
};

function signingWords(signing: SigningStatus, names: (ids: readonly AccountId[]) => string): string[] {
  const { state, cause, missing, signsAboveView, needsOverride } = signing;
  if (!isWaiting(signing)) return [];
  const words = [CAUSES[cause]];
  if (state === 'observing')
    words.push(`It signs nothing up to view ${signsAboveView}, and watches some views after it.`);
  if (missing.length > 0) words.push(`Not answered: ${names(missing)}.`);
  if (needsOverride) {
    words.push(
      'The others cannot make blocks without this validator, so no later view begins by itself. If nothing else signs with ' +
        'this key, stop the node and run: cloister unsafe-allow-signing --above-view VIEW.',
    );
  }
  return [words.join(' ')];
}
