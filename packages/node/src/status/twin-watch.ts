/** Says that a second process runs with this node's key, and ends this one when it is the second. */
import type { PeerInfo, TwinSeen } from '@cloister/network';
import type { SigningStatus } from '@cloister/replica';
import type { Log } from '../process/log-lines.ts';

/** Running twins answer each other every few seconds, so the last answer counts for this long. */
export const TWIN_SEEN_MS = 60_000;

/** The other process, as last seen. */
export interface SeenTwin {
  readonly peerId: string;
  /** Empty when none is known. */
  readonly address: string;
  readonly atMs: number;
}

export interface TwinWatchOptions {
  readonly self: string;
  readonly peers: () => readonly Pick<PeerInfo, 'member' | 'address' | 'peerId'>[];
  readonly signing: () => SigningStatus['state'];
  readonly monotonicMs: () => number;
  readonly log: Log;
  readonly onHalt: (code: string, detail: string) => void;
}

export class TwinWatch {
  readonly #options: TwinWatchOptions;
  #last: SeenTwin | undefined;

  constructor(options: TwinWatchOptions) {
    this.#options = options;
  }

  /** The twin of the last minute, or one that is connected now. */
  get seen(): SeenTwin | undefined {
    const { self, peers, monotonicMs } = this.#options;
    const nowMs = monotonicMs();
    const connected = peers().find(({ member }) => member === self);
    if (connected !== undefined) return { peerId: connected.peerId, address: connected.address, atMs: nowMs };
    return this.#last !== undefined && nowMs - this.#last.atMs < TWIN_SEEN_MS ? this.#last : undefined;
  }

  saw({ peerId, addresses, isFresh, signs, yields }: TwinSeen): void {
    const { monotonicMs, log, signing, onHalt } = this.#options;
    const [address = ''] = addresses;
    this.#last = { peerId, address, atMs: monotonicMs() };
    log('warn', 'twin-seen', { peerId, address, certain: isFresh, do: twinWords(this.#last, monotonicMs()) });
    const state = signing();
    // The process that signs goes on. A process without a vote contradicts nothing.
    if (!isFresh || state === 'signing' || state === 'observer' || !(signs || yields)) return;
    onHalt(
      'KEY_IN_USE',
      `another process with this node's key runs already, ${where(this.#last)}, and this one has signed nothing yet, so it ` +
        'stops. If the node moves to this machine, stop the other one for good, see that its process is gone, and start again',
    );
  }
}

function where({ peerId, address }: SeenTwin): string {
  return `as ${peerId}${address === '' ? '' : ` at ${address}`}`;
}

/** For an operator. */
export function twinWords(twin: SeenTwin, monotonicMs: number): string {
  const seconds = Math.max(0, Math.floor((monotonicMs - twin.atMs) / 1000));
  return (
    `Another process runs with this node's key, ${where(twin)}, last seen ${seconds} s ago. ` +
    'Stop one of the two for good: two that sign make this validator provably faulty.'
  );
}
