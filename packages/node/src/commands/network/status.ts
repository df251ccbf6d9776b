/** `cloister status`: what a node says of itself and of the network. */
import type { JsonValue } from '@cloister/encoding';
import type { CliCommand } from '../command.ts';
import { getJson, NODE_FLAG, nodeUrl } from './connect.ts';

function rows(value: JsonValue, indent = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${indent}${String(value)}`];
  return Object.entries(value).flatMap(([name, item]) => {
    if (typeof item !== 'object' || item === null) return [`${indent}${name.padEnd(22)} ${String(item)}`];
    const inner = rows(item, `${indent}  `);
    return inner.length === 0 ? [`${indent}${name.padEnd(22)} none`] : [`${indent}${name}`, ...inner];
  });
}

/** First what an operator looks for: whether the node is ready, and what it waits for. */
function readinessLines(value: JsonValue): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const { ready, reasons, waitsFor, missing } = value as { readonly [key: string]: JsonValue };
  const words = (list: JsonValue | undefined): string[] => (Array.isArray(list) ? list.map(String) : []);
  const away = (Array.isArray(missing) ? missing : []).map((one) => {
    const { name, id } = one as { readonly name: string; readonly id: string };
    return `  not connected: ${name || id}`;
  });
  const head = ready === true ? 'ready' : `NOT READY: ${words(reasons).join(', ')}`;
  return [head, ...words(waitsFor).map((sentence) => `  ${sentence}`), ...away, ''];
}

export const status: CliCommand = {
  name: 'status',
  summary: 'Print the heights, peers, enclave and health of a node.',
  usage: '[--node URL]',
  flags: NODE_FLAG,
  positionals: { min: 0, max: 0 },
  chain: 'always',
  async run(invocation) {
    const { output } = invocation;
    const value = await getJson(output, await nodeUrl(invocation), '/v1/status');
    output.result(value, [...readinessLines(value), ...rows(value)].join('\n'));
    return 0;
  },
};
