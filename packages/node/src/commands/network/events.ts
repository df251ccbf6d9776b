/** `cloister events`: the log, from a node's API. */
import { type CliCommand, numberFlag, textFlag } from '../command.ts';
import { NODE_FLAG, operatorApi, said } from './connect.ts';

const PAGE = 500;

export const events: CliCommand = {
  name: 'events',
  summary: 'Print events of the log, one a line.',
  usage: '[--from N] [--limit N] [--type TYPE] [--node URL]',
  flags: {
    ...NODE_FLAG,
    from: { type: 'string', value: 'N', about: 'First sequence number; 0 is the founding of the network.' },
    limit: { type: 'string', value: 'N', about: 'How many events at most; 100.' },
    type: { type: 'string', value: 'TYPE', about: 'Only events of this type, such as AttestationAccepted.' },
  },
  positionals: { min: 0, max: 0 },
  chain: 'always',
  async run(invocation) {
    const { output } = invocation;
    const api = await operatorApi(invocation);
    let from = numberFlag(invocation, 'from', { min: 0, max: Number.MAX_SAFE_INTEGER }) ?? 0;
    let left = numberFlag(invocation, 'limit', { min: 1, max: 1_000_000 }) ?? 100;
    const type = textFlag(invocation, 'type');
    while (left > 0) {
      const page = said(output, await api.events({ from, limit: Math.min(left, PAGE), type }));
      for (const { sequence, height, type: name, payload } of page.slice(0, left)) {
        const text = `${sequence} @${height} ${name} ${JSON.stringify(payload)}`;
        output.result({ sequence, height, type: name, payload }, text);
      }
      const last = page.at(-1);
      if (last === undefined) break;
      from = last.sequence + 1;
      left -= page.length;
    }
    return 0;
  },
};
