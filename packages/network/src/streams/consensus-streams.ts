/** Direct streams between members: frames go out through one link for each peer and come in only from proven members. */
import type { AccountId, ValidatorId } from '@cloister/encoding';
import type { WorkBudgets } from '../gates/budgets.ts';
import { PeerRateLimit } from '../gates/peer-rate-limit.ts';
import type { Connection, Host, Stream } from '../host/host.ts';
import { PEER_RECORD_BYTES_MAX } from '../limits.ts';
import type { PeerBook } from '../peers/peer-book.ts';
import {
  type NetworkCounters,
  NetworkError,
  type NetworkHandlers,
  type NetworkLimits,
  type Priority,
} from '../types.ts';
import { ConsensusLink } from './consensus-link.ts';
import { FrameReader } from './framing.ts';

export class ConsensusStreams {
  readonly #host: Host;
  readonly #protocol: string;
  readonly #book: PeerBook;
  readonly #handlers: NetworkHandlers;
  readonly #heard: (peerId: string) => void;
  readonly #limits: NetworkLimits;
  readonly #counters: NetworkCounters;
  readonly #greeting: () => Uint8Array;
  readonly #mayVote: () => boolean;
  readonly #budgets: WorkBudgets;
  readonly #proved: (peerId: string) => void;
  readonly #isCutOff: (peerId: string) => boolean;
  readonly #links = new Map<string, ConsensusLink>();
  readonly #rate = new PeerRateLimit();

  constructor(parts: {
    host: Host;
    protocol: string;
    book: PeerBook;
    handlers: NetworkHandlers;
    /** Told of each frame, by the node that sent it: a member may be here by two. */
    heard: (peerId: string) => void;
    limits: NetworkLimits;
    counters: NetworkCounters;
    greeting: () => Uint8Array;
    /** Whether this node has a vote itself; nobody else would listen to it. */
    mayVote: () => boolean;
    budgets: WorkBudgets;
    /** Called when a greeting proved who a peer is. */
    proved: (peerId: string) => void;
    isCutOff: (peerId: string) => boolean;
  }) {
    this.#host = parts.host;
    this.#protocol = parts.protocol;
    this.#book = parts.book;
    this.#handlers = parts.handlers;
    this.#heard = parts.heard;
    this.#limits = parts.limits;
    this.#counters = parts.counters;
    this.#greeting = parts.greeting;
    this.#mayVote = parts.mayVote;
    this.#budgets = parts.budgets;
    this.#proved = parts.proved;
    this.#isCutOff = parts.isCutOff;
  }

  async start(): Promise<void> {
    await this.#host.handle(this.#protocol, (stream, connection) => this.#receive(stream, connection), {
      maxInboundStreams: 4,
      maxOutboundStreams: 4,
    });
  }

  stop(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  /** Drops what waits for a peer that is gone. */
  drop(peerId: string): void {
    this.#links.get(peerId)?.close();
    this.#links.delete(peerId);
  }

  send(to: ValidatorId, bytes: Uint8Array, priority: Priority): void {
    if (!this.#mayVote() || !this.#book.hasWeight(to)) return;
    const connections = this.#connections();
    for (const peerId of this.#book.peersOf(to)) {
      const connection = connections.find((c) => c.remotePeer.toString() === peerId);
      if (connection !== undefined) this.#link(connection).send(bytes, priority);
    }
  }

  broadcast(bytes: Uint8Array, priority: Priority): void {
    if (!this.#mayVote()) return;
    const sent = new Set<string>();
    for (const connection of this.#connections()) {
      const peerId = connection.remotePeer.toString();
      if (sent.has(peerId) || !this.#book.isVoter(peerId)) continue;
      sent.add(peerId);
      this.#link(connection).send(bytes, priority);
    }
  }

  #connections(): Connection[] {
    return this.#host.getConnections().filter((connection) => connection.status === 'open');
  }

  #link(connection: Connection): ConsensusLink {
    const peerId = connection.remotePeer.toString();
    const known = this.#links.get(peerId);
    if (known !== undefined) return known;
    const peer = connection.remotePeer;
    const open = async (): Promise<Stream> => {
      const live = this.#host.getConnections(peer).find((c) => c.status === 'open');
      if (live === undefined) throw new NetworkError('NOT_CONNECTED', peerId);
      return live.newStream(this.#protocol, { signal: AbortSignal.timeout(this.#limits.requestTimeoutMs) });
    };
    const link = new ConsensusLink(open, this.#greeting, this.#limits, this.#counters);
    this.#links.set(peerId, link);
    return link;
  }

  /** The first frame is the sender's signed peer record: without a validator behind it nothing else is read. */
  #receive(stream: Stream, connection: Connection): void {
    const peerId = connection.remotePeer.toString();
    const reader = new FrameReader(this.#limits.consensusFrameBytesMax);
    let member: AccountId | undefined;
    let refused = false;
    // Throws when the stream must end, be it for what arrived or for a handler that failed on it.
    const take = (frame: Uint8Array): void => {
      // A frame before this one, of the same chunk even, may have been the one too many.
      if (this.#isCutOff(peerId)) throw new Error('cut off');
      if (member === undefined) {
        const record = frame.length <= PEER_RECORD_BYTES_MAX ? this.#book.learn(frame, peerId) : undefined;
        if (record === undefined || record.peerId !== peerId) throw new Error('no peer record');
        member = record.member;
        this.#proved(peerId);
        if (!this.#book.hasWeight(member)) throw new Error('no validator');
        return;
      }
      // The binding may have moved to another node of this member, or the member may have no vote any more.
      if (!this.#book.hasWeight(member) || this.#book.accountOf(peerId) !== member) throw new Error('not a member');
      if (frame.length === 0) throw new Error('empty frame');
      if (!this.#rate.take(peerId, this.#limits.consensusFramesPerSecond, performance.now())) {
        this.#counters.framesRefused += 1;
        return;
      }
      this.#counters.consensusFramesReceived += 1;
      const from = member as ValidatorId;
      this.#heard(peerId);
      this.#budgets.handle(() => this.#handlers.onConsensus(from, frame));
    };
    stream.addEventListener('message', (event) => {
      if (refused) return;
      try {
        const frames = reader.push(event.data.subarray());
        if (frames === undefined) throw new Error('frame too large');
        for (const frame of frames) take(frame);
      } catch (error) {
        refused = true;
        this.#counters.framesRefused += 1;
        stream.abort(error instanceof Error ? error : new Error('the handler failed'));
      }
    });
    stream.addEventListener('remoteCloseWrite', () => void stream.close().catch(() => undefined));
  }
}
