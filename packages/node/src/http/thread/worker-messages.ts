/** What passes between the thread that votes and the thread of the API. */
import type { Digest } from '@cloister/encoding';
import type { LogHead } from '@cloister/event-log';
import type { ApiOptions } from '../api-options.ts';
import type { AnswerMessage, AskMessage } from './question-client.ts';

/** How far the chain is, told with each block. */
export interface ApiPosition {
  readonly head: LogHead;
  /** Events whose types are indexed. */
  readonly indexed: number;
  readonly height: number;
  readonly provableHeight: number;
}

export interface WorkerSetup {
  readonly options: ApiOptions;
  readonly chainId: Digest;
  readonly genesisBytes: Uint8Array;
  readonly simulated: boolean;
  /** Databases that the other thread holds open as shared. */
  readonly chainDirectory: string;
  readonly indexDirectory: string;
  readonly blobBytesMax: number;
  readonly position: ApiPosition;
}

export type ToApi =
  | { readonly type: 'position'; readonly position: ApiPosition }
  | { readonly type: 'answer'; readonly answer: AnswerMessage }
  | { readonly type: 'close' };

export type FromApi =
  | { readonly type: 'ask'; readonly ask: AskMessage }
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'error'; readonly message: string };
