/** Whether all nodes hold the same log: the Merkle root over all events, compared at one and the same size. */
import { setTimeout as sleep } from 'node:timers/promises';
import { getJson } from '../commands/network/connect.ts';

export type Agreement = {
  readonly agreed: boolean;
  readonly eventCount: number;
  /** The roots that were seen; one when all agree. */
  readonly roots: readonly string[];
};

/** Whoever compares testnets has said SIMULATED. */
const SAID = { ofChain: () => undefined };

type Status = { readonly eventCount: number; readonly eventRoot: string };

/** Asks until every node stands at the same number of events (blocks go on meanwhile), then compares their roots. */
export async function compareRoots(apis: readonly string[], timeoutMs = 60_000): Promise<Agreement> {
  const endMs = Date.now() + timeoutMs;
  for (;;) {
    const statuses = (await Promise.all(apis.map((api) => getJson(SAID, api, '/v1/status')))) as unknown as Status[];
    const counts = new Set(statuses.map(({ eventCount }) => eventCount));
    const roots = [...new Set(statuses.map(({ eventRoot }) => eventRoot))];
    const eventCount = Math.min(...counts);
    if (counts.size === 1) return { agreed: roots.length === 1, eventCount, roots };
    if (Date.now() > endMs) return { agreed: false, eventCount, roots };
    await sleep(50);
  }
}

/** Resolves once a node says that it is ready: synced, its attestation alive, its enclave reachable. */
export async function awaitReady(api: string, timeoutMs: number, onWait: (reasons: string) => void): Promise<boolean> {
  const endMs = Date.now() + timeoutMs;
  let last = '';
  for (;;) {
    const response = await fetch(new URL('/readyz', api), { signal: AbortSignal.timeout(10_000) }).catch(
      () => undefined,
    );
    if (response?.ok === true) return true;
    const body = (await response?.json().catch(() => undefined)) as { reasons?: unknown } | undefined;
    const reasons = JSON.stringify(body?.reasons ?? 'no answer yet');
    if (reasons !== last) onWait(reasons);
    last = reasons;
    if (Date.now() > endMs) return false;
    await sleep(200);
  }
}
