/**
 * Load on a running network: transactions handed to the four APIs at a steady rate, as long as not too many are under way
 * (what lies beyond would measure a queue), and one node's event stream to see when each is final. Latency runs from the
 * moment of handing in to that event.
 */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../../packages/encoding/src/index.ts';
import { percentile, type Report } from './figures.ts';
import type { FourNodes } from './four-nodes.ts';
import { makeTransactions, type Signed } from './transactions.ts';

/** Blocks that a transaction lives; a run must end within. */
const EXPIRY_BLOCKS = 550;
const TICK_MS = 4;
const DRAIN_MS = 15_000;

export type Load = {
  readonly perSecond: number;
  readonly seconds: number;
  readonly sizeBytes: number;
  /** Transactions handed in and not yet final at a time, at most. */
  readonly inFlight: number;
};

export type LoadResult = {
  /** Committed in the measured stretch, a second. */
  readonly committedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Handed in, and of those committed by the end. */
  readonly sent: number;
  readonly committed: number;
  /** Turned away at the door, by code: backpressure and quotas. */
  readonly refused: { readonly [code: string]: number };
};

/** Sees every RecordPut of one node's stream. */
class CommitWatch {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #onCommit: (transaction: Digest) => void;
  #buffer = '';

  constructor(onCommit: (transaction: Digest) => void) {
    this.#onCommit = onCommit;
  }

  open(api: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const url = new URL('/v1/events/stream?type=RecordPut', api);
      const asked = request(url, { agent: this.#agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`the event stream answers ${response.statusCode}`));
        response.setEncoding('utf8');
        response.on('data', (text: string) => this.#take(text));
        response.on('error', () => undefined);
        resolve();
      });
      asked.on('error', reject);
      asked.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #take(text: string): void {
    const lines = (this.#buffer + text).split('\n');
    this.#buffer = lines.pop() ?? '';
    for (const line of lines) {
      // The payload is canonical JSON: the id stands once, after its name.
      const at = line.startsWith('data: ') ? line.indexOf('"transaction":"') : -1;
      if (at >= 0) this.#onCommit(line.slice(at + 15, at + 79) as Digest);
    }
  }
}

function codeOf(body: string): string | undefined {
  try {
    const { code } = JSON.parse(body) as { code?: unknown };
    return typeof code === 'string' ? code : undefined;
  } catch {
    return undefined;
  }
}

function post(agent: Agent, api: URL, body: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const options = {
      agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': body.length },
    };
    const asked = request(new URL('/v1/transactions', api), options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        if (response.statusCode === 200) return resolve('');
        const code = codeOf(Buffer.concat(chunks).toString());
        resolve(code ?? `HTTP_${response.statusCode}`);
      });
      response.on('error', () => resolve('CONNECTION_LOST'));
    });
    asked.on('error', () => resolve('CONNECTION_LOST'));
    asked.end(body);
  });
}

async function heightOf(api: string): Promise<number> {
  const answer = await fetch(new URL('/v1/status', api));
  return ((await answer.json()) as { height: number }).height;
}

/** One run: hands in for `seconds`, waits until what was taken is final, and measures the middle of it. */
export async function runLoad(network: FourNodes, load: Load): Promise<LoadResult> {
  const { apis, keys, layout } = network;
  const transactions = makeTransactions({
    chainId: layout.chainId,
    signers: [
      { keyPair: keys.owner, namespace: 'bench-owner' },
      { keyPair: keys.tenant, namespace: 'bench-tenant' },
    ],
    count: Math.ceil(load.perSecond * load.seconds),
    sizeBytes: load.sizeBytes,
    expiryHeight: (await heightOf(apis[0] ?? '')) + EXPIRY_BLOCKS,
  });
  const sentAtMs = new Map<Digest, number>();
  const commits: { readonly atMs: number; readonly latencyMs: number }[] = [];
  const watch = new CommitWatch((id) => {
    const sent = sentAtMs.get(id);
    if (sent === undefined) return;
    sentAtMs.delete(id);
    const atMs = performance.now();
    commits.push({ atMs, latencyMs: atMs - sent });
  });
  await watch.open(apis[0] ?? '');
  const refused: Record<string, number> = {};
  const answers: Promise<void>[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const targets = apis.map((api) => new URL(api));
  const send = (transaction: Signed, index: number): void => {
    sentAtMs.set(transaction.id, performance.now());
    const answer = post(agent, targets[index % targets.length] ?? new URL('invalid:'), transaction.body);
    answers.push(
      answer.then((code) => {
        if (code === '') return;
        sentAtMs.delete(transaction.id);
        refused[code] = (refused[code] ?? 0) + 1;
      }),
    );
  };
  const startMs = performance.now();
  try {
    const endMs = startMs + load.seconds * 1_000;
    for (let next = 0; next < transactions.length && performance.now() < endMs; ) {
      const due = Math.min(transactions.length, Math.ceil(((performance.now() - startMs) / 1_000) * load.perSecond));
      for (; next < due && sentAtMs.size < load.inFlight; next++) {
        const transaction = transactions[next];
        if (transaction !== undefined) send(transaction, next);
      }
      await sleep(TICK_MS);
    }
    const sentMs = performance.now();
    await Promise.all(answers);
    while (sentAtMs.size > 0 && performance.now() - sentMs < DRAIN_MS) await sleep(20);
    // The first fifth fills the pipe and what comes after the last was sent empties it: between them is steady.
    const [fromMs, toMs] = [startMs + (sentMs - startMs) * 0.2, sentMs];
    const steady = commits.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
    const latencies = steady.map(({ latencyMs }) => latencyMs);
    return {
      committedPerSecond: steady.length / ((toMs - fromMs) / 1_000),
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
      sent: answers.length,
      committed: commits.length,
      refused,
    };
  } finally {
    watch.close();
    agent.destroy();
  }
}

/** A warm-up, then `runs` runs at the same load. */
export async function runLoads(
  network: FourNodes,
  load: Load,
  options: { readonly runs: number; readonly report: Report },
): Promise<LoadResult[]> {
  const results: LoadResult[] = [];
  for (let run = 0; run <= options.runs; run++) {
    const stretch = run === 0 ? { ...load, seconds: Math.min(5, load.seconds) } : load;
    const result = await runLoad(network, stretch);
    const label = run === 0 ? 'warm-up' : `run ${run} of ${options.runs}`;
    const away = Object.entries(result.refused).map(([code, count]) => `, ${count} ${code}`);
    options.report(
      `chain: ${load.perSecond}/s offered, ${label}: ${result.committedPerSecond.toFixed(0)}/s committed, ` +
        `p50 ${result.p50Ms.toFixed(0)} ms, p99 ${result.p99Ms.toFixed(0)} ms, ` +
        `${result.committed} of ${result.sent} handed in committed${away.join('')}`,
    );
    if (run > 0) results.push(result);
  }
  return results;
}
