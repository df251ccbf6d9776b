/**
 * Yamux whose connection may go away at any moment. Version 8 sends the first frame of a new stream from a microtask, and
 * when the connection was closed in between that write throws where nobody can catch it: it ends the process. Frames for a
 * connection that no longer takes any are dropped here instead; its streams learn of the end as ever.
 */
import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux';
import { PacedReads } from '../gates/paced-reads.ts';

type Listen = Parameters<MessageStream['addEventListener']>;

/** `created`: told of each new multiplexer and of the pacing in front of it. */
export function steadyYamux(
  init: YamuxMuxerInit,
  created: (muxer: StreamMuxer, reads: PacedReads) => void,
): () => StreamMuxerFactory {
  return () => {
    const factory = yamux(init)();
    const create = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection: MessageStream) => {
      const reads = new PacedReads(connection);
      const listen = connection.addEventListener.bind(connection);
      // The multiplexer registers its listeners while it is made; its data takes the way through the pacing.
      connection.addEventListener = (...[type, listener, options]: Listen) => {
        const paced = type === 'message' && typeof listener === 'function' ? reads.listener(listener) : listener;
        listen(type, paced, options);
      };
      const muxer = create(connection);
      connection.addEventListener = listen;
      created(muxer, reads);
      const send = muxer.send.bind(muxer);
      muxer.send = (frame) => {
        // False means that nothing more can be taken now.
        if (connection.status !== 'open') return false;
        try {
          return send(frame);
        } catch (error) {
          // A failed write ends the connection; a refused one means that it is ending already.
          const refused = error instanceof Error && error.name === 'StreamStateError';
          if (refused || (connection.status as string) !== 'open') return false;
          throw error;
        }
      };
      return muxer;
    };
    return factory;
  };
}
