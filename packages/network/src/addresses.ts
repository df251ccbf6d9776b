/** Multiaddrs as they come from operators (errors) and from peers (what cannot be read is left out). */
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { NetworkError } from './types.ts';

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
