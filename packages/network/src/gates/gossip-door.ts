/**
 * Gossip is for validators: only they author batches, and everybody else follows the chain by ranges. A stream of
 * anybody else is not read, so that its subscriptions and control messages cost nothing. One for each connection waits
 * until its peer proves to be a validator, because a stream is opened before the proof can arrive.
 */
import type { GossipSubComponents } from '@libp2p/gossipsub';
import type { Connection, Stream, StreamHandler } from '@libp2p/interface';

type Registrar = GossipSubComponents['registrar'];

export class GossipDoor {
  readonly #isAdmitted: (peerId: string) => boolean;
  readonly #held = new Map<string, { readonly stream: Stream; readonly enter: () => void }>();

  constructor(isAdmitted: (peerId: string) => boolean) {
    this.#isAdmitted = isAdmitted;
  }

  /** Streams held. */
  get size(): number {
    return this.#held.size;
  }

  /** The registrar as gossipsub sees it: its handlers stand behind this door. */
  guard(registrar: Registrar): Registrar {
    return {
      getProtocols: () => registrar.getProtocols(),
      getHandler: (protocol) => registrar.getHandler(protocol),
      handle: (protocol, handler, options) => registrar.handle(protocol, this.#behind(handler), options),
      unhandle: (protocols, options) => registrar.unhandle(protocols, options),
      register: (protocol, topology, options) => registrar.register(protocol, topology, options),
      unregister: (id) => registrar.unregister(id),
      getTopologies: (protocol) => registrar.getTopologies(protocol),
      use: (protocol, middleware) => registrar.use(protocol, middleware),
      unuse: (protocol) => registrar.unuse(protocol),
      getMiddleware: (protocol) => registrar.getMiddleware(protocol),
    };
  }

  /** A peer showed who it is. */
  proved(peerId: string): void {
    const held = this.#held.get(peerId);
    if (held === undefined || !this.#isAdmitted(peerId)) return;
    this.#held.delete(peerId);
    if (held.stream.status === 'open') held.enter();
  }

  forget(peerId: string): void {
    this.#held.get(peerId)?.stream.abort(new Error('gone'));
    this.#held.delete(peerId);
  }

  #behind(handler: StreamHandler): StreamHandler {
    return (stream: Stream, connection: Connection) => {
      const peerId = connection.remotePeer.toString();
      if (this.#isAdmitted(peerId)) return handler(stream, connection);
      this.#held.get(peerId)?.stream.abort(new Error('one stream is enough'));
      this.#held.set(peerId, { stream, enter: () => void handler(stream, connection) });
    };
  }
}
