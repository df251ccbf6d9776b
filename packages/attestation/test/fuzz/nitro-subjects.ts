/** Fuzzed Nitro documents: tagged and not, of definite and indefinite length, with and without optional members. */

import type { SeededRandom } from '@cloister/crypto';
import { assert, concatBytes, toHex } from '@cloister/encoding';
import { cborArray, cborBytes, cborHead, cborTag, parseCbor } from '../../src/evidence/cbor.ts';
import { stepOf } from '../../src/evidence/verification-steps.ts';
import { NITRO_PROTECTED_HEADERS } from '../../src/formats/nitro/document.ts';
import { type EndorsementCache, verifyNitro } from '../../src/index.ts';
import { simulatedNitroAnchors, simulatedNitroEnclave } from '../../src/simulated/index.ts';
import { AT_MS, seedOf } from '../formats/snp-fixture.ts';
import { mutateBytes, mutateDer, oneOf, pick } from './mutate.ts';
import type { Attempt, Mutation, Target } from './target.ts';

/** Start, end of the head, and end of every item in bytes that are CBOR, byte strings that hold CBOR included. */
function itemsOf(bytes: Uint8Array, from: number, to: number, found: [number, number, number][]): number {
  let at = from;
  const initial = bytes[at++] ?? 0;
  const [major, additional] = [initial >>> 5, initial & 0x1f];
  let argument = additional;
  if (additional >= 24 && additional <= 27) {
    argument = 0;
    for (let i = 1 << (additional - 24); i > 0; i--) argument = 256 * argument + (bytes[at++] ?? 0);
  }
  const head = at;
  const slot: [number, number, number] = [from, head, head];
  found.push(slot);
  if (major === 2 || major === 3) {
    if (major === 2 && [4, 5].includes((bytes[at] ?? 0) >>> 5) && argument > 100)
      itemsOf(bytes, at, at + argument, found);
    at += argument;
  } else if (major === 4 || major === 5) {
    const count = additional === 31 ? 1000 : argument * (major - 3);
    for (let i = 0; i < count && at < to && bytes[at] !== 0xff; i++) at = itemsOf(bytes, at, to, found);
    if (additional === 31) at++;
  } else if (major === 6) at = itemsOf(bytes, at, to, found);
  slot[2] = Math.min(at, to);
  return slot[2];
}

export function mutateCbor(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const items: [number, number, number][] = [];
  itemsOf(bytes, 0, bytes.length, items);
  const [start, head, end] = oneOf(random, items);
  const [otherStart, , otherEnd] = oneOf(random, items);
  const other = bytes.subarray(otherStart, otherEnd);
  const copy = bytes.slice();
  switch (pick(random, 7)) {
    case 0:
      copy[start] = ((copy[start] ?? 0) & 0x1f) | (pick(random, 8) << 5);
      return copy;
    case 1:
      copy[start] = ((copy[start] ?? 0) & 0xe0) | pick(random, 32);
      return copy;
    case 2:
      return concatBytes(bytes.subarray(0, start), bytes.subarray(end));
    case 3:
      return concatBytes(bytes.subarray(0, end), bytes.subarray(start, end), bytes.subarray(end));
    case 4:
      return concatBytes(bytes.subarray(0, start), other, bytes.subarray(end));
    case 5:
      return concatBytes(
        bytes.subarray(0, start),
        mutateBytes(bytes.subarray(start, end), random, other),
        bytes.subarray(end),
      );
    default:
      // The same length, written longer than it need be.
      return concatBytes(
        bytes.subarray(0, start),
        Uint8Array.of(((copy[start] ?? 0) & 0xe0) | 26, 0, 0, 0, (copy[start] ?? 0) & 0x1f),
        bytes.subarray(head),
      );
  }
}

/** The bytes with the one occurrence of a part replaced. */
function replaceOnce(bytes: Uint8Array, part: Uint8Array, by: Uint8Array): Uint8Array {
  const at = toHex(bytes).indexOf(toHex(part)) / 2;
  return concatBytes(bytes.subarray(0, at), by, bytes.subarray(at + part.length));
}

