/** Four validators on libp2p over loopback with blobs on disk, around one ledger that a test drives. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { contentDigest } from '@cloister/confidential';
import type { Ed25519KeyPair } from '@cloister/crypto';
import type { AccountId, Digest } from '@cloister/encoding';
import { createNetwork, type Network } from '@cloister/network';
import { type Chain, digestOf, enclaveOf, runningChain, v0, v1, v2, v3 } from '@cloister/testkit';
import type { LargeResponse } from '@cloister/validator';
import { BlobExchange } from '../../src/blobs/blob-exchange.ts';
import { BlobNames } from '../../src/blobs/blob-names.ts';
import { type BlobLimits, BlobStore } from '../../src/blobs/blob-store.ts';
import { HoldingCollector } from '../../src/blobs/holding-collector.ts';
import { HoldingDesk } from '../../src/blobs/holding-desk.ts';
import { HoldingPromises } from '../../src/blobs/holding-promises.ts';
import { seedOf } from '../samples.ts';

export const LIMITS: BlobLimits = {
  quotaBytes: 64 * 1024 * 1024,
  blobBytesMax: 64 * 1024 * 1024,
  accountBytesMax: 64 * 1024 * 1024,
  retentionMs: 1_000,
};
/** Of two pieces and a half. */
export const LARGE: Uint8Array = Uint8Array.from(randomBytes(5 * 1024 * 1024));
type Answer = (from: AccountId, bytes: Uint8Array) => Promise<Uint8Array | undefined>;

/** A clock that runs so many times as fast as the machine's. */
const clockAt = (speed: number) => ({
  monotonicMs: () => performance.now() * speed,
  sleep: (delayMs: number) => new Promise<void>((resolve) => setTimeout(resolve, delayMs / speed)),
});

/** What a validator's node is made of, as far as blobs go. */
export interface Party {
  readonly key: Ed25519KeyPair;
  readonly names: BlobNames;
  readonly blobs: BlobStore;
  readonly exchange: BlobExchange;
  readonly desk: HoldingDesk;
  readonly network: Network;
  /** What it answers, honestly unless a test puts another in its place. */
  readonly answers: { blob: Answer; hold: Answer };
}

export interface Wire {
  readonly members: () => readonly AccountId[];
  readonly request: (
    protocol: 'blob' | 'hold',
    member: AccountId,
    bytes: Uint8Array,
    maxBytes: number,
  ) => Promise<Uint8Array>;
}

/** The parts of one node over any wire. */
export async function partsOf(
  chain: Chain,
  key: Ed25519KeyPair,
  folder: string,
  wire: Wire,
  more: { readonly limits?: BlobLimits; readonly nowMs?: () => number; readonly monotonicMs?: () => number } = {},
): Promise<Omit<Party, 'network' | 'answers'>> {
  const state = () => chain.state;
  const promises = await HoldingPromises.open(join(folder, `${key.id} promises`));
  const names = new BlobNames(state, promises.all);
  const blobs = await BlobStore.open(join(folder, key.id), {
    limits: more.limits ?? LIMITS,
    nowMs: more.nowMs ?? Date.now,
    named: (digest) => names.has(digest),
    ownerOf: (digest) => names.ownerOf(digest),
  });
  const request = wire.request.bind(wire, 'blob');
  const exchange = new BlobExchange({
    store: blobs,
    members: wire.members,
    request,
    isWorkload: (digest) => names.isWorkload(digest),
    attestationOf: async () => 'unattested',
  });
  const { chainId } = chain.genesis;
  const monotonicMs = more.monotonicMs ?? (() => performance.now());
  const desk = new HoldingDesk({ chainId, signer: key, state, names, promises, blobs, request, monotonicMs });
  return { key, names, blobs, exchange, desk };
}

export interface HoldingScene {
  readonly chain: Chain;
  /** The executor, and the three others. */
  readonly executor: Party;
  readonly others: readonly Party[];
  readonly request: ReturnType<Chain['request']>;
  readonly response: LargeResponse;
  readonly collectorAt: (speed: number) => HoldingCollector;
  stop(): Promise<void>;
}

/** An open task of `v0`, which has a receipt of `LARGE` and the bytes. */
export async function holdingScene(folder: string): Promise<HoldingScene> {
  const { chain, enclaves, model } = runningChain(1);
  const keys = [v0, v1, v2, v3];
  const parties: Party[] = [];
  const members = keys.map(({ id }) => id);
  for (const [i, key] of keys.entries()) {
    const up = new EventTarget();
    const answerOf =
      (protocol: 'blob' | 'hold'): Answer =>
      (from, bytes) => {
        const party = parties[i];
        return party === undefined ? Promise.resolve(undefined) : party.answers[protocol](from, bytes);
      };
    const network = await createNetwork({
      chainId: digestOf('network'),
      nodeKeySeed: seedOf(`node ${i}`),
      member: key,
      members,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      seeds: parties[0]?.network.addresses() ?? [],
      limits: { redialMs: 100 },
      handlers: {
        onConsensus: () => undefined,
        onBatch: () => 'ignore',
        onPeer: () => void up.dispatchEvent(new Event('peer')),
        onRequest: async (protocol, { member }, bytes) =>
          member !== undefined && (protocol === 'blob' || protocol === 'hold')
            ? answerOf(protocol)(member, bytes)
            : undefined,
      },
    });
    const connected = (): AccountId[] =>
      network.peers().flatMap(({ member }) => (member !== undefined && member !== key.id ? [member] : []));
    const parts = await partsOf(chain, key, folder, {
      members: connected,
      request: (protocol, member, bytes, maxBytes) => network.request(member, protocol, bytes, { maxBytes }),
    });
    const answers = { blob: parts.exchange.answer.bind(parts.exchange), hold: parts.desk.answer.bind(parts.desk) };
    parties.push({ ...parts, network, answers });
    while (new Set(connected()).size < i) await once(up, 'peer');
  }
  const [executor, ...others] = parties;
  if (executor === undefined) throw new Error('no executor');
  const request = chain.request(model, enclaves);
  chain.block(request);
  const responseDigest: Digest = contentDigest(LARGE);
  const receipt = chain.receipt(request, enclaves[0] ?? enclaveOf(v0), { responseDigest });
  await executor.exchange.put(responseDigest, LARGE);
  const collectorAt = (speed: number) =>
    new HoldingCollector({
      chainId: chain.genesis.chainId,
      self: v0.id,
      state: () => chain.state,
      connected: () => executor.network.peers().flatMap(({ member }) => member ?? []),
      request: (member, bytes, maxBytes) => executor.network.request(member, 'hold', bytes, { maxBytes }),
      clock: clockAt(speed),
      isStopped: () => false,
    });
  return {
    chain,
    executor,
    others,
    request,
    response: { task: chain.taskOf(request), responseDigest, size: LARGE.length, receipt },
    collectorAt,
    stop: async () => void (await Promise.all(parties.map(({ network }) => network.stop()))),
  };
}
