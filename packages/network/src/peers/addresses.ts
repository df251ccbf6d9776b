/** Multiaddrs as they come from operators (errors) and from peers (what cannot be read is left out). */
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { NetworkError } from '../types.ts';

/** @throws NetworkError ADDRESS_INVALID */
export function parseAddress(address: string): Multiaddr {
  try {
    return multiaddr(address);
  } catch (cause) {
    throw new NetworkError('ADDRESS_INVALID', `${address} is no multiaddr`, { cause });
  }
}

/** The peer id at the end of a multiaddr. */
export function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.name === 'p2p')?.value;
}

/** What a peer record announces, with the peer's name behind each address. */
export function dialableAddresses(addresses: readonly string[], peerId: string): Multiaddr[] {
  const parsed: Multiaddr[] = [];
  for (const address of addresses) {
    try {
      parsed.push(multiaddr(`${address}/p2p/${peerId}`));
    } catch {
      // A member may announce what this version cannot read; its other addresses still count.
    }
  }
  return parsed;
}

/** Stands for the prefix where there is none: all who come that way are one group. */
export const SHARED_ADDRESS = 'shared';

/**
 * The network prefix that one party is taken to hold: /24 of IPv4, /56 of IPv6. Undefined for what names no host that tells
 * parties apart: loopback, where all nodes of one machine share one address, and transports without an IP address.
 */
export function prefixOf(address: Multiaddr): string | undefined {
  const host = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value;
  return host === undefined ? undefined : prefixOfHost(host);
}

export function prefixOfHost(host: string): string | undefined {
  if (!host.includes(':')) return prefixOfIp4(host);
  const words = ip6Words(host);
  if (words === undefined) return undefined;
  // An IPv4 address in IPv6 clothes is the same party.
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    const [high = 0, low = 0] = words.slice(6);
    return prefixOfIp4([high >> 8, high & 255, low >> 8, low & 255].join('.'));
  }
  if (words.slice(0, 7).every((word) => word === 0) && words[7] === 1) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = words;
  return `${[a, b, c, d & 0xff00].map((word) => word.toString(16)).join(':')}::/56`;
}

function prefixOfIp4(host: string): string | undefined {
  const parts = host.split('.');
  return parts[0] === '127' ? undefined : `${parts.slice(0, 3).join('.')}.0/24`;
}

/** The eight words of an IPv6 address in any of its spellings; undefined for what is none. */
function ip6Words(host: string): number[] | undefined {
  const plain = host.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const [high, low] = [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)];
    return `${high.toString(16)}:${low.toString(16)}`;
  });
  const halves = plain.split('::');
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const gap = halves.length === 2 ? 8 - head.length - tail.length : 0;
  const words = [...head, ...Array.from({ length: Math.max(0, gap) }, () => '0'), ...tail].map((word) =>
    Number.parseInt(word, 16),
  );
  return words.length === 8 && words.every((word) => word >= 0 && word <= 0xffff) ? words : undefined;
}
