import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

it('prints a readable account and the trace hash', async () => {
  const { code, stdout } = await run('--seed', '3', '--scenario', 'calm', '--blocks', '3');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ok {5}calm, seed 3\n/);
  expect(stdout).toMatch(/trace [0-9a-f]{64}/);
});

it('prints JSON', async () => {
  const { stdout } = await run('--seed', '3', '--scenario', 'calm', '--blocks', '3', '--output', 'json');
  expect(JSON.parse(stdout)).toMatchObject([{ scenario: 'calm', seed: '3', ok: true, violations: [] }]);
});

it.each([[['--scenario', 'nonsense']], [['--seed', 'x']], [['--unknown']], [['--output', 'xml']]])(
  'refuses %s with code 2',
  async (args) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stderr).toContain('usage: pnpm sim');
  },
);
