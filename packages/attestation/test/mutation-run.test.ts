/** The mutation run in small: it finds the checks of a file, sees which tests catch them, and reports those that none does. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../../scripts/mutants.ts', import.meta.url));

function run(tests: string): { readonly code: number | null; readonly output: string } {
  const args = [script, '--packages', 'attestation', '--files', 'formats/sev-snp/product', '--tests', tests];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { code: status, output: stdout + stderr };
}

describe('mutation run', () => {
  it('reports the checks that no test catches', () => {
    const { code, output } = run('cbor');
    expect(output).toMatch(/\n0 killed, [1-9]\d* survived\n$/);
    expect(output).toContain('SURVIVED attestation/src/formats/sev-snp/product.ts');
    expect(code).toBe(1);
  });

  it('reports none when the tests catch all', () => {
    const { code, output } = run('checks-snp');
    expect(output).toMatch(/\n[1-9]\d* killed, 0 survived\n$/);
    expect(code).toBe(0);
  });
});
