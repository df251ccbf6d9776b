/** What the API stands on, over a ledger that really executed some blocks, without replica, network, enclave or thread. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { type AccountId, asHeight, type Digest, fail, ok } from '@cloister/encoding';
import { EventLog, MemoryStore } from '@cloister/event-log';
import { encodeEvent, type LedgerEvent, settingsOf, signUploadClaim } from '@cloister/ledger';
import { type AdmissionCode, ChainStore } from '@cloister/replica';
import { Chain, digestOf, enclaveOf, owner, tenant, v0, v1 } from '@cloister/testkit';
import { BlobNames } from '../../src/blobs/blob-names.ts';
import { BlobStore } from '../../src/blobs/blob-store.ts';
import { EventBus } from '../../src/chain/event-bus.ts';
import { EventIndex } from '../../src/chain/event-index.ts';
import { TypeIndex } from '../../src/chain/type-index.ts';
import { NodeDesk } from '../../src/desk/node-desk.ts';
import type { ApiContext } from '../../src/http/api-context.ts';
import type { ApiOptions } from '../../src/http/api-options.ts';
import { Follow } from '../../src/http/thread/follow.ts';
import type { ApiPosition } from '../../src/http/thread/worker-messages.ts';
import type { NodeContext } from '../../src/process/node-context.ts';
import { MetricsRegistry } from '../../src/status/metrics.ts';

/** A made-up node over a chain. */
export interface FakeNode {
  readonly context: ApiContext;
  readonly node: NodeContext;
  readonly chain: Chain;
  readonly blobs: BlobStore;
  /** Digests for which members were asked. */
  readonly fetched: Digest[];
  /** What the next submissions are answered with, beside being taken. */
  readonly verdict: { code: AdmissionCode | undefined };
  /** Appends a block of events and tells everyone who follows. */
  append(): Promise<void>;
  remove(): Promise<void>;
}

/** One whose chain holds something of everything. */
export interface FakeContext extends FakeNode {
  readonly ids: {
    readonly record: Digest;
    readonly rejected: Digest;
    readonly model: Digest;
    readonly task: Digest;
  };
}

export const API_OPTIONS: ApiOptions = {
  host: '127.0.0.1',
  port: 0,
  allowedHosts: [],
  streamsMax: 2,
  connectionsMax: 64,
  connectionsPerClientMax: 32,
  clientTokensPerSecond: 10_000,
  version: '0.0.0',
};

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

/** The headers of an upload of these bytes by an account. */
export function uploadHeaders(
  chain: Chain,
  keyPair: Ed25519KeyPair,
  bytes: Uint8Array,
  expiryHeight: number = chain.height + 10,
): Record<string, string> {
  const digest = createHash('sha256').update(bytes).digest('hex') as Digest;
  const claim = {
    chainId: chain.genesis.chainId,
    account: keyPair.id,
    digest,
    size: bytes.length,
    expiryHeight: asHeight(expiryHeight),
  };
  return {
    'content-type': 'application/octet-stream',
    'cloister-digest': digest,
    'cloister-upload': signUploadClaim(keyPair, claim),
  };
}

export async function makeContext(): Promise<FakeContext> {
  const { chain, ids } = liveChain();
  return { ...(await fakeNode(chain)), ids };
}

export async function fakeNode(chain: Chain): Promise<FakeNode> {
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
  const indexStore = new MemoryStore();
  const index = await EventIndex.open(indexStore, log);
  const bus = new EventBus(() => undefined);
  const folder = await mkdtemp(join(tmpdir(), 'cloister-api-'));
  const state = () => chain.state;
  const names = new BlobNames(state);
  const blobs = await BlobStore.open(join(folder, 'blobs'), {
    limits: { quotaBytes: 400_000, blobBytesMax: 100_000, accountBytesMax: 150_000, retentionMs: 1_000 },
    nowMs: () => Date.now(),
    named: (digest) => names.has(digest),
    ownerOf: (digest) => names.ownerOf(digest),
  });
  const verdict: FakeNode['verdict'] = { code: undefined };
  const fetched: Digest[] = [];
  const reader = new ChainStore(store, log, { chainId: genesis.chainId, bytes: genesis.bytes });
  const node: NodeContext = {
    self: v0.id,
    chain: reader,
    state,
    provableHeight: () => chain.height - 1,
    status: () => ({ chainId: genesis.chainId, height: chain.height }),
    isLost: () => false,
    waitsFor: () => [],
    readiness: () => ({ ready: false, reasons: ['NOT_CONNECTED'] }),
    submitVerified: () =>
      Promise.resolve(verdict.code === undefined ? ok({ id: digestOf('submitted') }) : fail(verdict.code)),
    fateOf: async (id) => {
      const settled = await index.transaction(id);
      if (settled === undefined) return { fate: 'UNKNOWN' };
      const { sequence, height, code } = settled;
      return code === undefined
        ? { fate: 'COMMITTED', sequence, height }
        : { fate: 'REJECTED', code, sequence, height };
    },
    index,
    facts: (subjects) => Promise.resolve(subjects.length === 1 ? Uint8Array.of(4, 5, 6) : undefined),
    challenge: (_, of) => Promise.resolve(of === v0.id ? ok(Uint8Array.of(9)) : fail('RATE_LIMITED')),
    challengeOutcome: (of: AccountId) =>
      of === v1.id
        ? undefined
        : {
            passed: false,
            isAnswered: true,
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
  const position = (): ApiPosition => ({
    head: log.head,
    indexed: index.count,
    height: chain.height,
    provableHeight: node.provableHeight(),
  });
  const moves = new Follow(position());
  // Tests execute blocks behind its back, too.
  const follow: ApiContext['follow'] = {
    get position() {
      return position();
    },
    subscribe: (listener) => moves.subscribe(listener),
  };
  const desk = new NodeDesk({
    context: node,
    blobs,
    names,
    holdBlob: async (digest) => {
      fetched.push(digest);
      return false;
    },
    monotonicMs: () => performance.now(),
  });
  const context: ApiContext = {
    chainId: genesis.chainId,
    simulated: settingsOf(chain.state).trustAnchors.simulated,
    chain: reader,
    types: new TypeIndex(indexStore),
    follow,
    node: desk,
    eventProof: (sequence) => Promise.resolve(sequence < 5 ? Uint8Array.of(1, 2, 3) : undefined),
    blobBytesMax: blobs.blobBytesMax,
    metrics: new MetricsRegistry(),
  };
  const append = async (): Promise<void> => {
    const firstSequence = log.head.count;
    const { events } = chain.block();
    await write();
    const height = asHeight(chain.height);
    index.committed(firstSequence, height, events);
    names.committed(events);
    bus.publish({ type: 'committed', height, firstSequence, events } as never);
    await index.settled();
    moves.moved(position());
  };
  const remove = async (): Promise<void> => {
    await desk.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { context, node, chain, blobs, fetched, verdict, append, remove };
}

/** Damages a blob on disk. */
export async function damage(blobs: BlobStore, digest: Digest): Promise<void> {
  const file = await blobs.fileOf(digest);
  if (file === undefined) throw new Error('no such blob');
  await writeFile(file.path, new Uint8Array(file.size));
}
