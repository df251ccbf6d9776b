/**
 * The chain as the client trusts it: a genesis whose hash the caller named, and a light client that starts there.
 *
 * A node may withhold, but it cannot make anything up: each event is taken with the proof of its finality and inclusion, and what
 * holds now (policy, attestations, models, grants) with the proof that a fresh finalized header commits it.
 */
import type { Header, LightClientState } from '@cloister/consensus';
import type { AccountId, Digest } from '@cloister/encoding';
import {
  type AttestationFact,
  type Fact,
  type FactAbout,
  type FactSubject,
  factKey,
  type GrantFact,
  type LedgerEvent,
  type LedgerEventType,
  type ModelFact,
  type ParsedGenesis,
  parseGenesis,
  RULES_SUBJECT,
  type RulesFact,
} from '@cloister/ledger';
import { decodeEventProof, decodeFactsProof, lightClientOf, verifyEventProof, verifyFacts } from '@cloister/proof';
import type { Edge } from '../edge.ts';
import { ClientError } from '../errors.ts';
import type { ListedEvent, NodeApi } from '../node/api.ts';
import type { NodePool } from '../node/node-pool.ts';
import { type Deadline, poll } from '../node/polling.ts';
import { Freshness } from './freshness.ts';

const PAGE = 200;

type EventOf<T extends LedgerEventType> = Extract<LedgerEvent, { type: T }>;

/** An event that was verified, and where it stands. */
export interface ProvenEvent<E> {
  readonly event: E;
  readonly sequence: number;
  readonly height: number;
}

/** A fresh finalized header, as far as callers need it. */
export interface Head {
  readonly height: Header['height'];
  readonly timeMs: number;
  /** Events that it vouches for. */
  readonly eventCount: number;
}

/** What holds in the state that a fresh head vouches for, of what was asked. */
export class FreshFacts {
  readonly head: Head;
  readonly #facts: ReadonlyMap<string, Fact>;

  constructor(head: Head, facts: ReadonlyMap<string, Fact>) {
    this.head = head;
    this.#facts = facts;
  }

  #get<A extends Fact['about']>(about: A, subject: FactSubject): FactAbout<A> | undefined {
    const fact = this.#facts.get(factKey(subject));
    return fact?.about === about ? (fact as FactAbout<A>) : undefined;
  }

  /** There always are rules: a node that shows none withholds them. */
  get rules(): RulesFact {
    const rules = this.#get('rules', RULES_SUBJECT);
    if (rules === undefined) throw new ClientError('FACT_WITHHELD', 'rules');
    return rules;
  }

  attestation(node: AccountId): AttestationFact | undefined {
    return this.#get('attestation', { about: 'attestation', node });
  }

  model(model: Digest): ModelFact | undefined {
    return this.#get('model', { about: 'model', model });
  }

  grant(model: Digest, keyset: Digest): GrantFact | undefined {
    return this.#get('grant', { about: 'grant', model, keyset });
  }
}

/** A head with what came under it, and the light client that it leads to. */
interface Shown<T> {
  readonly header: Header;
  readonly lightClient: LightClientState;
  readonly value: T;
}

function headOf({ height, timestampMs, lastFinal }: Header): Head {
  return { height, timeMs: timestampMs, eventCount: lastFinal.eventCount };
}

export class TrustedChain {
  readonly genesis: ParsedGenesis;
  readonly #nodes: NodePool;
  readonly #edge: Edge;
  readonly #maxHeadAgeMs: number;
  #lightClient: LightClientState;

  private constructor(genesis: ParsedGenesis, nodes: NodePool, edge: Edge, maxHeadAgeMs: number) {
    this.genesis = genesis;
    this.#nodes = nodes;
    this.#edge = edge;
    this.#maxHeadAgeMs = maxHeadAgeMs;
    this.#lightClient = lightClientOf(genesis);
  }

  /** Fetches the genesis and holds it against the chain id that the caller trusts. */
  static async open(nodes: NodePool, chainId: Digest, edge: Edge, maxHeadAgeMs: number): Promise<TrustedChain> {
    const genesis = await nodes.first(async (api) => {
      const parsed = parseGenesis(await api.genesis());
      if (!parsed.ok) throw new ClientError('GENESIS_INVALID', parsed.code);
      if (parsed.value.chainId !== chainId) throw new ClientError('GENESIS_MISMATCH', parsed.value.chainId);
      return parsed.value;
    });
    return new TrustedChain(genesis, nodes, edge, maxHeadAgeMs);
  }

  get chainId(): Digest {
    return this.genesis.chainId;
  }

  /** Whether the genesis trusts simulated platforms. */
  get simulated(): boolean {
    return this.genesis.genesis.trustAnchors.simulated;
  }

  /** Height of the newest header that the light client accepted. */
  get trustedHeight(): number {
    return this.#lightClient.height;
  }

  /** Verifies an encoded event proof and moves the light client on. */
  verify(proofBytes: Uint8Array, sequence: number): ProvenEvent<LedgerEvent> {
    const { event, record, lightClient } = this.#verifiedEvent(proofBytes, sequence);
    this.#lightClient = lightClient;
    return { event, sequence, height: record.height };
  }

