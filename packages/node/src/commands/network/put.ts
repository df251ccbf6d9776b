/** `cloister put`: writes a record and proves that the ledger holds it. */
import { type CliCommand, positional } from '../command.ts';
import { CLIENT_FLAGS, connectClient } from './connect.ts';

export const put: CliCommand = {
  name: 'put',
  summary: 'Write a record <namespace> <key> <value> and prove that the ledger holds it.',
  usage: '<namespace> <key> <value> --key NAME',
  flags: CLIENT_FLAGS,
  positionals: { min: 3, max: 3 },
  chain: 'always',
  async run(invocation) {
    const { client } = await connectClient(invocation);
    const [namespace, key, value] = [0, 1, 2].map((index) => positional(invocation, index)) as [string, string, string];
    const { transaction, height, sequence } = await client.putRecord({ namespace, key, value });
    const text = `committed and proven: block ${height}, event ${sequence}, transaction ${transaction}`;
    invocation.output.result({ transaction, height, sequence }, text);
    return 0;
  },
};
