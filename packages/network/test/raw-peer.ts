/** A libp2p node without any of this package's manners, for the hostile tests. */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { FrameReader } from '../src/streams/framing.ts';
import { consensusProtocol, requestProtocol } from '../src/streams/protocol-names.ts';
import type { RequestProtocol } from '../src/types.ts';
import { chainId, seedOf, type TestNode } from './cluster.ts';

export const PROTOCOLS: readonly ('consensus' | RequestProtocol)[] = [
  'consensus',
  'sync',
  'blob',
  'hold',
  'attest',
  'peers',
];

export function protocolName(protocol: 'consensus' | RequestProtocol): string {
  return protocol === 'consensus' ? consensusProtocol(chainId) : requestProtocol(chainId, protocol);
}

export type RawPeer = {
  readonly host: Libp2p;
  readonly peerId: string;
  connect(to: TestNode): Promise<Connection>;
};

export async function startRaw(name: string): Promise<RawPeer> {
  const host = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', seedOf(`node ${name}`)),
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify(), ping: ping() },
  });
  return {
    host,
    peerId: host.peerId.toString(),
    connect: (to) => host.dial(multiaddr(String(to.network.addresses()[0]))),
  };
}

/** Resolves once the stream is over, however it ends. */
export function ended(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.status !== 'open') resolve();
    stream.addEventListener('close', () => resolve());
    stream.addEventListener('end', () => resolve());
  });
}

/** The first whole frame that comes, or undefined when the stream ends without one. */
export function answerOf(stream: Stream): Promise<Uint8Array | undefined> {
  const reader = new FrameReader(1 << 24);
  return new Promise((resolve) => {
    stream.addEventListener('message', (event) => {
      const frame = reader.push(event.data.subarray())?.[0];
      if (frame !== undefined) resolve(frame);
    });
    void ended(stream).then(() => resolve(undefined));
  });
}
