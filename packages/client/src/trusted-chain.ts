/**
 * The chain as the client trusts it: a genesis whose hash the caller named, and a light client that starts there.
 *
 * The node may withhold events, but it cannot make one up: each is taken with the proof of its finality and inclusion.
 */
import type { ReferenceValue } from '@cloister/attestation';
import type { LightClientState } from '@cloister/consensus';
import type { Digest } from '@cloister/crypto';
import { type LedgerEvent, type LedgerEventType, type ParsedGenesis, parseGenesis } from '@cloister/ledger';
import { decodeEventProof, lightClientOf, verifyEventProof } from '@cloister/proof';
import type { ListedEvent, NodeApi } from './api.ts';
import type { Edge } from './context.ts';
import { ClientError } from './errors.ts';
import { type Deadline, poll } from './polling.ts';

const PAGE = 200;
/** Changes of measurements that a chain is believed to have: beyond it a node is making them up. */
const MEASUREMENT_CHANGES_MAX = 10_000;

type EventOf<T extends LedgerEventType> = Extract<LedgerEvent, { type: T }>;

/** An event that was verified, and where it stands. */
export interface ProvenEvent<E> {
  readonly event: E;
  readonly sequence: number;
  readonly height: number;
}

/** A pair as a proven event leaves it, and the height from which it counts. */
interface MeasurementChange {
  readonly value: ReferenceValue;
  readonly effectiveHeight: number;
}

export class TrustedChain {
  readonly genesis: ParsedGenesis;
  readonly #api: NodeApi;
  readonly #edge: Edge;
  #lightClient: LightClientState;
  readonly #measurementEvents = new Map<number, MeasurementChange>();
  #measurementsFrom = 0;

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
    const pages = await Promise.all(
      (['MeasurementAllowed', 'MeasurementRevoked'] as const).map((type) => this.#listAll(type)),
    );
    const listed = pages.flat().sort((a, b) => a.sequence - b.sequence);
    for (const { sequence, type } of listed) {
      if (this.#measurementEvents.has(sequence)) continue;
      const { event } = await this.event(sequence, type as 'MeasurementAllowed' | 'MeasurementRevoked', deadline);
      const { platform, measurement, image } = event;
      const revoked = event.type === 'MeasurementRevoked';
      const value: ReferenceValue = { platform, measurement, image, status: revoked ? 'revoked' : 'allowed' };
      this.#measurementEvents.set(sequence, { value, effectiveHeight: revoked ? 0 : event.effectiveHeight });
      this.#measurementsFrom = Math.max(this.#measurementsFrom, sequence + 1);
    }
    const changes = [...this.#measurementEvents.values()];
    if (changes.some(({ effectiveHeight }) => effectiveHeight > this.trustedHeight)) await this.follow();
    const byPair = new Map<string, ReferenceValue>();
    const fromGenesis = this.genesis.genesis.referenceValues.map(
      ({ platform, measurement, image }): ReferenceValue => ({
        platform,
        measurement,
        image,
        status: 'allowed',
      }),
    );
    const inOrder = [...this.#measurementEvents].sort(([a], [b]) => a - b).map(([, change]) => change);
    for (const value of fromGenesis) byPair.set(pairKey(value), value);
    for (const { value, effectiveHeight } of inOrder) {
      // Allowed from a later height on is not allowed yet, and no longer what it was before either.
      if (effectiveHeight > this.trustedHeight) byPair.delete(pairKey(value));
      else byPair.set(pairKey(value), value);
    }
    return [...byPair.values()];
  }

  async #listAll(type: 'MeasurementAllowed' | 'MeasurementRevoked'): Promise<readonly ListedEvent[]> {
    const all: ListedEvent[] = [];
    for (let from = this.#measurementsFrom; ; ) {
      const page = await this.#api.events({ from, limit: PAGE, type });
      all.push(...page.filter((event) => event.type === type && event.sequence >= from));
      if (all.length > MEASUREMENT_CHANGES_MAX) throw new ClientError('API_ANSWER_TOO_LARGE', `${type} without end`);
      const last = page.at(-1)?.sequence;
      if (last === undefined || last < from || page.length < PAGE) return all;
      from = last + 1;
    }
  }
}

function pairKey({ platform, measurement, image }: ReferenceValue): string {
  return `${platform}/${measurement}/${image}`;
}