  #verifiedEvent(proofBytes: Uint8Array, sequence: number) {
    const decoded = decodeEventProof(proofBytes);
    if (!decoded.ok) throw new ClientError('EVENT_PROOF_INVALID', decoded.detail ?? decoded.code);
    if (decoded.value.index !== sequence) throw new ClientError('EVENT_MISMATCH', `proof of ${decoded.value.index}`);
    const verified = verifyEventProof(this.#lightClient, decoded.value);
    if (verified.ok) return verified.value;
    throw new ClientError('EVENT_PROOF_INVALID', [verified.code, verified.detail].filter(Boolean).join(' '));
  }

  /** A fresh head, from the node that shows the newest one. Throws CHAIN_STALE and CLOCK_BEHIND. */
  async head(deadline: Deadline): Promise<Head> {
    const { header } = await this.#fresh(deadline, 'no head', async (api) => {
      const proof = await api.eventProof(0);
      if (proof === undefined) return undefined;
      const { header: shown, lightClient } = this.#verifiedEvent(proof, 0);
      return { header: shown, lightClient, value: undefined };
    });
    return headOf(header);
  }

  /** What holds now, of what is asked and there is. Throws CHAIN_STALE and CLOCK_BEHIND. */
  async facts(subjects: readonly FactSubject[], deadline: Deadline): Promise<FreshFacts> {
    const { header, value } = await this.#fresh(deadline, 'no facts', (api) => this.#factsOf(api, subjects));
    return new FreshFacts(headOf(header), value);
  }

  async #factsOf(
    api: NodeApi,
    subjects: readonly FactSubject[],
  ): Promise<Shown<ReadonlyMap<string, Fact>> | undefined> {
    const bytes = await api.facts(subjects);
    if (bytes === undefined) return undefined;
    const decoded = decodeFactsProof(bytes);
    if (!decoded.ok) throw new ClientError('FACTS_PROOF_INVALID', decoded.detail ?? decoded.code);
    const verified = verifyFacts(this.#lightClient, decoded.value);
    if (!verified.ok) {
      // A node a moment behind another is no liar: it is asked again.
      if (verified.code === 'HEADER_NOT_NEWEST') return undefined;
      throw new ClientError('FACTS_PROOF_INVALID', [verified.code, verified.detail].filter(Boolean).join(' '));
    }
    const { header, lightClient, facts } = verified.value;
    const value = new Map<string, Fact>();
    decoded.value.documents.forEach(({ subject }, i) => {
      const fact = facts[i];
      if (fact !== undefined) value.set(factKey(subject), fact);
    });
    return { header, lightClient, value };
  }

  /** Asks until a head is fresh, and moves the light client on to it. */
  async #fresh<T>(
    deadline: Deadline,
    what: string,
    ask: (api: NodeApi) => Promise<Shown<T> | undefined>,
  ): Promise<Shown<T>> {
    const freshness = new Freshness(this.#maxHeadAgeMs, this.#edge.nowMs());
    return poll(this.#edge, deadline, what, async () => {
      const shown = await this.#nodes.newest(ask);
      if (shown === undefined || shown.header.height < this.#lightClient.height) return undefined;
      this.#lightClient = shown.lightClient;
      return freshness.accepts(shown.header, this.#edge.nowMs()) ? shown : undefined;
    });
  }

  /** The event at a sequence, once it is provable. */
  async eventAt(sequence: number, deadline: Deadline): Promise<ProvenEvent<LedgerEvent>> {
    return poll(this.#edge, deadline, `event ${sequence} is not provable`, (attempt) =>
      this.#nodes.inTurn(attempt, async (api) => {
        const proof = await api.eventProof(sequence);
        return proof === undefined ? undefined : this.verify(proof, sequence);
      }),
    );
  }

  /** The same, of the type that is expected there. */
  async event<T extends LedgerEventType>(
    sequence: number,
    type: T,
    deadline: Deadline,
  ): Promise<ProvenEvent<EventOf<T>>> {
    const proven = await this.eventAt(sequence, deadline);
    if (proven.event.type !== type) throw new ClientError('EVENT_MISMATCH', `${proven.event.type} at ${sequence}`);
    return { ...proven, event: proven.event as EventOf<T> };
  }

  /** The first listed event of a type from a sequence on that satisfies `wanted`, proven. */
  async find<T extends LedgerEventType>(
    type: T,
    from: number,
    wanted: (payload: ListedEvent['payload']) => boolean,
    deadline: Deadline,
  ): Promise<ProvenEvent<EventOf<T>>> {
    let next = from;
    const sequence = await poll(this.#edge, deadline, `no ${type} event`, async (attempt) => {
      for (;;) {
        if (this.#edge.nowMs() >= deadline.atMs) return undefined;
        const ask = (api: NodeApi): ReturnType<NodeApi['events']> => api.events({ from: next, limit: PAGE, type });
        const page = (await this.#nodes.inTurn(attempt, ask)) ?? [];
        const found = page.find((event) => event.type === type && event.sequence >= from && wanted(event.payload));
        if (found !== undefined) return found.sequence;
        const last = page.at(-1)?.sequence;
        if (last === undefined || last < next) return undefined;
        next = last + 1;
      }
    });
    return this.event(sequence, type, deadline);
  }
}
