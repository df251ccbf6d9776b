/**
 * Real replicas with an instant, faultless network and time that moves only when told: for what a test wants to see of one
 * replica. The simulator in network-sim does everything else.
 */
import { SIMULATED_ANCHORS, simulatedAppraisalPolicy } from '@cloister/attestation/simulated';
import { type Ed25519KeyPair, ed25519KeyPair, SeededRandom } from '@cloister/crypto';
import { asDigest, asHeight, asMeasurement, assert, type ValidatorId } from '@cloister/encoding';
import { type EventLog, MemoryStore } from '@cloister/event-log';
import {
  DEFAULT_PARAMS,
  makeGenesis,
  type ParsedGenesis,
  type PutRecordPayload,
  signTransaction,
  type Transaction,
} from '@cloister/ledger';
import {
  type ChainStore,
  carryOutStore,
  openReplica,
  type Replica,
  type ReplicaEffect,
  serveSync,
  type UntimedInput,
} from '@cloister/replica';

export const START_MS = 1_780_272_000_000;

export function keysFrom(seed: string, count: number): Ed25519KeyPair[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => ed25519KeyPair(random.bytes(32))).sort((a, b) => (a.id < b.id ? -1 : 1));
}

export const client: Ed25519KeyPair = keysFrom('client', 1)[0] as Ed25519KeyPair;

export function genesisOf(validators: readonly Ed25519KeyPair[], transactionWindow = 300): ParsedGenesis {
  const made = makeGenesis({
    schema: 'cloister/genesis/v1',
    name: 'mini',
    timeMs: START_MS - 1000,
    params: { ...DEFAULT_PARAMS, transactionWindow },
    validators: validators.map(({ id }, index) => ({ id, name: `v${index}`, weight: 1 })),
    accounts: [{ id: client.id, name: 'client' }],
    governance: { members: validators.map(({ id }) => id), threshold: 1 },
    trustAnchors: SIMULATED_ANCHORS,
    referenceValues: [
      { platform: 'sev-snp', measurement: asMeasurement('aa'.repeat(48)), image: asDigest('bb'.repeat(32)), name: 'x' },
    ],
    appraisalPolicy: simulatedAppraisalPolicy({ maxAgeBlocks: 500, refreshWindowBlocks: 200, nonceWindowBlocks: 50 }),
  });
  assert(made.ok, 'genesis');
  return made.value;
}

let nonces = 0;
export function putRecord(
  genesis: ParsedGenesis,
  fields: { sender?: Ed25519KeyPair; expiryHeight?: number } & Partial<PutRecordPayload> = {},
): Transaction {
  const { sender = client, expiryHeight = 100, ...payload } = fields;
  const signed = signTransaction(sender, {
    chainId: genesis.chainId,
    sender: sender.id,
    nonce: (nonces++).toString(16).padStart(32, '0'),
    expiryHeight: asHeight(expiryHeight),
    kind: 'put-record',
    payload: { namespace: 'test', key: 'key', value: 'value', ...payload },
  });
  assert(signed.ok, 'put-record');
  return signed.value;
}

/** Bytes that are no evidence. They cost a block one appraisal, as evidence does. */
export function junkEvidence(genesis: ParsedGenesis, sender: Ed25519KeyPair): Transaction {
  return attestationOf(genesis, sender, { kind: 'submit-attestation', payload: { bundle: 'AAAA' } });
}

/** A refresh that is none. */
export function junkRefresh(genesis: ParsedGenesis, sender: Ed25519KeyPair): Transaction {
  return attestationOf(genesis, sender, { kind: 'refresh-attestation', payload: { statement: 'AAAA' } });
}

function attestationOf(
  genesis: ParsedGenesis,
  sender: Ed25519KeyPair,
  content:
    | { readonly kind: 'submit-attestation'; readonly payload: { readonly bundle: string } }
    | { readonly kind: 'refresh-attestation'; readonly payload: { readonly statement: string } },
): Transaction {
  const signed = signTransaction(sender, {
    chainId: genesis.chainId,
    sender: sender.id,
    nonce: (nonces++).toString(16).padStart(32, '0'),
    expiryHeight: asHeight(100),
    ...content,
  });
  assert(signed.ok, content.kind);
  return signed.value;
}

