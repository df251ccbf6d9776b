/** What the API stands on, in whichever thread it runs; tests give it a made-up node. */
import type { Digest } from '@cloister/crypto';
import type { ChainReader } from '@cloister/validator';
import type { MetricsRegistry } from '../metrics.ts';
import type { TypeIndex } from '../type-index.ts';
import type { Follow } from './follow.ts';
import type { NodeQuestions } from './node-questions.ts';

export interface ApiContext {
  readonly chainId: Digest;
  /** Under simulated trust anchors: every answer says so. */
  readonly simulated: boolean;
  readonly chain: ChainReader;
  readonly types: Pick<TypeIndex, 'sequences'>;
  readonly follow: Pick<Follow, 'position' | 'subscribe'>;
  readonly node: NodeQuestions;
  /** An encoded EventProof; undefined while the event is not provable. */
  readonly eventProof: (sequence: number) => Promise<Uint8Array | undefined>;
  readonly blobBytesMax: number;
  /** Of the API itself; the node's own are asked for. */
  readonly metrics: MetricsRegistry;
}
