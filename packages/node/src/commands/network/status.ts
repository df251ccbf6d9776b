/** `cloister status`: what a node says of itself and of the network. */
import type { OperatorStatus } from '@cloister/client';
import type { JsonValue } from '@cloister/encoding';
import { plainLine } from '../../process/plain-text.ts';
import type { CliCommand } from '../command.ts';
import { NODE_FLAG, operatorApi, said } from './connect.ts';

function rows(value: JsonValue, indent = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${indent}${plainLine(String(value))}`];
  return Object.entries(value).flatMap(([key, item]) => {
    const name = plainLine(key);
    if (typeof item !== 'object' || item === null) return [`${indent}${name.padEnd(22)} ${plainLine(String(item))}`];
    const inner = rows(item, `${indent}  `);
    return inner.length === 0 ? [`${indent}${name.padEnd(22)} none`] : [`${indent}${name}`, ...inner];
  });
}

/** First what an operator looks for: whether the node is ready, and what it waits for. */
function headOf({ ready, reasons, waitsFor, missing }: OperatorStatus): string[] {
  const away = missing.map(({ name, id }) => `  not connected: ${name || id}`);
  const head = ready ? 'ready' : `NOT READY: ${reasons.join(', ')}`;
  return [head, ...waitsFor.map((sentence) => `  ${sentence}`), ...away, ''];
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
    const told = await (await operatorApi(invocation)).status();
    const read = said(output, told);
    output.result(told.json, [...headOf(read), ...rows(told.json)].join('\n'));
    return 0;
  },
};
