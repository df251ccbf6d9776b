/** `cloister infer`: verifies the executors here, seals, waits for finality, opens and verifies the answer. */
import { PRIVACY_NOTE } from '@cloister/client';
import { type JsonValue, parseAccountId, parseDigest } from '@cloister/encoding';
import { writeFileAtomic } from '../../process/atomic-file.ts';
import { platformName } from '../../process/platforms.ts';
import { type CliCommand, listFlag, numberFlag, positional, requiredFlag, textFlag, UsageError } from '../command.ts';
import { CLIENT_FLAGS, connectClient } from './connect.ts';
import { readTensors, tensorToJson } from './tensors-json.ts';

export const infer: CliCommand = {
  name: 'infer',
  summary: 'Run a sealed inference: verify the executors, seal, submit, wait, open, verify.',
  usage: '<model> --input FILE --key NAME [--executors N | --executor ID…] [--threshold M] [--receipt FILE]',
  flags: {
    ...CLIENT_FLAGS,
    input: { type: 'string', value: 'FILE', about: 'JSON in the Open Inference Protocol form: {"inputs": […]}.' },
    executors: { type: 'string', value: 'K', about: `How many executors; what the model asks. ${PRIVACY_NOTE}` },
    executor: { type: 'string', multiple: true, value: 'ID', about: 'Name an executor.' },
    threshold: { type: 'string', value: 'M', about: 'How many must agree; more than half of the executors.' },
    receipt: { type: 'string', value: 'FILE', about: 'Keep the first receipt (a DSSE envelope) here.' },
  },
  positionals: { min: 1, max: 1 },
  chain: 'always',
  async run(invocation) {
    const model = parseDigest(positional(invocation, 0));
    if (model === undefined)
      throw new UsageError('a model is named by 64 lower-case hexadecimal digits; see cloister model list');
    const named = listFlag(invocation, 'executor').map((text) => {
      const id = parseAccountId(text);
      if (id === undefined) throw new UsageError(`'${text}' is not an id`);
      return id;
    });
    const inputs = await readTensors(requiredFlag(invocation, 'input'));
    const count = numberFlag(invocation, 'executors', { min: 1, max: 64 });
    const threshold = numberFlag(invocation, 'threshold', { min: 1, max: 64 });
    const { client } = await connectClient(invocation);
    const result = await client.infer({
      model,
      inputs,
      ...(named.length > 0 ? { executors: named } : {}),
      ...(count === undefined ? {} : { executorCount: count }),
      ...(threshold === undefined ? {} : { threshold }),
    });
    const { outcome, receipts, holders, simulated, task, transaction, requestHeight, completedHeight } = result;
    const first = receipts[0];
    const receiptFile = textFlag(invocation, 'receipt');
    if (receiptFile !== undefined && first !== undefined) await writeFileAtomic(receiptFile, first.bytes);
    const answer: JsonValue =
      outcome.status === 'completed'
        ? { status: 'completed', outputs: outcome.tensors.map(tensorToJson) }
        : { status: 'refused', code: outcome.code, detail: outcome.detail };
    const executors = receipts.map(({ executor }) => executor.node);
    const platforms = receipts.map(({ executor }) => executor.platform);
    invocation.output.result(
      {
        task,
        transaction,
        requestHeight,
        completedHeight,
        executors,
        platforms,
        holders: [...holders],
        outcome: answer,
      },
      [
        JSON.stringify(answer),
        ...receipts.flatMap(({ executor: { node, platform, measurement } }) => [
          `executed by  ${node} on ${platformName(platform, simulated)}`,
          `measurement  ${measurement}`,
        ]),
        ...holders.map((id) => `response     held by ${id}`),
        `requested in block ${requestHeight}, completed in block ${completedHeight}, transaction ${transaction}`,
      ].join('\n'),
    );
    return outcome.status === 'completed' ? 0 : 1;
  },
};
