/**
 * The chain as the client trusts it: a genesis whose hash the caller named, and a light client that starts there.
 *
 * The node may withhold events, but it cannot make one up: each is taken with the proof of its finality and inclusion.
 */
import { type AppraisalPolicy, appraisalPolicyFromJson, type ReferenceValue } from '@cloister/attestation';
import type { LightClientState } from '@cloister/consensus';
import type { Digest } from '@cloister/crypto';
import { type LedgerEvent, type LedgerEventType, type ParsedGenesis, parseGenesis } from '@cloister/ledger';
import { decodeEventProof, lightClientOf, verifyEventProof } from '@cloister/proof';
import type { ListedEvent, NodeApi } from './api.ts';
import type { Edge } from './context.ts';
import { ClientError } from './errors.ts';
import { MEASUREMENT_EVENTS, type MeasurementChange, referenceValuesAfter } from './measurement-changes.ts';
import { type Deadline, poll } from './polling.ts';

const PAGE = 200;
/** Decisions of governance that a chain is believed to have: beyond it a node is making them up. */
const DECISIONS_MAX = 10_000;

type EventOf<T extends LedgerEventType> = Extract<LedgerEvent, { type: T }>;

/** An event that was verified, and where it stands. */
export interface ProvenEvent<E> {
  readonly event: E;
  readonly sequence: number;
  readonly height: number;
}

export class TrustedChain {
  readonly genesis: ParsedGenesis;
  readonly #api: NodeApi;
  readonly #edge: Edge;
  #lightClient: LightClientState;
  readonly #measurementEvents = new Map<number, MeasurementChange>();
  #policy: { readonly sequence: number; readonly policy: AppraisalPolicy } | undefined;
  /** Of each type of event that is followed: the sequence from which on it was not listed yet. */
  readonly #listedFrom = new Map<LedgerEventType, number>();

  private constructor(genesis: ParsedGenesis, api: NodeApi, edge: Edge) {
    this.genesis = genesis;
    this.#api = api;
    this.#edge = edge;
    this.#lightClient = lightClientOf(genesis);
  }

  /** Fetches the genesis and holds it against the chain id that the caller trusts. */
  static async open(api: NodeApi, chainId: Digest, edge: Edge): Promise<TrustedChain> {
    const parsed = parseGenesis(await api.genesis());
    if (!parsed.ok) throw new ClientError('GENESIS_INVALID', parsed.code);
    if (parsed.value.chainId !== chainId) throw new ClientError('GENESIS_MISMATCH', parsed.value.chainId);
    return new TrustedChain(parsed.value, api, edge);
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
    const decoded = decodeEventProof(proofBytes);
    if (!decoded.ok) throw new ClientError('EVENT_PROOF_INVALID', decoded.detail ?? decoded.code);
    if (decoded.value.index !== sequence) throw new ClientError('EVENT_MISMATCH', `proof of ${decoded.value.index}`);
    const verified = verifyEventProof(this.#lightClient, decoded.value);
    if (!verified.ok) {
      throw new ClientError('EVENT_PROOF_INVALID', [verified.code, verified.detail].filter(Boolean).join(' '));
    }
    this.#lightClient = verified.value.lightClient;
    return { event: verified.value.event, sequence, height: verified.value.record.height };
  }

  /** Moves the light client on to the newest header that the node shows, which comes with the proof of any event. */
  async follow(): Promise<void> {
    const proof = await this.#api.eventProof(0);
    if (proof !== undefined) this.verify(proof, 0);
  }

  /** The event at a sequence, once it is provable, of the type that is expected there. */
  async event<T extends LedgerEventType>(
    sequence: number,
    type: T,
    deadline: Deadline,
  ): Promise<ProvenEvent<EventOf<T>>> {
    const ask = (): Promise<Uint8Array | undefined> => this.#api.eventProof(sequence);
    const proof = await poll(this.#edge, deadline, `event ${sequence} is not provable`, ask);
    const proven = this.verify(proof, sequence);
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
    const sequence = await poll(this.#edge, deadline, `no ${type} event`, async () => {
      for (;;) {
        if (this.#edge.nowMs() >= deadline.atMs) return undefined;
        const page = await this.#api.events({ from: next, limit: PAGE, type });
        const found = page.find((event) => event.type === type && event.sequence >= from && wanted(event.payload));
        if (found !== undefined) return found.sequence;
        const last = page.at(-1)?.sequence;
        if (last === undefined || last < next) return undefined;
        next = last + 1;
      }
    });
    return this.event(sequence, type, deadline);
  }

  /**
   * What evidence is appraised against: the genesis' pairs and every proven change since. A node can hide a change, so a
   * caller that knows which images it wants says so beside this.
   */
  async referenceValues(deadline: Deadline): Promise<readonly ReferenceValue[]> {
    for (const type of MEASUREMENT_EVENTS) {
      for (const sequence of await this.#listNew(type)) {
        const { event } = await this.event(sequence, type, deadline);
        this.#measurementEvents.set(sequence, event);
        this.#listedFrom.set(type, sequence + 1);
      }
    }
    const changes = [...this.#measurementEvents].sort(([a], [b]) => a - b).map(([, change]) => change);
    return referenceValuesAfter(this.genesis.genesis.referenceValues, changes, async (beyond) => {
      if (beyond >= this.trustedHeight) await this.follow();
      return this.trustedHeight;
    });
  }

  /** The policy in force: the genesis', or the newest that is proven to have taken effect. A node can hide the newest. */
  async appraisalPolicy(deadline: Deadline): Promise<AppraisalPolicy> {
    const newest = (await this.#listNew('AppraisalPolicyTookEffect')).at(-1);
    if (newest !== undefined && newest > (this.#policy?.sequence ?? -1)) {
      const { event } = await this.event(newest, 'AppraisalPolicyTookEffect', deadline);
      const policy = appraisalPolicyFromJson(event.appraisalPolicy);
      if (!policy.ok) throw new ClientError('EVENT_MISMATCH', policy.code);
      this.#policy = { sequence: newest, policy: policy.value };
      this.#listedFrom.set('AppraisalPolicyTookEffect', newest + 1);
    }
    return this.#policy?.policy ?? this.genesis.genesis.appraisalPolicy;
  }

  /** Sequences of the events of a type that were not taken yet, ascending, as the node lists them. */
  async #listNew(type: LedgerEventType): Promise<readonly number[]> {
    const all: number[] = [];
    for (let from = this.#listedFrom.get(type) ?? 0; ; ) {
      const page = await this.#api.events({ from, limit: PAGE, type });
      all.push(
        ...page.filter((event) => event.type === type && event.sequence >= from).map(({ sequence }) => sequence),
      );
      if (all.length > DECISIONS_MAX) throw new ClientError('API_ANSWER_TOO_LARGE', `${type} without end`);
      const last = page.at(-1)?.sequence;
      if (last === undefined || last < from || page.length < PAGE) return all.sort((a, b) => a - b);
      from = last + 1;
    }
  }
}
