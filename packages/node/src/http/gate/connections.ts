/**
 * The API's connections: how many there are in all and of one client, and which of them are only held.
 *
 * At a limit a new connection takes the place of one that waits for nothing but more from its client: whoever opens a
 * thousand of them closes their own. A connection that brings nothing, or takes nothing, for a while is closed.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { clientOf } from './client-key.ts';
import { sendQueues } from './send-queues.ts';

export interface ConnectionLimits {
  readonly max: number;
  readonly perClientMax: number;
}

/**
 * A connection on which no request is complete may be quiet, or drip headers, for so long: a little longer than the server
 * keeps an answered one alive, whose end it tells in order.
 */
export const IDLE_MS = 12_000;
/** A body must bring `BODY_BYTES_MIN` in each such stretch, and an answer must be taken up at all. */
export const STALL_MS = 20_000;
export const BODY_BYTES_MIN: number = 512 * 1024;
const SWEEP_MS = 1_000;
/** A request that lasts for longer is one of a stream; whether its reader takes anything is asked so often of the kernel. */
export const LOOK_MS = 5_000;
/** Requests that a client may send on one connection ahead of the answers. */
export const PIPELINED_MAX = 64;
/** Bytes of answers that wait to be taken up by one client, and by all, above which no further request is begun. */
export const UNREAD_PER_CLIENT_MAX: number = 8 * 1024 * 1024;
export const UNREAD_MAX: number = 64 * 1024 * 1024;

interface Connection {
  readonly socket: Socket;
  readonly client: string;
  /** Requests that are not answered yet. */
  requests: number;
  /** How many of them have a body that has not ended. */
  bodies: number;
  /** Since when it waits for a request. */
  idleSinceMs: number;
  stallSinceMs: number;
  flushed: number;
  received: number;
  /** Since when it has a request that is not answered. */
  busySinceMs: number;
  /** Bytes that the kernel held at the last look and that were not acknowledged, and how many had been by then. */
  queued: number;
  acknowledged: number;
  /** The latter when the reader was last seen to read. */
  acknowledgedBefore: number;
}

export class ClientConnections {
  readonly #limits: ConnectionLimits;
  readonly #monotonicMs: () => number;
  readonly #all = new Map<Socket, Connection>();
  readonly #perClient = new Map<string, number>();
  readonly #unread = new Map<string, number>();
  #unreadBytes = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #looking = false;
  /** Closed because they were only held, or to make room. */
  closed = 0;

  constructor(limits: ConnectionLimits, monotonicMs: () => number) {
    this.#limits = limits;
    this.#monotonicMs = monotonicMs;
  }

