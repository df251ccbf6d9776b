/** Whether all nodes hold the same log: the Merkle root over all events, compared at one and the same size. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ClientError, OperatorApi } from '@cloister/client';

export type Agreement = {
  readonly agreed: boolean;
  readonly eventCount: number;
  /** The roots that were seen; one when all agree. */
  readonly roots: readonly string[];
};

/** Asks until every node stands at the same number of events (blocks go on meanwhile), then compares their roots. */
export async function compareRoots(apis: readonly string[], timeoutMs = 60_000): Promise<Agreement> {
  const endMs = Date.now() + timeoutMs;
  const nodes = apis.map((baseUrl) => new OperatorApi({ baseUrl }));
  for (;;) {
    const statuses = await Promise.all(nodes.map(async (node) => (await node.status()).value));
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
  const node = new OperatorApi({ baseUrl: api });
  let last = '';
  for (;;) {
    const readiness = await node.readiness().catch((error: unknown) => {
      // A node that is starting does not answer yet.
      if (error instanceof ClientError) return undefined;
      throw error;
    });
    if (readiness?.ready === true) return true;
    const reasons = JSON.stringify(readiness?.reasons ?? 'no answer yet');
    if (reasons !== last) onWait(reasons);
    last = reasons;
    if (Date.now() > endMs) return false;
    await sleep(200);
  }
}