export interface MiniNode {
  readonly id: ValidatorId;
  readonly key: Ed25519KeyPair;
  chain: MemoryStore;
  guard: MemoryStore;
  replica: Replica;
  log: EventLog;
  reader: ChainStore;
  readonly effects: ReplicaEffect[];
  timers: Map<string, number>;
  /** Changes answers to sync requests of others. */
  serve: (answer: Uint8Array, request: Uint8Array) => Uint8Array | undefined;
  cut: boolean;
  /** Gossips no batches. */
  mute: boolean;
  /** False: its writes do not become durable, and it is told nothing. */
  writes: () => boolean;
  /** Of its wall clock against the net's. */
  skewMs: number;
}

export class MiniNet {
  readonly genesis: ParsedGenesis;
  readonly nodes: MiniNode[] = [];
  /** Whether a frame of one node reaches another. */
  carries: (from: MiniNode, to: MiniNode, bytes: Uint8Array) => boolean = () => true;
  /** Requests of one node that another one answered. */
  onRequest: (from: MiniNode, to: MiniNode) => void = () => undefined;
  nowMs: number = START_MS;
  monotonicMs = 0;
  readonly #queue: (() => void | Promise<void>)[] = [];
  #refs = 0;

  constructor(genesis: ParsedGenesis) {
    this.genesis = genesis;
  }

  static async of(validators: number, observers = 0): Promise<MiniNet> {
    const keys = keysFrom('validators', validators);
    const net = new MiniNet(genesisOf(keys));
    for (const key of keys) await net.add(key);
    for (const key of keysFrom('observers', observers)) await net.add(key);
    return net;
  }

  async add(key: Ed25519KeyPair, stores: { chain?: MemoryStore; guard?: MemoryStore } = {}): Promise<MiniNode> {
    const { chain = new MemoryStore(), guard = new MemoryStore() } = stores;
    const opened = await openReplica({ config: { genesis: this.genesis, signer: key }, chain, guard });
    const { replica, log, reader } = opened;
    const id = key.id as ValidatorId;
    const node: MiniNode = {
      id,
      key,
      chain,
      guard,
      replica,
      log,
      reader,
      effects: [],
      timers: new Map(),
      serve: (answer) => answer,
      cut: false,
      mute: false,
      writes: () => true,
      skewMs: 0,
    };
    this.nodes.push(node);
    return node;
  }

  node(index: number): MiniNode {
    const node = this.nodes[index];
    assert(node !== undefined, 'a node');
    return node;
  }

  /** Starts every node and connects all. */
  async start(): Promise<void> {
    for (const node of this.nodes) this.input(node, { type: 'start' });
    for (const node of this.nodes) {
      for (const other of this.nodes) if (other !== node) this.input(node, { type: 'peer', id: other.id, up: true });
    }
    await this.settle();
  }

  /** Starts a node that was added later, and connects it with those that run. */
  async startOne(node: MiniNode): Promise<void> {
    this.input(node, { type: 'start' });
    for (const other of this.nodes) {
      if (other === node || other.id === node.id) continue;
      this.input(node, { type: 'peer', id: other.id, up: true });
      this.input(other, { type: 'peer', id: node.id, up: true });
    }
    await this.settle();
  }

  /** Closes a node's replica and opens it again over what was synced. */
  async restart(index: number): Promise<MiniNode> {
    const node = this.node(index);
    node.chain = node.chain.durableCopy();
    node.guard = node.guard.durableCopy();
    const config = { genesis: this.genesis, signer: node.key };
    const { replica, log, reader } = await openReplica({ config, chain: node.chain, guard: node.guard });
    Object.assign(node, { replica, log, reader, timers: new Map() });
    this.input(node, { type: 'start' });
    for (const other of this.nodes) if (other !== node) this.input(node, { type: 'peer', id: other.id, up: true });
    await this.settle();
    return node;
  }

