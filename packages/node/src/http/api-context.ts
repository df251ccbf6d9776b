/** What the API stands on, in whichever thread it runs; tests give it a made-up node. */
import type { Digest } from '@cloister/encoding';
import type { ChainReader } from '@cloister/replica';
import type { TypeIndex } from '../chain/type-index.ts';
import type { MetricsRegistry } from '../status/metrics.ts';
import type { Follow } from './thread/follow.ts';
import type { NodeQuestions } from './thread/node-questions.ts';

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
  /** Metrics of the API itself. Those of the node are asked for. */
  readonly metrics: MetricsRegistry;
}
