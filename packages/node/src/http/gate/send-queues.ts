/**
 * What the kernel still holds for the other side of a connection. A small answer leaves this process at once, whether or not
 * anybody reads it; only the kernel sees that it is not acknowledged, and Linux says so in /proc.
 */
import { createReadStream } from 'node:fs';
import { type Socket, SocketAddress } from 'node:net';

/** Bytes that are read of one table at most, since clients that open and close connections make it longer. */
const TABLE_BYTES_MAX: number = 2 * 1024 * 1024;
/** Local and remote address and port, state, and what waits to be acknowledged; see proc_pid_net(5). */
const LINE = /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]{2} ([0-9A-F]{8}):/;

/** Addresses stand there as words of 32 bits in the order of this machine, which is little-endian on every supported one. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex').swap32();
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

function keyOf({ localPort, remotePort }: Socket): string {
  return `${localPort}>${remotePort}`;
}

/** Takes one line of a table into `queued`, if it is of one of these sockets. */
function takeLine(line: string, byPorts: ReadonlyMap<string, readonly Socket[]>, queued: Map<Socket, number>): void {
  const [, local = '', localPort = '', remote = '', remotePort = '', queue = ''] = LINE.exec(line) ?? [];
  const ports = `${Number.parseInt(localPort, 16)}>${Number.parseInt(remotePort, 16)}`;
  for (const socket of byPorts.get(ports) ?? []) {
    if (socket.remoteAddress !== addressOf(remote) || socket.localAddress !== addressOf(local)) continue;
    queued.set(socket, Number.parseInt(queue, 16));
  }
}

/** Bytes that were sent on each of these sockets and not acknowledged. One that is missing was not found. */
export async function sendQueues(sockets: readonly Socket[]): Promise<ReadonlyMap<Socket, number>> {
  const byPorts = new Map<string, Socket[]>();
  for (const socket of sockets) byPorts.set(keyOf(socket), [...(byPorts.get(keyOf(socket)) ?? []), socket]);
  const queued = new Map<Socket, number>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let rest = '';
    try {
      for await (const chunk of createReadStream(table, { encoding: 'latin1', end: TABLE_BYTES_MAX })) {
        const lines = `${rest}${chunk as string}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) takeLine(line, byPorts, queued);
      }
    } catch {
      // A machine without this table: a reader is known by what waits in this process alone.
    }
  }
  return queued;
}
