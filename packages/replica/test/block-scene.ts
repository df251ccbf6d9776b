/** A pool, evidence and roots made by hand, to build and judge blocks over. */
import type { Block, Finalization, Header } from '@cloister/consensus';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { asDigest, asEpoch, asHeight, asView, type Digest, type ValidatorId } from '@cloister/encoding';
import {
  genesisValidatorSet,
  initialState,
  type Lane,
  type ParsedGenesis,
  signBatch,
  type Transaction,
} from '@cloister/ledger';
import { genesisOf, junkEvidence, keysFrom, putRecord, START_MS } from '@cloister/testkit/mini-net';
import { BatchPool } from '../src/batches/batch-pool.ts';
import type { BuildRequest } from '../src/blocks/block-builder.ts';
import { EvidencePool } from '../src/blocks/evidence-pool.ts';
import { TransactionSignatureCache } from '../src/receive/transaction-signatures.ts';
import { NetworkClock } from '../src/step/network-clock.ts';
import type { ExecutedRoot, ReplicaCore } from '../src/step/replica-core.ts';
import type { ReplicaEffect } from '../src/step/replica-ports.ts';
import type { CommittedTip } from '../src/store/committed-tip.ts';

export const keys: readonly Ed25519KeyPair[] = keysFrom('validators', 4);
export const genesis: ParsedGenesis = genesisOf(keys);
const set = genesisValidatorSet(genesis.genesis);
export const author: Ed25519KeyPair = keys[1] as Ed25519KeyPair;
export const rootOf: (label: string) => ExecutedRoot = (label) => ({
  hash: asDigest(label.repeat(32)),
  eventRoot: asDigest('ee'.repeat(32)),
  eventCount: 7,
  factsRoot: asDigest('fa'.repeat(32)),
});

function finalizationAt(height: number): Finalization {
  const view = asView(height);
  const { hash: blockHash } = rootOf(`${height}${height}`);
  const parentView = asView(height - 1);
  const proposition = { epoch: asEpoch(0), view, parentView, blockHash, justificationHash: blockHash };
  const signatures = [0, 1, 2].map(() => new Uint8Array(64));
  return {
    type: 'certificate',
    kind: 'finalize',
    epoch: asEpoch(0),
    view,
    proposition,
    bitmap: Uint8Array.of(7),
    signatures,
  };
}

export interface BatchChanges {
  readonly lane?: Lane;
  readonly expiryHeight?: number;
  readonly ageMs?: number;
  readonly evidenceOf?: readonly Ed25519KeyPair[];
  readonly transactions?: readonly Transaction[];
  readonly value?: string;
  readonly by?: Ed25519KeyPair;
}

export function scene(executedHeight = 3) {
  const clock = { nowMs: START_MS + 10_000, monotonicMs: 10_000 };
  const effects: ReplicaEffect[] = [];
  const named = new Set<Digest>();
  const pool = new BatchPool({
    chainId: genesis.chainId,
    set,
    signatures: new TransactionSignatureCache(),
    named: () => named,
  });
  const evidence = new EvidencePool(genesis.chainId, set, []);
  const core: ReplicaCore = {
    chainId: genesis.chainId,
    self: keys[0]?.id as ValidatorId,
    signer: keys[0] as NonNullable<(typeof keys)[0]>,
    genesis,
    set,
    isMember: true,
    isValidator: true,
    epoch: asEpoch(0),
    paramsHash: asDigest('99'.repeat(32)),
    ledger: initialState(),
    networkClock: new NetworkClock(set, keys[0]?.id as ValidatorId),
    get nowMs() {
      return clock.nowMs;
    },
    get monotonicMs() {
      return clock.monotonicMs;
    },
    emit: (effect) => void effects.push(effect),
    setTimer: () => undefined,
    committedHeight: () => asHeight(executedHeight),
    executedHeight: () => asHeight(executedHeight),
    halt: () => undefined,
  };
  const roots = new Map<number, ExecutedRoot>([
    [0, { ...rootOf('00'), hash: genesis.chainId }],
    [3, rootOf('33')],
    [4, rootOf('44')],
  ]);
  const tips = [3, 4].map(
    (height) =>
      ({
        hash: rootOf(`${height}${height}`).hash,
        header: { height: asHeight(height) } as Header,
        finalization: finalizationAt(height),
      }) satisfies CommittedTip,
  );
  const root = (height: number) => roots.get(height);
  const newestCommit = (height: number) => tips.findLast((tip) => tip.header.height <= height);
  /** Puts a batch into the pool as it is, past the checks that it would meet on its way in. */
  const addBatch = (changes: BatchChanges = {}): Digest => {
    const { evidenceOf, lane = evidenceOf ? 'attestation' : 'normal', by = author } = changes;
    const { expiryHeight = 100, ageMs = 1000, value = 'value' } = changes;
    const transactions = evidenceOf?.map((sender) => junkEvidence(genesis, sender)) ??
      changes.transactions ?? [putRecord(genesis, { value })];
    const batch = signBatch(by, {
      chainId: genesis.chainId,
      author: by.id as ValidatorId,
      epoch: asEpoch(0),
      lane,
      expiryHeight: asHeight(expiryHeight),
      transactions: transactions.map(({ bytes }) => bytes),
    });
    pool.addOwn({ batch, transactions }, clock.monotonicMs - ageMs);
    return batch.id;
  };
  return { clock, pool, core, named, effects, roots, addBatch, sources: { core, pool, evidence, root, newestCommit } };
}

export function parentHeader(changes: Partial<Header> = {}): Header {
  return {
    height: asHeight(5),
    timestampMs: START_MS,
    lastFinal: { height: asHeight(3), ...rootOf('33') },
    ...changes,
  } as Header;
}

export function request(header = parentHeader(), ancestors: readonly Block[] = []): BuildRequest {
  const { height } = header;
  const hash = asDigest('55'.repeat(32));
  const lastFinal = { height: asHeight(3), hash: rootOf('33').hash };
  return {
    type: 'build-block',
    epoch: asEpoch(0),
    view: asView(9),
    parent: { hash, height, header },
    lastFinal,
    ancestors,
  };
}