  input(node: MiniNode, input: UntimedInput): ReplicaEffect[] {
    const effects = node.replica.step({ ...input, nowMs: this.nowMs + node.skewMs, monotonicMs: this.monotonicMs });
    node.effects.push(...effects);
    for (const effect of effects) this.#carryOut(node, effect);
    return effects;
  }

  submit(node: MiniNode, bytes: Uint8Array): Extract<ReplicaEffect, { type: 'admission' }>['result'] {
    const effects = this.input(node, { type: 'submit', ref: this.#refs++, bytes });
    const admission = effects.find((effect) => effect.type === 'admission');
    assert(admission?.type === 'admission', 'a submission is answered in its step');
    return admission.result;
  }

  #carryOut(node: MiniNode, effect: ReplicaEffect): void {
    const { replica } = node;
    const later = (run: () => void | Promise<void>): void => {
      this.#queue.push(() => (node.replica === replica ? run() : undefined));
    };
    switch (effect.type) {
      case 'store':
        later(async () => {
          if (!node.writes()) return;
          await carryOutStore(effect, node);
          this.input(node, { type: 'stored', token: effect.token });
        });
        break;
      case 'set-timer':
        node.timers.set(effect.id, this.monotonicMs + effect.delayMs);
        break;
      case 'send':
      case 'gossip': {
        const channel = effect.type === 'send' ? 'consensus' : 'batch';
        for (const other of this.nodes) {
          const meant = effect.type === 'gossip' || effect.to === 'all' || effect.to === other.id;
          if (other === node || !meant || node.cut || other.cut) continue;
          if (effect.type === 'gossip' && node.mute) continue;
          if (effect.type === 'send' && !this.carries(node, other, effect.bytes)) continue;
          const { bytes } = effect;
          this.#queue.push(() => void this.input(other, { type: 'frame', channel, from: node.id, bytes }));
        }
        break;
      }
      case 'request':
        later(async () => {
          const { requestId } = effect;
          const other = this.nodes.find(({ id }) => id === effect.to);
          const reachable = other !== undefined && !other.cut && !node.cut;
          if (other !== undefined && other !== node) this.onRequest(node, other);
          const submit = async (bytes: Uint8Array) => {
            const result = other === undefined ? undefined : this.submit(other, bytes);
            return result?.ok === true ? '' : (result?.code ?? 'HALTED');
          };
          const answer = reachable ? await serveSync(other.reader, effect.bytes, { submit }) : undefined;
          const bytes = answer === undefined ? undefined : other?.serve(answer, effect.bytes);
          this.input(node, { type: 'response', requestId, bytes, ...(other === undefined ? {} : { from: other.id }) });
        });
    }
  }

  /** Carries out everything that needs no time. */
  async settle(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) await next();
  }

  /** Moves time on, firing timers on the way. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.monotonicMs + ms;
    for (;;) {
      await this.settle();
      let due: { node: MiniNode; id: string; atMs: number } | undefined;
      for (const node of this.nodes) {
        for (const [id, atMs] of node.timers)
          if (atMs <= untilMs && (due === undefined || atMs < due.atMs)) due = { node, id, atMs };
      }
      if (due === undefined) break;
      due.node.timers.delete(due.id);
      this.#moveTo(due.atMs);
      this.input(due.node, { type: 'timer', id: due.id });
    }
    this.#moveTo(untilMs);
  }

  #moveTo(monotonicMs: number): void {
    const passedMs = Math.max(0, monotonicMs - this.monotonicMs);
    this.monotonicMs += passedMs;
    this.nowMs += passedMs;
  }

  effectsOf<T extends ReplicaEffect['type']>(index: number, type: T): Extract<ReplicaEffect, { type: T }>[] {
    return this.node(index).effects.filter(
      (effect): effect is Extract<ReplicaEffect, { type: T }> => effect.type === type,
    );
  }

  heights(): number[] {
    return this.nodes.map(({ replica }) => replica.status().executedHeight);
  }
}
