/**
 * A validator in hostile hands over real libp2p: the real replica and the production shell, with a behaviour of the
 * simulator between them and the network. The behaviour can be changed while the node runs.
 */
import { type Ed25519KeyPair, SeededRandom } from '@cloister/crypto';
import type { ValidatorId } from '@cloister/encoding';
import { MemoryStore } from '@cloister/event-log';
import { genesisValidatorSet, type ParsedGenesis } from '@cloister/ledger';
import { createNetwork, type Network } from '@cloister/network';
import { type Behaviour, BYZANTINE, type ByzantineName, TICK_MS, toAll } from '@cloister/network-sim';
import { ReplicaShell, shellNetwork } from '@cloister/node/testnet';
import { openReplica, type SendPriority, serveSync } from '@cloister/replica';

export interface ByzantineNodeOptions {
  readonly genesis: ParsedGenesis;
  readonly keyPair: Ed25519KeyPair;
  readonly nodeKeySeed: Uint8Array;
  readonly seeds: readonly string[];
}

/** Its own traffic leaves before anything else. */
const PRIORITY_OF_BURSTS: SendPriority = 0;

export class ByzantineNode {
  readonly #options: ByzantineNodeOptions;
  readonly #validators: readonly ValidatorId[];
  readonly #self: ValidatorId;
  #behaviour: Behaviour = {};
  #network: Network | undefined;
  #shell: ReplicaShell | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #height = 0;
  #clockOffMs = 0;

  constructor(options: ByzantineNodeOptions) {
    this.#options = options;
    this.#validators = genesisValidatorSet(options.genesis.genesis).validators.map(({ id }) => id);
    this.#self = options.keyPair.id as ValidatorId;
  }

  get height(): number {
    return this.#height;
  }

  get connectedValidators(): number {
    const members = this.#live()
      .peers()
      .flatMap(({ member }) => (member === undefined ? [] : [String(member)]));
    return new Set(members.filter((id) => this.#validators.some((validator) => validator === id))).size;
  }

  /** Honest when there is no name. */
  behave(name: ByzantineName | undefined): void {
    const { genesis, keyPair } = this.#options;
    this.#behaviour =
      name === undefined
        ? {}
        : BYZANTINE[name].make({
            chainId: genesis.chainId,
            keyPair,
            random: new SeededRandom(`byzantine/${name}`),
            validators: this.#validators,
            self: this.#validators.indexOf(this.#self),
          });
  }

  async start(): Promise<void> {
    const { genesis, keyPair, nodeKeySeed, seeds } = this.#options;
    const chain = new MemoryStore();
    const guard = new MemoryStore();
    const { replica, log, reader } = await openReplica({ config: { genesis, signer: keyPair }, chain, guard });
    const honest = shellNetwork(() => this.#live(), keyPair.id, reader);
    const shell = new ReplicaShell({
      replica,
      chain,
      guard,
      log,
      network: {
        ...honest,
        sendConsensus: (to, bytes, priority) => this.#send([this.#indexOf(to)], bytes, priority),
        broadcastConsensus: (bytes, priority) => this.#send(this.#others(), bytes, priority),
        gossipBatch: async (bytes) => {
          for (const one of this.#behaviour.gossip?.(bytes) ?? [bytes]) await this.#gossip(one);
        },
      },
      nowMs: () => Date.now() + this.#clockOffMs,
      monotonicMs: () => performance.now(),
      onCommitted: ({ height }) => {
        this.#height = height;
      },
      onExecute: () => undefined,
      onEvidence: () => undefined,
      onRefused: () => undefined,
      onUnpublished: () => undefined,
      onHalt: (code, detail) => {
        throw new Error(`the Byzantine node's replica halted: ${code} ${detail}`);
      },
    });
    this.#shell = shell;
    this.#network = await createNetwork({
      chainId: genesis.chainId,
      nodeKeySeed,
      member: { id: keyPair.id, sign: (message) => keyPair.sign(message) },
      members: this.#validators,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      seeds,
      handlers: {
        onConsensus: (from, bytes) => {
          this.#behaviour.hear?.(this.#indexOf(from), 'consensus', bytes);
          shell.frame(from, bytes);
        },
        onBatch: (bytes, from) => {
          this.#behaviour.hear?.(this.#indexOf(from as ValidatorId), 'batch', bytes);
          return shell.batch(from as ValidatorId, bytes);
        },
        onRequest: async (protocol, _requester, bytes) => {
          if (protocol !== 'sync') return undefined;
          const answer = await serveSync(reader, bytes, { submit: async () => 'NOT_ACCEPTING' });
          return this.#behaviour.serve === undefined ? answer : this.#behaviour.serve(bytes, answer);
        },
        onPeer: (id, up) => shell.peer(id, up),
      },
    });
    shell.start();
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticking);
    await this.#shell?.stop();
    await this.#network?.stop();
  }

  #live(): Network {
    if (this.#network === undefined) throw new Error('the Byzantine node has not started');
    return this.#network;
  }

  #indexOf(id: ValidatorId): number {
    return this.#validators.indexOf(id);
  }

  #others(): number[] {
    return this.#validators.flatMap((id, index) => (id === this.#self ? [] : [index]));
  }

  #send(targets: readonly number[], bytes: Uint8Array, priority: SendPriority): void {
    for (const frame of this.#behaviour.send?.(targets, bytes) ?? toAll(targets, bytes)) this.#leave(frame, priority);
  }

  #leave(
    frame: { readonly to: number; readonly bytes: Uint8Array; readonly afterMs?: number },
    priority: SendPriority,
  ) {
    const to = this.#validators[frame.to];
    if (to === undefined) return;
    if (frame.afterMs === undefined) this.#live().sendConsensus(to, frame.bytes, priority);
    else setTimeout(() => this.#network?.sendConsensus(to, frame.bytes, priority), frame.afterMs).unref();
  }

  #tick(): void {
    this.#clockOffMs = this.#behaviour.clockOffMs?.() ?? 0;
    const burst = this.#behaviour.tick?.();
    for (const frame of burst?.frames ?? []) this.#leave(frame, PRIORITY_OF_BURSTS);
    for (const bytes of burst?.gossip ?? []) void this.#gossip(bytes);
  }

  /** A batch that is too large for gossip is this attacker's loss. */
  #gossip(bytes: Uint8Array): Promise<void> {
    return this.#live()
      .gossipBatch(bytes)
      .catch(() => undefined);
  }
}

/** What the parent process tells the child; each order is answered by a report. Null is honest, absent no change. */
export type ByzantineOrder = { readonly behave?: ByzantineName | null };
export type ByzantineReport = { readonly height: number; readonly connectedValidators: number };
