import assert from 'node:assert/strict';
import { ByteReader, ByteWriter, canonicalJson, parseJson, utf8 } from '@cloister/encoding';
import { count, object, parseShape, text } from '@cloister/encoding/shape';

// Bytes: what was written is read again, and nothing may be left over.
const bytes = new ByteWriter(64).u64(7).var(utf8('hello')).finish();
const reader = new ByteReader(bytes);
assert.equal(reader.u64(), 7);
assert.deepEqual(reader.var(16), utf8('hello'));
reader.end();

// JSON: one canonical form, and one reader that says which member is wrong.
assert.equal(canonicalJson({ b: 1, a: 'x' }), '{"a":"x","b":1}');
const pet = object<{ readonly name: string; readonly age: number }>({ name: text(20), age: count() });
const json = parseJson(utf8('{"name":"Rex","age":-1}'), { maxBytes: 100, maxDepth: 4 });
assert(json.ok);
const read = parseShape(pet, json.value, 'pet');
assert(!read.ok && read.code === 'SHAPE_MISMATCH');
