/** A node in a process of its own, so that what strangers cost it can be measured. Answers each message with its CPU time. */
import { memberKey, startNode } from './cluster.ts';

/** What a range of blocks costs to serve. */
const SERVE_MS = 10;
const ANSWER = new Uint8Array(512 * 1024);

const node = await startNode(
  'victim',
  ['victim', 'validator'].map((name) => memberKey(name).id),
  {
    answer: async () => {
      const endMs = performance.now() + SERVE_MS;
      while (performance.now() < endMs);
      return ANSWER;
    },
  },
  { limits: { redialMs: 500 } },
);

process.on('message', (message) => {
  if (message === 'stop') process.exit(0);
  const { user, system } = process.cpuUsage();
  const { counters } = node.network;
  process.send?.({ cpuMs: (user + system) / 1_000, atMs: performance.now(), counters, rss: process.memoryUsage().rss });
});
process.send?.(node.network.addresses());
