/** Protocol and topic names. They carry the chain, so that nodes of two networks never talk past each other. */
import type { Digest } from '@cloister/encoding';
import type { RequestProtocol } from '../types.ts';

export const REQUEST_PROTOCOLS: readonly RequestProtocol[] = ['sync', 'blob', 'hold', 'attest', 'peers'];

function prefix(chainId: Digest): string {
  return `/cloister/${chainId.slice(0, 16)}`;
}

export function consensusProtocol(chainId: Digest): string {
  return `${prefix(chainId)}/consensus/1`;
}

export function requestProtocol(chainId: Digest, protocol: RequestProtocol): string {
  return `${prefix(chainId)}/${protocol}/1`;
}

export function batchTopic(chainId: Digest): string {
  return `${prefix(chainId)}/batch/1`;
}
