/** What the API stands on, over a ledger that really executed some blocks, without replica, network or enclave. */
import type { Digest } from '@cloister/crypto';
import { asHeight, fail, ok } from '@cloister/crypto';
import { EventLog, MemoryStore } from '@cloister/event-log';
import { encodeEvent, type LedgerEvent } from '@cloister/ledger';
import { ChainStore } from '@cloister/validator';
import { Chain, digestOf, enclaveOf, owner, tenant, v0, v1 } from '../../ledger/test/samples.ts';
import { EventBus } from '../src/event-bus.ts';
import { EventIndex } from '../src/event-index.ts';
import type { ApiContext } from '../src/http/api-context.ts';
import { MetricsRegistry } from '../src/metrics.ts';

export interface FakeContext {
  context: ApiContext;
  readonly chain: Chain;
  readonly ids: {
    readonly record: Digest;
    readonly rejected: Digest;
    readonly model: Digest;
    readonly task: Digest;
  };
  readonly blobs: Map<string, Uint8Array>;
  /** Appends a block of events and tells the bus. */
  append(): Promise<void>;
}

function heightsOf(events: readonly LedgerEvent[]): number[] {
  let height = 0;
  return events.map((event) => {
    if (event.type === 'BlockBegun') height = event.height;
    return height;
  });
}

/** A chain with an attested executor, a model, a finished inference, a record and a rejection. */
function liveChain(): Pick<FakeContext, 'chain' | 'ids'> {
  const chain = new Chain();
  const enclave = enclaveOf(v0);
  chain.block();
  chain.block(chain.evidence(v0, enclave));
  const manifest = chain.manifest();
  const publish = chain.transaction(owner, 'publish-model', { manifest: manifest as never });
  chain.block(publish);
  const model = [...chain.state.models.keys()][0] as Digest;
  chain.block(chain.grant(model, chain.keyset(enclave)));
  const request = chain.request(model, [enclave]);
  chain.block(request);
  chain.block(chain.result(v0, request, chain.receipt(request, enclave)));
  const record = chain.transaction(tenant, 'put-record', { namespace: 'notes', key: 'a/b c', value: 'text' });
  const rejected = chain.transaction(owner, 'put-record', { namespace: 'notes', key: 'x', value: 'not mine' });
  chain.block([record]);
  chain.block([rejected]);
  return { chain, ids: { record: record.id, rejected: rejected.id, model, task: chain.taskOf(request) } };
}

export async function makeContext(): Promise<FakeContext> {
  const { chain, ids } = liveChain();
  const { genesis } = chain;
  const store = new MemoryStore();
  const log = await EventLog.open(store, { chainId: genesis.chainId, verify: 'full' });
  const write = async (): Promise<void> => {
    const heights = heightsOf(chain.log);
    for (let at = log.head.count; at < chain.log.length; ) {
      const height = heights[at] ?? 0;
      let to = at;
      while (to < chain.log.length && heights[to] === height) to++;
      await log.commit(log.prepare(asHeight(height), chain.log.slice(at, to).map(encodeEvent)));
      at = to;
    }
  };
  await write();
  const index = await EventIndex.open(new MemoryStore(), log);
  const bus = new EventBus(() => undefined);
  const blobs = new Map<string, Uint8Array>();
  const context: ApiContext = {
    self: v0.id,
    chain: new ChainStore(store, log, { chainId: genesis.chainId, bytes: genesis.bytes }),
    state: () => chain.state,
    provableHeight: () => chain.height - 1,
    status: () => ({ chainId: genesis.chainId, height: chain.height }),
    readiness: () => ({ ready: false, reasons: ['NOT_CONNECTED'] }),
    submit: (bytes) => Promise.resolve(bytes.length === 3 ? fail('BACKPRESSURE') : ok({ id: digestOf('submitted') })),
    fateOf: async (id) => {
      const settled = await index.transaction(id);
      if (settled === undefined) return { fate: 'UNKNOWN' };
      const { sequence, height, code } = settled;
      return code === undefined
        ? { fate: 'COMMITTED', sequence, height }
        : { fate: 'REJECTED', code, sequence, height };
    },
    index,
    blobs: {
      blobBytesMax: 100_000,
      put: (bytes) => {
        const digest = digestOf(`blob ${bytes.length}`);
        blobs.set(digest, bytes);
        return Promise.resolve(digest);
      },
    },
    fetchBlob: (digest) => Promise.resolve(blobs.get(digest)),
    facts: (subjects) => Promise.resolve(subjects.length === 1 ? Uint8Array.of(4, 5, 6) : undefined),
    eventProof: (sequence) => Promise.resolve(sequence < 5 ? Uint8Array.of(1, 2, 3) : undefined),
    challenge: (_, node) => Promise.resolve(node === v0.id ? ok(Uint8Array.of(9)) : fail('RATE_LIMITED')),
    challengeOutcome: (node) =>
      node === v1.id
        ? undefined
        : {
            passed: false,
            code: 'NONCE_MISMATCH',
            detail: '',
            keyset: digestOf('keyset'),
            policyDigest: chain.state.policyDigest,
            measurement: undefined,
            simulated: true,
            atMs: 5,
            doneMs: 5,
          },
    bus,
    metrics: new MetricsRegistry(),
  };
  const append = async (): Promise<void> => {
    const firstSequence = log.head.count;
    const { events } = chain.block();
    await write();
    const height = asHeight(chain.height);
    index.committed(firstSequence, height, events);
    bus.publish({ type: 'committed', height, firstSequence, events } as never);
  };
  return { context, chain, ids, blobs, append };
}
