/** A node's HTTP API as the tests ask it. */
import { expect } from 'vitest';
import { eventually } from './wait.ts';

export type Fields = { readonly [name: string]: unknown };
export type Answer = { readonly status: number; readonly body: Fields; readonly text: string };

export type Status = { readonly height: number; readonly provableHeight: number; readonly eventCount: number };
export type Block = {
  readonly height: number;
  readonly hash: string;
  readonly proposer: string;
  readonly eventRoot: string;
  readonly eventCount: number;
};
export type Listed = {
  readonly sequence: number;
  readonly height: number;
  readonly type: string;
  readonly hash: string;
  readonly payload: Fields;
};
export type Attestation = {
  readonly node: string;
  readonly keyset: string;
  readonly platform: string;
  readonly hardwareId: string;
  readonly evicted: { readonly cause: string; readonly code: string; readonly height: number } | null;
  readonly eligible: boolean;
  readonly reasons: readonly string[];
  readonly aliveUntilHeight: number;
  readonly challenge: { readonly passed: boolean; readonly code: string } | null;
};
export type Fate = {
  readonly fate: 'UNKNOWN' | 'PENDING' | 'COMMITTED' | 'REJECTED' | 'EXPIRED';
  readonly code?: string;
  readonly detail?: string;
  readonly height?: number;
};

/** One request; bodies that are objects go as JSON. */
export async function call(api: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(new URL(path, api), { signal: AbortSignal.timeout(30_000), ...init });
  const text = await response.text();
  let body: Fields = {};
  try {
    body = JSON.parse(text) as Fields;
  } catch {
    // Not JSON: metrics, for instance.
  }
  return { status: response.status, body, text };
}

export function post(api: string, path: string, json: unknown): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  return call(api, path, { method: 'POST', headers, body: JSON.stringify(json) });
}

/** The body of a successful GET. */
export async function read<T>(api: string, path: string): Promise<T> {
  const { status, body, text } = await call(api, path);
  if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
  return body as unknown as T;
}

export function statusOf(api: string): Promise<Status> {
  return read(api, '/v1/status');
}

/** Resolves once the node has executed this height. */
export async function reach(api: string, height: number, timeoutMs?: number): Promise<Status> {
  let seen: Status | undefined;
  return eventually(
    `height ${height} at ${api}`,
    async () => {
      seen = await statusOf(api);
      return seen.height >= height ? seen : undefined;
    },
    timeoutMs,
    () => JSON.stringify(seen),
  );
}

export function blockAt(api: string, height: number): Promise<Block> {
  return read(api, `/v1/blocks/${height}`);
}

/** Every event of a type from a sequence on. */
export async function eventsOf(api: string, type: string, from = 0): Promise<readonly Listed[]> {
  const found: Listed[] = [];
  for (let next = from; ; ) {
    const page = await read<{ events: readonly Listed[]; next: number }>(
      api,
      `/v1/events?type=${type}&limit=1000&from=${next}`,
    );
    if (page.events.length === 0) return found;
    found.push(...page.events);
    next = page.next;
  }
}

export async function attestationOf(api: string, node: string): Promise<Attestation | undefined> {
  const { attestations } = await read<{ attestations: readonly Attestation[] }>(api, '/v1/attestations');
  return attestations.find((one) => one.node === node);
}

/** A metric's value; labels as they are printed, such as `{kind="member"}`. 0 when it is not there. */
export async function metric(api: string, name: string, labels = ''): Promise<number> {
  const { text } = await call(api, '/metrics');
  const line = text.split('\n').find((one) => one.startsWith(`${name}${labels} `));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1));
}

/**
 * That all nodes hold the same log: block hash, number of events and root over all of them at one height, which is the
 * lowest that they have when asked.
 */
export async function expectAgreement(apis: readonly string[]): Promise<Block> {
  const heights = await Promise.all(apis.map(async (api) => (await statusOf(api)).height));
  const height = Math.max(...heights);
  await Promise.all(apis.map((api) => reach(api, height)));
  const [first, ...others] = await Promise.all(apis.map((api) => blockAt(api, height)));
  if (first === undefined) throw new Error('no node was named');
  for (const { hash, eventRoot, eventCount } of others) {
    expect({ hash, eventRoot, eventCount }).toEqual({
      hash: first.hash,
      eventRoot: first.eventRoot,
      eventCount: first.eventCount,
    });
  }
  return first;
}
