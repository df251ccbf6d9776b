/**
 * Keeps the requests of the sync protocol that wait for an answer. Each answer goes once to the part that asked, and
 * must be of the kind that was asked for. An answer to no waiting request is dropped unread.
 */

import type { ReplicaCore } from '../step/replica-core.ts';
import { decodeSyncResponse, encodeSyncRequest, type SyncRequest, type SyncResponse } from './sync-messages.ts';
import type { SyncPeers } from './sync-peers.ts';

type ResponseTo<Type extends SyncRequest['type']> = Extract<SyncResponse, { readonly type: Type }>;

/** What came of a request; `response` is undefined for a refusal too. */
export interface Answer<Type extends SyncRequest['type']> {
  /** Who answered, or was asked: 'any' when nobody was connected. */
  readonly peer: string;
  readonly response: ResponseTo<Type> | undefined;
  /** The peer said that it cannot serve this, which is no fault. */
  readonly refused: boolean;
}

interface Pending {
  readonly to: string;
  readonly take: (peer: string, response: SyncResponse | undefined) => void;
}

export interface AskOptions {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export class RequestDesk {
  readonly #core: ReplicaCore;
  readonly #peers: SyncPeers;
  readonly #pending = new Map<number, Pending>();
  #nextRequestId = 1;

  constructor(core: ReplicaCore, peers: SyncPeers) {
    this.#core = core;
    this.#peers = peers;
  }

  /** `to` may be this node itself: the answer comes from its own database. */
  ask<Type extends SyncRequest['type']>(
    to: string,
    request: SyncRequest & { readonly type: Type },
    { timeoutMs, maxBytes }: AskOptions,
    handle: (answer: Answer<Type>) => void,
  ): void {
    const requestId = this.#nextRequestId++;
    const take = (peer: string, response: SyncResponse | undefined): void => {
      const refused = response?.type === 'refused';
      const fits = isResponseTo<Type>(response, request.type);
      if (response !== undefined && !refused && !fits) this.#peers.blame(peer, 'LIED', 'SYNC_OTHER_KIND');
      else if (response === undefined) this.#peers.failed(peer);
      handle({ peer, response: fits ? response : undefined, refused });
    };
    this.#pending.set(requestId, { to, take });
    this.#core.emit({ type: 'request', requestId, to, bytes: encodeSyncRequest(request), timeoutMs, maxBytes });
  }

  /** An answer, or undefined for none. */
  response(requestId: number, from: string | undefined, bytes: Uint8Array | undefined): void {
    const pending = this.#pending.get(requestId);
    if (pending === undefined) return;
    this.#pending.delete(requestId);
    const peer = from ?? pending.to;
    const decoded = bytes === undefined ? undefined : decodeSyncResponse(bytes);
    if (decoded?.ok === false) this.#peers.blame(peer, 'MALFORMED', 'SYNC_MALFORMED');
    pending.take(peer, decoded?.ok === true ? decoded.value : undefined);
  }
}

function isResponseTo<Type extends SyncRequest['type']>(
  response: SyncResponse | undefined,
  type: Type,
): response is ResponseTo<Type> {
  return response?.type === type;
}
