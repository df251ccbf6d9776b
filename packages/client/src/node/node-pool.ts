/**
 * The nodes that a client knows. Each question about the present goes to all of them; the newest verified head wins,
 * and its node answers what follows. A node that lags, lies or does not answer is reported and does no other harm. A
 * lie is noticed because everything that counts is proven. A stopped chain is noticed because another node shows a
 * newer head.
 */

import type { Edge } from '../edge.ts';
import { ClientError, type ClientErrorCode } from '../errors.ts';
import type { NodeApi } from './api.ts';

/** Nodes that one client asks. */
export const NODES_MAX = 8;
/** Block time by which a node may be behind the newest head before that is worth a report, in milliseconds. */
export const LAG_MS = 5_000;
/** How long the others may take once one node has answered: a node that answers slowly holds up nobody. */
export const SLOW_NODE_MS = 1_000;

export interface NodeReport {
  /** Address of the node. */
  readonly node: string;
  /** LAGGING: its newest head is well behind another's. Otherwise why its answer was not taken. */
  readonly code: 'LAGGING' | ClientErrorCode;
  readonly detail: string;
}

export type OnNodeReport = (report: NodeReport) => void;

interface Headed {
  readonly header: { readonly height: number; readonly timestampMs: number };
}

interface Answer<T> {
  readonly node: NodeApi;
  readonly value?: T | undefined;
  readonly error?: ClientError;
}

export class NodePool {
  readonly #nodes: readonly NodeApi[];
  readonly #edge: Edge;
  readonly #onReport: OnNodeReport;
  #current: NodeApi;

  constructor(nodes: readonly NodeApi[], edge: Edge, onReport: OnNodeReport) {
    const [first] = nodes;
    if (first === undefined || nodes.length > NODES_MAX) {
      throw new ClientError('NODES_INVALID', `${nodes.length} nodes; 1 to ${NODES_MAX} are asked`);
    }
    this.#nodes = nodes;
    this.#edge = edge;
    this.#onReport = onReport;
    this.#current = first;
  }

  /** The node that showed the newest head last. */
  get current(): NodeApi {
    return this.#current;
  }

  /** The first answer that any node gives, in their order. Throws what the first node threw when none does. */
  async first<T>(ask: (node: NodeApi) => Promise<T>): Promise<T> {
    let failure: ClientError | undefined;
    for (const node of this.#nodes) {
      const { value, error } = await this.#askOne(node, ask);
      if (value !== undefined) return value;
      failure ??= error;
    }
    throw failure ?? new ClientError('API_ANSWER_MALFORMED', 'no answer');
  }

  /**
   * Asks one node: the current one first, at later attempts the others in turn. With several nodes, what one answers wrongly is
   * reported and asked of the next.
   */
  async inTurn<T>(attempt: number, ask: (node: NodeApi) => Promise<T | undefined>): Promise<T | undefined> {
    const from = this.#nodes.indexOf(this.#current);
    const node = this.#nodes[(from + attempt) % this.#nodes.length] ?? this.#current;
    if (this.#nodes.length === 1) return ask(node);
    return (await this.#askOne(node, ask)).value;
  }

  /**
   * Asks every node and takes the answer with the newest head. `ask` verifies, and gives undefined for a node that cannot prove yet.
   * Throws the error of the first node when each of them failed.
   */
  async newest<T extends Headed>(ask: (node: NodeApi) => Promise<T | undefined>): Promise<T | undefined> {
    if (this.#nodes.length === 1) return ask(this.#current);
    const answers = await this.#soonEnough(this.#nodes.map((node) => this.#askOne(node, ask)));
    let best: { readonly node: NodeApi; readonly value: T } | undefined;
    for (const { node, value } of answers) {
      const isNewer = value !== undefined && value.header.height > (best?.value.header.height ?? -1);
      if (isNewer) best = { node, value };
    }
    if (best === undefined) {
      const [first] = answers;
      if (first?.error !== undefined && answers.every(({ error }) => error !== undefined)) throw first.error;
      return undefined;
    }
    this.#current = best.node;
    this.#reportLagging(answers, best.value);
    return best.value;
  }

  /** All answers, or those that are there a while after the first good one. */
  async #soonEnough<T>(asked: readonly Promise<Answer<T>>[]): Promise<readonly Answer<T>[]> {
    const there: Answer<T>[] = [];
    const counted = asked.map(async (one) => {
      const answer = await one;
      there.push(answer);
      return answer.value === undefined ? Promise.reject(new Error('no answer to go by')) : undefined;
    });
    const all = Promise.allSettled(counted);
    const oneIsGood = Promise.any(counted).then(
      () => true,
      () => false,
    );
    if (!(await oneIsGood)) await all;
    else if (there.length < asked.length) await Promise.race([all, this.#edge.sleep(SLOW_NODE_MS)]);
    return [...there];
  }

  async #askOne<T>(node: NodeApi, ask: (node: NodeApi) => Promise<T | undefined>): Promise<Answer<T>> {
    try {
      return { node, value: await ask(node) };
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      this.#report(node, error.code, error.detail ?? '');
      return { node, error };
    }
  }

  #reportLagging<T extends Headed>(answers: readonly Answer<T>[], { header }: T): void {
    for (const { node, value } of answers) {
      const behindMs = value === undefined ? 0 : header.timestampMs - value.header.timestampMs;
      if (behindMs > LAG_MS) {
        this.#report(node, 'LAGGING', `${(behindMs / 1000).toFixed(1)} s behind, at height ${value?.header.height}`);
      }
    }
  }

  #report(node: NodeApi, code: NodeReport['code'], detail: string): void {
    if (this.#nodes.length > 1) this.#onReport({ node: node.name, code, detail });
  }
}
