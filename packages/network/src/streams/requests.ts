/**
 * Requests and answers: one stream each, one frame each way. An answer begins with one byte: 0 granted, 1 refused.
 * Sizes, time, rate and the number of requests at once are bounded on both sides, more tightly for strangers.
 */
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Purse } from '../gates/budgets.ts';
import { PeerRateLimit } from '../gates/peer-rate-limit.ts';
import type { Connection, Host, Stream } from '../host/host.ts';
import { SERVE_MS_MAX } from '../limits.ts';
import {
  type NetworkCounters,
  NetworkError,
  type NetworkErrorCode,
  type NetworkLimits,
  type RequestProtocol,
} from '../types.ts';
import { FrameReader, frameBytes } from './framing.ts';

const GRANTED = 0;
const REFUSED = Uint8Array.of(1);
/** What a request is charged before it is served; the difference follows when its cost is known. */
const SERVE_ESTIMATE_MS = 2;
/** Encryption, framing and copies of an answer, as measured. */
const MS_PER_ANSWER_BYTE: number = 30 / (1024 * 1024);
/** Requests beyond its limits that a peer may make, as a share of its rate, before each of them is an offence. */
const PATIENCE_SHARE = 0.2;
/** Streams of one protocol on one connection; libp2p resets what is beyond. */
const STREAMS_MAX = 32;

export type Serve = (protocol: RequestProtocol, peerId: string, bytes: Uint8Array) => Promise<Uint8Array | undefined>;

/** Resolves with the first whole frame, or rejects when the stream ends, breaks or announces too much. */
function firstFrame(stream: Stream, bytesMax: number, tooLarge: NetworkErrorCode): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader(bytesMax);
    let done = false;
    stream.addEventListener('message', (event) => {
      // One frame is all that a stream carries each way: what follows is read and let go.
      if (done) return;
      const frames = reader.push(event.data.subarray());
      if (frames === undefined) {
        done = true;
        const error = new NetworkError(tooLarge, `a frame above ${bytesMax} bytes`);
        reject(error);
        stream.abort(error);
      } else if (frames[0] !== undefined) {
        done = true;
        resolve(frames[0]);
      }
    });
    const ended = (): void => reject(new NetworkError('REQUEST_FAILED', 'the stream ended before a whole frame'));
    stream.addEventListener('end', ended);
    stream.addEventListener('close', ended);
  });
}

/** A deadline whose timer ends with the block that declares it by `using`. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(delayMs: number) {
    this.#timer = setTimeout(() => this.#controller.abort(), delayMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** Rejects with REQUEST_TIMEOUT when `work` is not done at the deadline. */
async function within<T>(work: Promise<T>, { signal }: Deadline): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const expire = (): void => reject(new NetworkError('REQUEST_TIMEOUT', 'not done in time'));
  if (signal.aborted) expire();
  signal.addEventListener('abort', expire);
  try {
    return await Promise.race([work, late]);
  } finally {
    signal.removeEventListener('abort', expire);
  }
}

