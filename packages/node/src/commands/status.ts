/** `cloister status`: what a node says of itself and of the network. */
import type { JsonValue } from '@cloister/crypto';
import type { Command } from './command.ts';
import { getJson, NODE_FLAG, nodeUrl } from './connect.ts';

function rows(value: JsonValue, indent = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${indent}${String(value)}`];
  return Object.entries(value).flatMap(([name, item]) => {
    if (typeof item !== 'object' || item === null) return [`${indent}${name.padEnd(22)} ${String(item)}`];
    const inner = rows(item, `${indent}  `);
    return inner.length === 0 ? [`${indent}${name.padEnd(22)} none`] : [`${indent}${name}`, ...inner];
  });
}

export const status: Command = {
  name: 'status',
  summary: 'Print the heights, peers, enclave and health of a node.',
  usage: '[--node URL]',
  flags: NODE_FLAG,
  positionals: { min: 0, max: 0 },
  chain: 'always',
  async run(invocation) {
    const { output } = invocation;
    const value = await getJson(output, await nodeUrl(invocation), '/v1/status');
    output.result(value, rows(value).join('\n'));
    return 0;
  },
};
