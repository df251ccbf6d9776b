/** `cloister events`: the log, from a node's API. */
import type { JsonValue } from '@cloister/encoding';
import { type CliCommand, numberFlag, textFlag } from '../command.ts';
import { getJson, NODE_FLAG, nodeUrl } from './connect.ts';

type Listed = {
  readonly sequence: number;
  readonly height: number;
  readonly type: string;
  readonly payload: JsonValue;
};

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
    const url = await nodeUrl(invocation);
    let from = numberFlag(invocation, 'from', { min: 0, max: Number.MAX_SAFE_INTEGER }) ?? 0;
    let left = numberFlag(invocation, 'limit', { min: 1, max: 1_000_000 }) ?? 100;
    const type = textFlag(invocation, 'type');
    while (left > 0) {
      const query = new URLSearchParams({ from: String(from), limit: String(Math.min(left, PAGE)) });
      if (type !== undefined) query.set('type', type);
      const page = (await getJson(output, url, `/v1/events?${query}`)) as unknown as {
        readonly events: readonly Listed[];
      };
      for (const event of page.events) {
        const { sequence, height, type: name, payload } = event;
        output.result(event as unknown as JsonValue, `${sequence} @${height} ${name} ${JSON.stringify(payload)}`);
      }
      const last = page.events.at(-1);
      if (last === undefined) break;
      from = last.sequence + 1;
      left -= page.events.length;
    }
    return 0;
  },
};
