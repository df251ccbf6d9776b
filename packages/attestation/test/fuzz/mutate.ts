/** Mutations of bytes and of texts, all drawn from one seeded source. */

import type { SeededRandom } from '@cloister/crypto';
import { concatBytes, parseBase64, parseUtf8, toBase64, utf8 } from '@cloister/encoding';

const INTERESTING = [0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xa0, 0xff, 0x30, 0x31, 0x0a, 0x2d];

/** A number of 0 to `below` − 1. */
export function pick(random: SeededRandom, below: number): number {
  return below <= 1 ? 0 : random.below(below);
}

export function oneOf<T>(random: SeededRandom, values: readonly [T, ...T[]] | readonly T[]): T {
  return values[pick(random, values.length)] as T;
}

function splice(bytes: Uint8Array, from: number, to: number, ...inserted: readonly Uint8Array[]): Uint8Array {
  return concatBytes(bytes.subarray(0, from), ...inserted, bytes.subarray(to));
}

/** Cuts bytes anywhere, repeats them, overwrites them, swaps halves; `donor` gives the bytes of splices. */
export function mutateBytes(bytes: Uint8Array, random: SeededRandom, donor: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const at = pick(random, copy.length);
  const end = Math.min(copy.length, at + 1 + pick(random, 64));
  switch (pick(random, 11)) {
    case 0:
    case 1:
    case 2:
      copy[at] = (copy[at] ?? 0) ^ (1 << pick(random, 8));
      return copy;
    case 3:
      copy[at] = oneOf(random, INTERESTING);
      return copy;
    case 4:
      for (let i = at; i < end; i++) copy[i] = pick(random, 256);
      return copy;
    case 5:
      return copy.subarray(0, at);
    case 6:
      return concatBytes(
        copy,
        Uint8Array.from({ length: 1 + pick(random, 8) }, () => oneOf(random, [0, 0, 1, 255])),
      );
    case 7:
      return splice(copy, at, end);
    case 8:
      return splice(copy, at, at, copy.subarray(at, end));
    case 9:
      // A length field of one, two or four bytes in either order, moved a little.
      copy[at] = ((copy[at] ?? 0) + oneOf(random, [1, 255, 2, 254, 16])) & 0xff;
      return copy;
    default:
      return concatBytes(copy.subarray(0, at), donor.subarray(Math.min(at, donor.length)));
  }
}

interface Element {
  tag: number;
  /** Children of a constructed element, else the contents. */
  content: Element[] | Uint8Array;
}

function readElements(bytes: Uint8Array): Element[] | undefined {
  const elements: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    let length = bytes[at + 1] ?? 0;
    let start = at + 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 3) return undefined;
      length = 0;
      for (let i = 0; i < count; i++) length = 256 * length + (bytes[start++] ?? 0);
    }
    if (start + length > bytes.length) return undefined;
    const content = bytes.subarray(start, start + length);
    const children = (tag & 0x20) !== 0 ? readElements(content) : undefined;
    elements.push({ tag, content: children ?? content });
    at = start + length;
  }
  return elements;
}

function writeElement({ tag, content }: Element): Uint8Array {
  const bytes = content instanceof Uint8Array ? content : concatBytes(...content.map(writeElement));
  const { length } = bytes;
  if (length < 0x80) return concatBytes(Uint8Array.of(tag, length), bytes);
  if (length < 0x100) return concatBytes(Uint8Array.of(tag, 0x81, length), bytes);
  return concatBytes(Uint8Array.of(tag, 0x82, length >> 8, length & 0xff), bytes);
}

function all(elements: readonly Element[]): readonly Element[] {
  return elements.flatMap((e) => (e.content instanceof Uint8Array ? [e] : [e, ...all(e.content)]));
}

