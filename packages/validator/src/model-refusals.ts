/**
 * Remembers models that the enclave refused. Asking again would cost a transfer, a decryption and an engine for the
 * same answer.
 *
 * A refusal holds for one grant: the owner may have sealed a wrong key and grant again. A refusal after a lost engine
 * may have been bad luck. It lapses after a time that doubles.
 */
import { BoundedMap, type Digest } from '@cloister/encoding';
import type { LedgerState } from '@cloister/ledger';
import type { TaskAssignment } from '@cloister/replica';

export const MODEL_REFUSALS_MAX = 256;
const LOSSES: ReadonlySet<string> = new Set(['ENGINE_TIMEOUT', 'ENGINE_CRASHED']);
export const LOSS_PAUSE_MS_FIRST = 10_000;
const LOSS_PAUSE_MS_MAX: number = 30 * 60_000;

interface Refusal {
  readonly code: string;
  readonly grant: number | undefined;
  readonly untilMs: number;
  readonly losses: number;
}

type Named = Pick<TaskAssignment, 'model' | 'keyset'>;

export class ModelRefusals {
  readonly #nowMs: () => number;
  readonly #refusals = new BoundedMap<Digest, Refusal>(MODEL_REFUSALS_MAX);

  /** `nowMs`: milliseconds that never go back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The enclave's code, when it is known to refuse the model as it is granted now. */
  of(state: LedgerState, named: Named): string | undefined {
    const refusal = this.#refusals.get(named.model);
    const stands = refusal !== undefined && refusal.grant === grantOf(state, named) && this.#nowMs() < refusal.untilMs;
    return stands ? refusal.code : undefined;
  }

  add(state: LedgerState, named: Named, code: string): void {
    const { model } = named;
    const grant = grantOf(state, named);
    const before = this.#refusals.get(model);
    const earlier = before !== undefined && before.grant === grant ? before.losses : 0;
    const losses = LOSSES.has(code) ? earlier + 1 : 0;
    const pauseMs = Math.min(LOSS_PAUSE_MS_FIRST * 2 ** (losses - 1), LOSS_PAUSE_MS_MAX);
    const untilMs = losses === 0 ? Number.POSITIVE_INFINITY : this.#nowMs() + pauseMs;
    // The oldest is forgotten first, which costs one more attempt at worst.
    this.#refusals.set(model, { code, grant, untilMs, losses });
  }
}

/** Sequence of the grant by which this node's enclave holds the model's key. */
function grantOf(state: LedgerState, { model, keyset }: Named): number | undefined {
  return state.models.get(model)?.grants.get(keyset)?.sequence;
}