  get size(): number {
    return this.#all.size;
  }

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#opened(socket));
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#began(request, response),
    );
    this.#timer = setInterval(() => {
      void this.look();
      this.sweep();
    }, SWEEP_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #opened(socket: Socket): void {
    const client = clientOf(socket.remoteAddress);
    const { max, perClientMax } = this.#limits;
    const own = this.#perClient.get(client) ?? 0;
    const room =
      (own < perClientMax || this.#closeIdle(client)) && (this.#all.size < max || this.#closeIdle(this.#largest()));
    if (!room) {
      this.closed++;
      socket.destroy();
      return;
    }
    const nowMs = this.#monotonicMs();
    this.#all.set(socket, {
      socket,
      client,
      requests: 0,
      bodies: 0,
      idleSinceMs: nowMs,
      stallSinceMs: nowMs,
      flushed: 0,
      received: 0,
      busySinceMs: nowMs,
      queued: 0,
      acknowledged: 0,
      acknowledgedBefore: 0,
    });
    this.#perClient.set(client, (this.#perClient.get(client) ?? 0) + 1);
    socket.once('close', () => this.#forget(socket));
  }

  #forget(socket: Socket): void {
    const connection = this.#all.get(socket);
    if (connection === undefined) return;
    this.#all.delete(socket);
    const left = (this.#perClient.get(connection.client) ?? 1) - 1;
    if (left > 0) this.#perClient.set(connection.client, left);
    else this.#perClient.delete(connection.client);
  }

  /** The client with the most connections. */
  #largest(): string | undefined {
    let largest: string | undefined;
    let most = 0;
    for (const [client, count] of this.#perClient) {
      if (count <= most) continue;
      most = count;
      largest = client;
    }
    return largest;
  }

  /** Closes the connection of a client that has waited longest for its request; false when all of them have one. */
  #closeIdle(client: string | undefined): boolean {
    for (const connection of this.#all.values()) {
      if (connection.client !== client || connection.requests > 0) continue;
      this.#close(connection);
      return true;
    }
    return false;
  }

  #close({ socket, queued }: Connection): void {
    this.closed++;
    this.#forget(socket);
    // With a reset: what a reader leaves unread would stay in the kernel, and the connection open in its eyes.
    if (socket.writableLength + queued > 0) socket.resetAndDestroy();
    else socket.destroy();
  }

  #began(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#all.get(request.socket);
    if (connection === undefined) return;
    if (connection.requests === 0) connection.busySinceMs = this.#monotonicMs();
    connection.requests++;
    if (connection.requests > PIPELINED_MAX) {
      this.#close(connection);
      return;
    }
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    if (length !== undefined || encoding !== undefined) {
      connection.bodies++;
      connection.stallSinceMs = this.#monotonicMs();
      const ended = (): void => {
        connection.bodies--;
      };
      if (request.complete) ended();
      else request.once('close', ended);
    }
    response.once('close', () => {
      connection.requests--;
      connection.idleSinceMs = this.#monotonicMs();
      // Behind those that have waited longer.
      if (this.#all.delete(connection.socket)) this.#all.set(connection.socket, connection);
    });
  }

  /** Counts an answer until it has left or its connection is gone. */
  answering(client: string, bytes: number, response: ServerResponse): void {
    if (bytes === 0) return;
    this.#count(client, bytes);
    response.once('close', () => this.#count(client, -bytes));
  }

  #count(client: string, bytes: number): void {
    this.#unreadBytes += bytes;
    const own = (this.#unread.get(client) ?? 0) + bytes;
    if (own > 0) this.#unread.set(client, own);
    else this.#unread.delete(client);
  }

  /** Whether answers that were not taken up weigh too much already for another one: of this client, or of all. */
  overloadedBy(client: string): 'client' | 'all' | undefined {
    if ((this.#unread.get(client) ?? 0) > UNREAD_PER_CLIENT_MAX) return 'client';
    return this.#unreadBytes > UNREAD_MAX ? 'all' : undefined;
  }

  /** Asks the kernel what readers of long answers have taken, at most every `LOOK_MS`; done every second by itself. */
  async look(): Promise<void> {
    const nowMs = this.#monotonicMs();
    if (this.#looking || nowMs - this.#lookedMs < LOOK_MS) return;
    const long = [...this.#all.values()].filter(
      ({ requests, busySinceMs }) => requests > 0 && nowMs - busySinceMs >= LOOK_MS,
    );
    if (long.length === 0) return;
    this.#looking = true;
    this.#lookedMs = nowMs;
    // Before the kernel is asked: what is sent meanwhile may count as not yet acknowledged, never the other way round.
    const sent = long.map(({ socket }) => socket.bytesWritten - socket.writableLength);
    const queues = await sendQueues(long.map(({ socket }) => socket));
    for (const [i, connection] of long.entries()) {
      connection.queued = queues.get(connection.socket) ?? 0;
      connection.acknowledged = Math.max(connection.acknowledged, (sent[i] ?? 0) - connection.queued);
    }
    this.#looking = false;
  }

  /** Closes what is only held; done every second by itself. */
  sweep(): void {
    const nowMs = this.#monotonicMs();
    for (const connection of [...this.#all.values()]) if (this.#isHeld(connection, nowMs)) this.#close(connection);
  }

  #isHeld(connection: Connection, nowMs: number): boolean {
    const { socket } = connection;
    if (connection.requests === 0 && socket.writableLength === 0) return nowMs - connection.idleSinceMs >= IDLE_MS;
    const unread = socket.writableLength;
    const flushed = socket.bytesWritten - unread;
    const taken =
      unread > 0
        ? flushed > connection.flushed
        : connection.queued === 0 || connection.acknowledged > connection.acknowledgedBefore;
    const brought = connection.bodies === 0 || socket.bytesRead - connection.received >= BODY_BYTES_MIN;
    if (!taken || !brought) return nowMs - connection.stallSinceMs >= STALL_MS;
    connection.flushed = flushed;
    connection.acknowledgedBefore = connection.acknowledged;
    connection.received = socket.bytesRead;
    connection.stallSinceMs = nowMs;
    return false;
  }
}