/** Changes one element of a DER document and writes all lengths around it anew. */
export function mutateDer(der: Uint8Array, random: SeededRandom, donor: Uint8Array): Uint8Array {
  const tree = readElements(der);
  if (tree === undefined || tree.length === 0) return mutateBytes(der, random, donor);
  const target = oneOf(random, all(tree));
  const { content } = target;
  switch (pick(random, 5)) {
    case 0:
      target.tag = oneOf(random, [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31, 0xa0, 0xa3, 0x1f, target.tag ^ 0x20]);
      break;
    case 1:
      if (!(content instanceof Uint8Array)) content.splice(pick(random, content.length), 1);
      else target.content = new Uint8Array();
      break;
    case 2:
      if (!(content instanceof Uint8Array)) content.push(oneOf(random, content.length > 0 ? content : tree));
      else target.content = concatBytes(Uint8Array.of(0), content);
      break;
    case 3:
      if (!(content instanceof Uint8Array)) content.reverse();
      else target.content = content.length === 0 ? Uint8Array.of(0) : mutateBytes(content, random, content);
      break;
    default:
      if (!(content instanceof Uint8Array)) {
        // A deep nest.
        for (let i = 0; i < 20; i++) target.content = [{ tag: 0x30, content: target.content }];
      } else target.content = Uint8Array.from({ length: pick(random, 40) }, () => pick(random, 256));
  }
  return concatBytes(...tree.map(writeElement));
}

const END = '-----END CERTIFICATE-----\n';

/** Changes a text of PEM blocks: white space, lines, whole blocks, or the DER in one of them. */
export function mutatePem(text: string, random: SeededRandom): string {
  const blocks = text.split(END).filter((block) => block.includes('BEGIN'));
  const index = pick(random, blocks.length);
  const block = blocks[index] ?? '';
  switch (pick(random, 7)) {
    case 0:
      blocks.splice(index, 1);
      break;
    case 1:
      blocks.push(block);
      break;
    case 2:
      blocks.reverse();
      break;
    case 3:
      return text.replaceAll('\n', oneOf(random, ['\r\n', ' \n', '\n\n', '']));
    case 4:
      return `${text}${oneOf(random, ['\n', '\n\n', 'x', '\0', ' '])}`;
    case 5: {
      const der = parseBase64(block.split('\n').slice(1).join(''));
      if (der === undefined) return text;
      blocks[index] = `-----BEGIN CERTIFICATE-----\n${toBase64(mutateDer(der, random, der))}\n`;
      break;
    }
    default:
      return mutateText(text, random);
  }
  return blocks.map((part) => part + END).join('');
}

/** Changes characters of a text; what is no UTF-8 afterwards is made so. */
export function mutateText(text: string, random: SeededRandom): string {
  const bytes = mutateBytes(utf8(text), random, utf8(text).reverse());
  return parseUtf8(bytes) ?? new TextDecoder().decode(bytes);
}

type Json = unknown;

/** Changes one member, somewhere inside a JSON value. */
export function mutateJson(value: Json, random: SeededRandom): Json {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'number') return oneOf(random, [value + 1, value - 1, -value, 1e21, 0.5, String(value), null]);
    if (typeof value === 'string')
      return oneOf(random, [mutateText(value, random).toWellFormed(), '', value.toLowerCase(), 7, null]);
    return oneOf(random, [null, {}, [], '']);
  }
  if (Array.isArray(value)) {
    const copy: Json[] = [...value];
    const at = pick(random, copy.length);
    const action = pick(random, 5);
    if (action === 0) copy.splice(at, 1);
    else if (action === 1) copy.push(copy[at]);
    else if (action === 2) copy.reverse();
    else if (copy.length > 0) copy[at] = mutateJson(copy[at], random);
    return copy;
  }
  const copy: { [key: string]: Json } = { ...value };
  const key = oneOf(random, Object.keys(copy));
  const action = pick(random, 8);
  if (key === undefined) return copy;
  if (action === 0) delete copy[key];
  else if (action === 1) copy[oneOf(random, ['__proto__', 'constructor', key.toUpperCase(), `${key}x`])] = copy[key];
  else if (action === 2) copy[key] = copy[oneOf(random, Object.keys(copy))];
  else copy[key] = mutateJson(copy[key], random);
  return copy;
}
