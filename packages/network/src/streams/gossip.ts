/** The topic of transaction batches: sizes are checked before publishing, every received message gets a verdict. */
import type { TopicValidatorResult } from '@libp2p/gossipsub';
import type { GossipRouter } from '../host/host.ts';
import {
  type BatchVerdict,
  type NetworkCounters,
  NetworkError,
  type NetworkHandlers,
  type NetworkLimits,
} from '../types.ts';

// The package exports its verdicts as an enum of these strings.
const VERDICTS: Record<BatchVerdict, TopicValidatorResult> = {
  accept: 'accept' as TopicValidatorResult,
  ignore: 'ignore' as TopicValidatorResult,
  reject: 'reject' as TopicValidatorResult,
};

export class BatchGossip {
  readonly #router: GossipRouter;
  readonly #topic: string;
  readonly #bytesMax: number;
  readonly #judgedMax: number;
  readonly #counters: NetworkCounters;
  readonly #handlers: NetworkHandlers;
  #judged = 0;

  constructor(
    router: GossipRouter,
    topic: string,
    limits: NetworkLimits,
    counters: NetworkCounters,
    handlers: NetworkHandlers,
  ) {
    this.#router = router;
    this.#topic = topic;
    this.#bytesMax = limits.gossipBytesMax;
    this.#judgedMax = limits.gossipJudgedMax;
    this.#counters = counters;
    this.#handlers = handlers;
  }

  start(): void {
    this.#router.addEventListener('gossipsub:message', (event) => {
      const { msg, msgId, propagationSource } = event.detail;
      if (msg.topic === this.#topic) void this.#receive(msg.data, msgId, propagationSource.toString());
    });
    this.#router.subscribe(this.#topic);
  }

  /** @throws NetworkError MESSAGE_TOO_LARGE: one message above a receiver's bound would leave that pair deaf for good. */
  async publish(bytes: Uint8Array): Promise<void> {
    if (bytes.length > this.#bytesMax) {
      throw new NetworkError(
        'MESSAGE_TOO_LARGE',
        `a batch of ${bytes.length} bytes; at most ${this.#bytesMax} are gossiped`,
      );
    }
    try {
      await this.#router.publish(this.#topic, bytes);
      this.#counters.batchesPublished += 1;
    } catch (cause) {
      throw new NetworkError('REQUEST_FAILED', 'publishing a batch failed', { cause });
    }
  }

  async #receive(bytes: Uint8Array, messageId: string, source: string): Promise<void> {
    this.#counters.batchesReceived += 1;
    const verdict = await this.#judge(bytes, source);
    if (verdict === 'reject') this.#counters.batchesRejected += 1;
    this.#router.reportMessageValidationResult(messageId, source, VERDICTS[verdict]);
  }

  async #judge(bytes: Uint8Array, source: string): Promise<BatchVerdict> {
    if (bytes.length > this.#bytesMax) return 'reject';
    if (this.#judged >= this.#judgedMax) return 'ignore';
    this.#judged += 1;
    try {
      return await this.#handlers.onBatch(bytes, source);
    } catch {
      return 'ignore';
    } finally {
      this.#judged -= 1;
    }
  }
}
