/** Every error that leaves a file carries a code: it is a `CodedError`. What is none is listed here; its own comment says why. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../packages');
const withoutCode = [
  'encoding/src/codec.ts: DecodeError',
  'encoding/src/coded-error.ts: CodedError',
  'encoding/src/result.ts: AssertionFailure',
  'store-level/src/level-format.ts: LevelDamage',
  'platform/src/attesters/configfs-tsm.ts: Interference',
  // These end a recursive reader early and never leave it.
  'confidential/src/model/onnx-screen.ts: Refusal',
  'encoding/src/shape.ts: ShapeMismatch',
];

it('finds no class of errors beside CodedError but those that are listed', () => {
  const found = readdirSync(root).flatMap((name) =>
    readdirSync(join(root, name, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .flatMap((path) =>
        [
          ...readFileSync(join(root, name, 'src', path), 'utf8').matchAll(/\bclass (\w+)(?:<.*?>)? extends Error\b/g),
        ].map(([, kind]) => `${name}/src/${path}: ${kind}`),
      ),
  );
  expect(found.sort()).toEqual(withoutCode.sort());
});
