import { createHash } from 'node:crypto';
import { asMeasurement, canonicalJson, type JsonValue, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeImageManifest,
  type ImageManifest,
  imageDigest,
  imageMeasurement,
  isImagePath,
  parseImageManifest,
} from '../src/index.ts';
import { hostile, imageManifest } from './samples.ts';

const changed = (change: object): Uint8Array =>
  utf8(canonicalJson({ ...imageManifest, ...change } as unknown as JsonValue));
const file = (path: string): object => ({ path, size: 1, sha384: '01'.repeat(48) });

describe('image manifest', () => {
  it('round-trips and measures as the SHA-384 and SHA-256 of its bytes', () => {
    const bytes = encodeImageManifest(imageManifest);
    expect(parseImageManifest(bytes)).toEqual({ ok: true, value: imageManifest });
    expect(imageMeasurement(bytes)).toBe(createHash('sha384').update(bytes).digest('hex'));
    expect(imageDigest(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('measures as all zeros when it is a debug image, which has a digest like any other', () => {
    const bytes = encodeImageManifest({ ...imageManifest, debug: true });
    expect(imageMeasurement(bytes)).toBe('0'.repeat(96));
    expect(imageDigest(bytes)).not.toBe(imageDigest(encodeImageManifest(imageManifest)));
  });

  it('changes its measurement with one byte of one file', () => {
    const [first, second] = imageManifest.files;
    const files = [{ ...first, sha384: asMeasurement('03'.repeat(48)) }, second] as ImageManifest['files'];
    expect(imageMeasurement(encodeImageManifest({ ...imageManifest, files }))).not.toBe(
      imageMeasurement(encodeImageManifest(imageManifest)),
    );
  });

  it.each([
    '../x',
    'a/../b',
    '/etc/passwd',
    'a//b',
    'a/',
    './a',
    '..',
    '.',
    '',
    'a\\b',
    'C:',
    'a b',
    'a\u0000',
    'é',
    'a\n',
    `${'x'.repeat(256)}`,
  ])('refuses the path %j', (path) => {
    expect(isImagePath(path)).toBe(false);
    expect(parseImageManifest(changed({ entry: path, files: [file(path)] }))).toMatchObject({
      ok: false,
      code: 'SCHEMA_VIOLATION',
    });
  });

  it('keeps every path that it accepts below the directory', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '..', '.', '...', '', 'b.c', '@x', '\\', ':', '%2e')), (segments) => {
        const path = segments.join('/');
        if (isImagePath(path)) expect(new URL(path, 'file:///image/').pathname).toBe(`/image/${path}`);
      }),
    );
  });

  it.each([
    ['files out of order', { files: [file('b'), file('a')], entry: 'a' }],
    ['a file twice', { files: [file('a'), file('a')], entry: 'a' }],
    ['a file below a file', { files: [file('a'), file('a/b')], entry: 'a' }],
    ['a manifest that lists itself', { files: [file('a'), file('manifest.json')], entry: 'a' }],
    ['an entry that is no file', { entry: 'b' }],
    ['no files', { files: [] }],
    ['an unknown member', { extra: 1 }],
    ['a negative size', { files: [{ ...file('a'), size: -1 }], entry: 'a' }],
    ['too many bytes', { files: ['a', 'b', 'c'].map((path) => ({ ...file(path), size: 2 ** 30 })), entry: 'a' }],
    ['another schema', { schema: 'cloister/enclave-image/v2' }],
    ['an unknown limit', { limits: { ...imageManifest.limits, more: 1 } }],
    ['a fractional svn', { svn: 1.5 }],
  ])('refuses %s', (_, change) => {
    expect(parseImageManifest(changed(change))).toMatchObject({ ok: false, code: 'SCHEMA_VIOLATION' });
  });

  it('refuses other spellings of the same document', () => {
    const text = new TextDecoder().decode(encodeImageManifest(imageManifest));
    expect(parseImageManifest(utf8(` ${text}`))).toMatchObject({ ok: false, code: 'JSON_NOT_CANONICAL' });
  });

  it('never throws on hostile bytes', () => {
    fc.assert(
      fc.property(hostile(encodeImageManifest(imageManifest)), (bytes) => {
        const parsed = parseImageManifest(bytes);
        if (parsed.ok) expect(encodeImageManifest(parsed.value)).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
  });
});
