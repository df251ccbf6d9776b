/** Three places carry fixed names: generating and verifying quotes, the secure entry, and the executor's path. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as validator from '@cloister/validator';
import { describe, expect, it } from 'vitest';

const packages = join(import.meta.dirname, '../../packages');

function source(path: string): string {
  return readFileSync(join(packages, path), 'utf8');
}

/** A function that this file exports itself, or a method that its class has. */
function exported(path: string): string[] {
  return [...source(path).matchAll(/^export (?:async )?function (\w+)/gm)].map((match) => String(match[1]));
}

describe('fixed names', () => {
  it('enclave/inside/attestation.ts generates and verifies quotes', () => {
    expect(source('enclave/src/inside/attestation.ts')).toMatch(/function generateQuote\(/);
    expect(exported('enclave/src/inside/attestation.ts')).toContain('verifyQuote');
  });

  it('enclave/inside/inference.ts holds the secure entry, runInference', () => {
    expect(exported('enclave/src/inside/inference.ts')).toContain('runInference');
  });

  it('validator/validator.ts holds processTransaction and verifyLocalEnclave', () => {
    expect(exported('validator/src/validator.ts')).toEqual(
      expect.arrayContaining(['processTransaction', 'verifyLocalEnclave']),
    );
    expect(validator.processTransaction).toBeTypeOf('function');
    expect(validator.verifyLocalEnclave).toBeTypeOf('function');
  });

  it('processTransaction asks verifyLocalEnclave before it runs anything', () => {
    const text = source('validator/src/validator.ts');
    const body = text.slice(text.indexOf('export async function processTransaction'));
    const asked = body.indexOf('await verifyLocalEnclave(');
    const ran = body.indexOf('await execute(');
    expect(asked).toBeGreaterThan(0);
    expect(ran).toBeGreaterThan(asked);
  });
});
