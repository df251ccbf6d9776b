/** `cloister model publish` on a node: what no enclave would run is refused before it is sealed, in words that say what to change. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { oneOperator } from '@cloister/testkit/typed-onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeKeyFile } from '../src/process/key-file.ts';
import type { RunningNode } from '../src/process/running-node.ts';
import { cloister, type Run } from './commands/run-command.ts';
import { makeHome, sampleGenesis, seedOf, startQuietly, temporaryFolder } from './samples.ts';

const DIGITS = new URL('../models/digits.onnx', import.meta.url).pathname;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let node: RunningNode;
let home: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  const layout = await makeHome(folder.path, 0, sampleGenesis(1));
  home = layout.root;
  await writeKeyFile(join(folder.path, 'owner.key'), 'account', seedOf('tenant'));
  node = await startQuietly(layout);
}, 60_000);
afterAll(async () => {
  await node?.stop();
  await folder.remove();
});

function publish(file: string, ...specs: readonly string[]): Promise<Run> {
  const named = ['--name', 'digits', '--model-version', '1', '--image', 'ab'.repeat(32), '--platform', 'sev-snp'];
  const chain = ['--node', node.apiUrl ?? '', '--key', join(folder.path, 'owner.key'), '--accept-simulated'];
  return cloister('model', 'publish', file, '--home', home, ...named, ...chain, ...specs);
}

async function fileOf(name: string, contents: Uint8Array | string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, contents);
  return path;
}

const keys = (): Promise<string[]> => readdir(join(home, 'models')).catch(() => []);

const SPECS = ['--input', 'image:FP32:1x784', '--output-tensor', 'probabilities:FP32:1x10'] as const;

describe('model publish', { timeout: 60_000 }, () => {
  it('refuses a text, whatever it says', async () => {
    const file = await fileOf('model.textproto', 'ir_version: 8\ngraph { name: "digits" }\n');
    const { code, err } = await publish(file, ...SPECS);
    expect(code).toBe(1);
    expect(err).toContain('MODEL_REFUSED: ONNX_TEXT');
    expect(await keys()).toEqual([]);
  });

  it('tells each difference from what was said of the file', async () => {
    const { code, err } = await publish(
      DIGITS,
      '--input',
      'picture:FP32:1x784',
      '--output-tensor',
      'probabilities:FP64:1x11',
    );
    expect(code).toBe(1);
    for (const words of [
      'MODEL_MANIFEST_DIFFERS',
      'input "picture": the manifest names it and the file has none of this name',
      'input "image": FP32 1x784 in the file, and the manifest does not name it',
      'output "probabilities": FP64 in the manifest, FP32 in the file',
      'output "probabilities": 1x11 in the manifest, 1x10 in the file',
    ]) {
      expect(err).toContain(words);
    }
    expect(await keys()).toEqual([]);
  });

  it('refuses an operator that the engine does not have, by its name', async () => {
    const value = { type: 'FP32', shape: [2] } as const;
    const onnx = oneOperator({
      operator: 'NoSuchOperator',
      input: { name: 'x', ...value },
      output: { name: 'y', ...value },
    });
    const file = await fileOf('operator.onnx', onnx);
    const { code, err } = await publish(file, '--input', 'x:FP32:2', '--output-tensor', 'y:FP32:2');
    expect(code).toBe(1);
    expect(err).toContain('MODEL_REFUSED: MODEL_LOAD_FAILED');
    expect(err).toContain('NoSuchOperator');
  });

  it('refuses datatypes and dimensions that are none', async () => {
    for (const spec of ['x:FP33:2', 'x:FP32:0', 'x:FP32:2x-2', ':FP32:2']) {
      expect((await publish(DIGITS, '--input', spec)).code).toBe(2);
    }
  });

  it('publishes what was tried, and keeps its key', async () => {
    const { code, out, err } = await publish(DIGITS, ...SPECS);
    expect([code, err]).toEqual([0, '']);
    const model = /^model ([0-9a-f]{64})$/m.exec(out)?.[1];
    expect(await keys()).toEqual([`${model}.key`]);
  });

  it('says when a model was not run, and tries the input that is named', async () => {
    const value = { type: 'FP32', shape: ['n'] } as const;
    const onnx = oneOperator({ operator: 'Log', input: { name: 'x', ...value }, output: { name: 'y', ...value } });
    const file = await fileOf('open.onnx', onnx);
    const specs = ['--input', 'x:FP32:?', '--output-tensor', 'y:FP32:?'];
    expect((await publish(file, ...specs)).out).toContain('not run here');
    const input = (data: readonly number[]): string =>
      JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [data.length], data }] });
    const bad = await publish(file, ...specs, '--trial-input', await fileOf('bad.json', input([-1])));
    expect(bad.err).toContain('MODEL_REFUSED: OUTPUT_NOT_FINITE: on the given input: y');
    const good = await publish(file, ...specs, '--trial-input', await fileOf('good.json', input([1, 2])));
    expect(good.code).toBe(0);
    expect(good.out).not.toContain('not run here');
  });
});
