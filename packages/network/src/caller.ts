/** Requests to peers: bounded in size, in time and in number. */
import type { Digest } from '@cloister/encoding';
import { Asking } from './gates/asking.ts';
import type { PeerConnections } from './host/connections.ts';
import type { Connection, Host } from './host/host.ts';
import { PEER_LIST_BYTES_MAX } from './limits.ts';
import { parseAddress, peerOf } from './peers/addresses.ts';
import type { PeerBook } from './peers/peer-book.ts';
import { requestProtocol } from './streams/protocol-names.ts';
import { sendRequest } from './streams/requests.ts';
import { NetworkError, type NetworkLimits, type RequestProtocol } from './types.ts';

export type RequestOptions = { readonly timeoutMs?: number; readonly maxBytes?: number };

export class Caller {
  readonly #chainId: Digest;
  readonly #limits: NetworkLimits;
  readonly #book: PeerBook;
  readonly #connections: PeerConnections;
  readonly #heard: (peerId: string) => void;
  readonly #asking: Asking;

  constructor(parts: {
    chainId: Digest;
    limits: NetworkLimits;
    book: PeerBook;
    connections: PeerConnections;
    /** Told of each answer. */
    heard: (peerId: string) => void;
  }) {
    this.#chainId = parts.chainId;
    this.#limits = parts.limits;
    this.#book = parts.book;
    this.#connections = parts.connections;
    this.#heard = parts.heard;
    this.#asking = new Asking(parts.limits, () => parts.book.isOwnMember);
  }

  /** `peer`: a member's id or a libp2p name. */
  async request(
    peer: string,
    protocol: RequestProtocol,
    bytes: Uint8Array,
    options: RequestOptions = {},
  ): Promise<Uint8Array> {
    if (bytes.length > this.#limits.requestBytesMax) throw new NetworkError('REQUEST_TOO_LARGE', protocol);
    const connection = this.#connections.openTo(this.#book.peerOf(peer) ?? peer);
    if (connection === undefined) throw new NetworkError('NOT_CONNECTED', `no connection to ${peer}`);
    return this.#on(connection, protocol, bytes, options);
  }

  /** Shows a list of peer records on this very connection, for a peer may be reached by several. @returns its own list. */
  show(connection: Connection, records: Uint8Array): Promise<Uint8Array> {
    return this.#on(connection, 'peers', records, { maxBytes: PEER_LIST_BYTES_MAX });
  }

  async #on(
    connection: Connection,
    protocol: RequestProtocol,
    bytes: Uint8Array,
    { timeoutMs = this.#limits.requestTimeoutMs, maxBytes = this.#limits.responseBytesMax }: RequestOptions,
  ): Promise<Uint8Array> {
    const peerId = connection.remotePeer.toString();
    const name = requestProtocol(this.#chainId, protocol);
    const answer = await this.#asking.ask(peerId, () => sendRequest(connection, name, bytes, timeoutMs, maxBytes));
    if (answer === undefined) throw new NetworkError('REQUEST_REFUSED', `too many requests to ${peerId}`);
    this.#heard(peerId);
    return answer;
  }
}

/** Connects to a multiaddr that ends in /p2p/<peer id>. @returns the peer's libp2p name. */
export async function dial(host: Host, address: string, timeoutMs: number): Promise<string> {
  const target = parseAddress(address);
  if (peerOf(target) === undefined) throw new NetworkError('ADDRESS_INVALID', `${address} lacks /p2p/<peer id>`);
  try {
    const connection = await host.dial(target, { signal: AbortSignal.timeout(timeoutMs) });
    return connection.remotePeer.toString();
  } catch (cause) {
    throw new NetworkError('DIAL_FAILED', `${address} cannot be reached`, { cause });
  }
}