export async function sendRequest(
  connection: Connection,
  name: string,
  bytes: Uint8Array,
  timeoutMs: number,
  bytesMax: number,
): Promise<Uint8Array> {
  using deadline = new Deadline(timeoutMs);
  let stream: Stream | undefined;
  try {
    stream = await within(connection.newStream(name, { signal: deadline.signal }), deadline);
    const answer = firstFrame(stream, bytesMax + 1, 'RESPONSE_TOO_LARGE');
    // The write may fail first; whoever loses this race must not be an unhandled rejection.
    answer.catch(() => undefined);
    // A refusal may come while most of the request is still unsent.
    if (!stream.send(frameBytes([bytes]))) await Promise.race([stream.onDrain({ signal: deadline.signal }), answer]);
    const frame = await within(answer, deadline);
    if (frame[0] !== GRANTED) throw new NetworkError('REQUEST_REFUSED', `${name}: the peer refused`);
    void stream.close({ signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined);
    return frame.subarray(1);
  } catch (cause) {
    stream?.abort(cause instanceof Error ? cause : new Error('request failed'));
    if (cause instanceof NetworkError) throw cause;
    throw new NetworkError(deadline.signal.aborted ? 'REQUEST_TIMEOUT' : 'REQUEST_FAILED', name, { cause });
  }
}

export class RequestServer {
  readonly #limits: NetworkLimits;
  readonly #serve: Serve;
  readonly #isMember: (peerId: string) => boolean;
  readonly #counters: Pick<NetworkCounters, 'requestsRefused'>;
  readonly #purse: (peerId: string, address: Multiaddr) => Purse;
  readonly #flooded: (peerId: string) => void;
  readonly #rate = new PeerRateLimit();
  /** What a peer may ask in vain before that is an offence. */
  readonly #patience = new PeerRateLimit();
  readonly #running = new Map<string, number>();
  #strangerAnswerBytes = 0;

  constructor(parts: {
    limits: NetworkLimits;
    serve: Serve;
    isMember: (peerId: string) => boolean;
    counters: Pick<NetworkCounters, 'requestsRefused'>;
    /** What a peer's requests are paid from. */
    purse: (peerId: string, address: Multiaddr) => Purse;
    /** A peer goes on asking far beyond its rate. */
    flooded: (peerId: string) => void;
  }) {
    this.#limits = parts.limits;
    this.#serve = parts.serve;
    this.#isMember = parts.isMember;
    this.#counters = parts.counters;
    this.#purse = parts.purse;
    this.#flooded = parts.flooded;
  }

  async register(host: Host, protocol: RequestProtocol, name: string): Promise<void> {
    await host.handle(name, (stream, connection) => this.#handle(protocol, stream, connection), {
      maxInboundStreams: STREAMS_MAX,
      maxOutboundStreams: STREAMS_MAX * 2,
    });
  }

  /** Never rejects: whatever a peer does here costs it this one stream. */
  async #handle(protocol: RequestProtocol, stream: Stream, connection: Connection): Promise<void> {
    const peerId = connection.remotePeer.toString();
    const isMember = this.#isMember(peerId);
    const running = this.#running.get(peerId) ?? 0;
    this.#running.set(peerId, running + 1);
    let heldBytes = 0;
    try {
      const answer = this.#admit(peerId, isMember, running)
        ? await this.#answer(protocol, stream, connection, isMember)
        : undefined;
      if (!isMember && answer !== undefined) heldBytes = answer.length;
      this.#strangerAnswerBytes += heldBytes;
      const granted = answer !== undefined && this.#strangerAnswerBytes <= this.#limits.strangerAnswersBytesMax;
      if (!granted) this.#counters.requestsRefused += 1;
      await this.#write(stream, granted ? granting(answer) : REFUSED);
    } catch (error) {
      this.#counters.requestsRefused += 1;
      stream.abort(error instanceof Error ? error : new Error('request failed'));
    } finally {
      this.#strangerAnswerBytes -= heldBytes;
      const left = (this.#running.get(peerId) ?? 1) - 1;
      if (left > 0) this.#running.set(peerId, left);
      else this.#running.delete(peerId);
    }
  }

  async #answer(
    protocol: RequestProtocol,
    stream: Stream,
    connection: Connection,
    isMember: boolean,
  ): Promise<Uint8Array | undefined> {
    const peerId = connection.remotePeer.toString();
    const bytesMax = isMember ? this.#limits.requestBytesMax : this.#limits.strangerRequestBytesMax;
    const request = firstFrame(stream, bytesMax, 'REQUEST_TOO_LARGE');
    const bytes = await this.#inTime(request, this.#limits.requestTimeoutMs);
    const { budget, party } = this.#purse(peerId, connection.remoteAddr);
    if (!(await budget.turn(party, SERVE_ESTIMATE_MS, this.#limits.turnMsMax))) return undefined;
    const startMs = threadMs();
    const answer = await this.#inTime(this.#serve(protocol, peerId, bytes), SERVE_MS_MAX);
    // What else the thread did meanwhile counts, too: strangers get less of a busy node.
    const workMs = threadMs() - startMs + (answer?.length ?? 0) * MS_PER_ANSWER_BYTE;
    budget.charge(party, workMs - SERVE_ESTIMATE_MS);
    return answer;
  }

  async #inTime<T>(work: Promise<T>, delayMs: number): Promise<T> {
    using deadline = new Deadline(delayMs);
    return await within(work, deadline);
  }

  async #write(stream: Stream, frame: Uint8Array): Promise<void> {
    using deadline = new Deadline(this.#limits.requestTimeoutMs);
    if (!stream.send(frameBytes([frame]))) await stream.onDrain({ signal: deadline.signal });
    await stream.close({ signal: deadline.signal });
  }

  /** Decided before a byte of the request is read. */
  #admit(peerId: string, isMember: boolean, running: number): boolean {
    const limits = this.#limits;
    const atOnce = isMember ? limits.memberRequestsAtOnce : limits.strangerRequestsAtOnce;
    const perSecond = isMember ? limits.memberRequestsPerSecond : limits.strangerRequestsPerSecond;
    const nowMs = performance.now();
    if (running < atOnce && this.#rate.take(peerId, perSecond, nowMs)) return true;
    // Honest peers keep to these limits themselves (asking.ts); their idea of who is a member may be a moment old.
    if (!this.#patience.take(peerId, perSecond * PATIENCE_SHARE, nowMs)) this.#flooded(peerId);
    return false;
  }
}

/** Processor time of this thread in milliseconds. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function granting(answer: Uint8Array): Uint8Array {
  const frame = new Uint8Array(1 + answer.length);
  frame[0] = GRANTED;
  frame.set(answer, 1);
  return frame;
}
