/**
 * The first check of a connection, before the runtime has made a socket of it. Floods of connections are refused here,
 * because a refusal costs some 20 µs here and 300 µs after the transport has taken the connection. Node asks a server's
 * block list for each address; this one answers by rate and reputation.
 */
import { BlockList } from 'node:net';
import { prefixOfHost, SHARED_ADDRESS } from '../peers/addresses.ts';
import { PeerRateLimit } from './peer-rate-limit.ts';

export class AcceptGate extends BlockList {
  readonly #perSecond: number;
  readonly #isClosed: (prefix: string | undefined) => boolean;
  readonly #refused: () => void;
  readonly #rate = new PeerRateLimit();

  constructor(perSecond: number, isClosed: (prefix: string | undefined) => boolean, refused: () => void) {
    super();
    this.#perSecond = perSecond;
    this.#isClosed = isClosed;
    this.#refused = refused;
  }

  /** True refuses: the prefix is cut off, or more connections come from it than any number of honest nodes make. */
  override check(host: unknown): boolean {
    const prefix = typeof host === 'string' ? prefixOfHost(host) : undefined;
    const taken = this.#rate.take(prefix ?? SHARED_ADDRESS, this.#perSecond, performance.now());
    if (taken && !this.#isClosed(prefix)) return false;
    this.#refused();
    return true;
  }
}