export function nitroTarget(cache: EndorsementCache): Target {
  const trustAnchors = simulatedNitroAnchors();
  const validity = { notBeforeMs: AT_MS - 3_600_000, notAfterMs: AT_MS + 7_200_000 };
  const enclaves = [simulatedNitroEnclave(seedOf(81), validity), simulatedNitroEnclave(seedOf(82), validity)] as const;
  const pcrs = new Map([0, 1, 2].map((index) => [index, new Uint8Array(48).fill(index + 1)]));
  const fields = { pcrs, timestampMs: AT_MS };
  const plain = enclaves[0].document(fields);
  const documents = [
    plain,
    enclaves[0].document({
      ...fields,
      publicKey: new Uint8Array(32).fill(4),
      userData: new Uint8Array(64),
      nonce: new Uint8Array(32),
    }),
    enclaves[1].document({ ...fields, userData: new Uint8Array(300).fill(5) }, { indefinite: true }),
    concatBytes(cborHead(6, 18), enclaves[1].document(fields)),
  ];
  const parts = (document: {
    readonly signed: Uint8Array;
    readonly certificate: Uint8Array;
    readonly caBundle: readonly Uint8Array[];
  }) => [document.signed, document.certificate, ...document.caBundle].map(toHex);
  const verify = (document: Uint8Array) => verifyNitro({ document, trustAnchors, atMs: AT_MS, cache });
  const genuine = documents.map((document) => {
    const verified = verify(document);
    assert(verified.ok, 'the original is genuine');
    return verified.value.document;
  });
  const known = new Set(genuine.flatMap(parts));
  const chains = genuine.map(({ certificate, caBundle }) => [...caBundle, certificate]);

  function attempt(document: Uint8Array): Attempt {
    const verified = verify(document);
    if (!verified.ok) return { code: verified.code, step: stepOf('nitro', verified.code) };
    return {
      code: undefined,
      print: verified.value,
      foreign: parts(verified.value.document).filter((part) => !known.has(part)),
    };
  }

  /** The payload of a document, and its signature. */
  function open(document: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const item = parseCbor(document, { indefiniteLengths: false }) ?? null;
    const elements = cborTag(item)?.value ?? item;
    const [, , payload, signature] = Array.isArray(elements) ? elements : [];
    return [payload as Uint8Array, signature as Uint8Array];
  }

  const mutation = (index: number, document: Uint8Array, resigned: boolean): Mutation => ({
    index,
    resigned,
    input: { format: 'nitro', document },
    run: () => attempt(document),
  });

  return {
    name: 'nitro',
    originals: documents.map((document, index) => mutation(index, document, false)),
    next(random) {
      const index = pick(random, documents.length);
      const document = documents[index] ?? plain;
      const donor = oneOf(random, documents);
      const kind = pick(random, 100);
      if (kind < 55) {
        let mutated = kind < 25 ? mutateBytes(document, random, donor) : mutateCbor(document, random);
        for (let i = pick(random, 3); i > 0; i--) mutated = mutateBytes(mutated, random, donor);
        return mutation(index, mutated, false);
      }
      const [payload, signature] = open(document);
      if (kind < 90) {
        // The payload or a certificate in it, in a structure whose lengths are right.
        const changed = kind < 75 ? mutateCbor(payload, random) : mutateBytes(payload, random, open(donor)[0]);
        const other = kind < 80 ? signature : open(donor)[1];
        const sealed = cborArray([
          cborBytes(NITRO_PROTECTED_HEADERS),
          cborHead(5, 0),
          cborBytes(changed),
          cborBytes(other),
        ]);
        return mutation(index, sealed, false);
      }
      if (kind < 96) {
        // One certificate changed inside a payload that is signed anew.
        const der = oneOf(random, chains[index] ?? []);
        const sealed = replaceOnce(payload, cborBytes(der), cborBytes(mutateDer(der, random, der)));
        const mutated = (index < 2 ? enclaves[0] : enclaves[1]).sign(sealed);
        return mutation(index, mutated, true);
      }
      const enclave = index < 2 ? enclaves[0] : enclaves[1];
      const changed = mutateCbor(payload, random);
      return mutation(index, enclave.sign(changed), true);
    },
  };
}
