/** Mutations of one byte string: flipped bits, cut tails, inserted and removed bytes. */
import fc from 'fast-check';

export function mutated(original: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.tuple(fc.constantFrom('flip', 'cut', 'insert', 'remove'), fc.nat(), fc.nat(255));
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
    let bytes = [...original];
    for (const [kind, position, value] of edits) {
      const at = bytes.length === 0 ? 0 : position % bytes.length;
      if (kind === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (value === 0 ? 1 : value);
      else if (kind === 'cut') bytes = bytes.slice(0, at);
      else if (kind === 'insert') bytes.splice(at, 0, value);
      else bytes.splice(at, 1);
    }
    return Uint8Array.from(bytes);
  });
}
