/**
 * Trains the digit classifier that the project keeps (packages/node/models/digits.onnx) and measures it on images it never saw.
 *
 * A network of one hidden layer, 784 → 64 → 10, trained with Adam on shifted copies of 8,000 images. Seeded throughout:
 * on one machine the same bytes come out every time. The accuracy is measured through onnxruntime-node on the written
 * file, not on the arrays in memory.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { encodeOnnx } from '@cloister/testkit/onnx-writer';
import { SeededRandom, sha256 } from '../packages/crypto/src/index.ts';
import { assert, toHex } from '../packages/encoding/src/index.ts';
import { DIGIT_PIXELS, DIGIT_SIDE_PIXELS, type Digit, digitsSplit } from '../packages/node/src/digits/split.ts';

const HIDDEN = 64;
const CLASSES = 10;
const EPOCHS = 30;
const BATCH = 50;
const LEARNING_RATE = 0.002;
const LEARNING_RATE_DECAY = 0.9;
const SHIFT_PIXELS_MAX = 1;
const ACCURACY_MIN = 0.95;
const [MOMENT_DECAY, VARIANCE_DECAY, EPSILON] = [0.9, 0.999, 1e-8];

/** What is used of onnxruntime-node, which is a dependency of packages/enclave and not of the root. */
interface Ort {
  readonly InferenceSession: {
    create(onnx: Uint8Array): Promise<{
      run(feeds: Record<string, unknown>): Promise<Record<string, { readonly data: Float32Array }>>;
    }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => unknown;
}

/** A weight array with its gradient and Adam's two moments. */
class Parameter {
  readonly values: Float32Array;
  readonly gradient: Float32Array;
  readonly #moment: Float32Array;
  readonly #variance: Float32Array;

  constructor(size: number) {
    this.values = new Float32Array(size);
    this.gradient = new Float32Array(size);
    this.#moment = new Float32Array(size);
    this.#variance = new Float32Array(size);
  }

  /** One step of Adam (Kingma and Ba, algorithm 1) on the gradient summed over a batch; clears it. */
  step(count: number, rate: number): void {
    const { values, gradient } = this;
    const [m, v] = [this.#moment, this.#variance];
    const scale = (rate * Math.sqrt(1 - VARIANCE_DECAY ** count)) / (1 - MOMENT_DECAY ** count);
    for (let i = 0; i < values.length; i++) {
      const g = at(gradient, i) / BATCH;
      m[i] = MOMENT_DECAY * at(m, i) + (1 - MOMENT_DECAY) * g;
      v[i] = VARIANCE_DECAY * at(v, i) + (1 - VARIANCE_DECAY) * g * g;
      values[i] = at(values, i) - (scale * at(m, i)) / (Math.sqrt(at(v, i)) + EPSILON);
    }
    gradient.fill(0);
  }
}

/** Weights in [input][output] order, as ONNX's Gemm takes them. */
interface Network {
  readonly w1: Parameter;
  readonly b1: Parameter;
  readonly w2: Parameter;
  readonly b2: Parameter;
}

function at(array: Float32Array, index: number): number {
  return array[index] ?? 0;
}

/** Uniform in [-limit, limit): He's initialisation for a layer with `inputs` inputs. */
function initialise(parameter: Parameter, inputs: number, random: SeededRandom): void {
  const limit = Math.sqrt(6 / inputs);
  for (let i = 0; i < parameter.values.length; i++) parameter.values[i] = limit * (random.u32() / 2 ** 31 - 1);
}

/** The image moved by whole pixels; paper comes in at the edges. */
function shifted(image: Float32Array, dx: number, dy: number): Float32Array {
  const moved = new Float32Array(DIGIT_PIXELS);
  for (let y = 0; y < DIGIT_SIDE_PIXELS; y++) {
    for (let x = 0; x < DIGIT_SIDE_PIXELS; x++) {
      const [fromX, fromY] = [x - dx, y - dy];
      const inside = fromX >= 0 && fromX < DIGIT_SIDE_PIXELS && fromY >= 0 && fromY < DIGIT_SIDE_PIXELS;
      if (inside) moved[y * DIGIT_SIDE_PIXELS + x] = at(image, fromY * DIGIT_SIDE_PIXELS + fromX);
    }
  }
  return moved;
}

/** Output = bias + input · weights; zero inputs, most of an image, cost nothing. */
function layer(input: Float32Array, weights: Parameter, bias: Parameter): Float32Array {
  const output = Float32Array.from(bias.values);
  for (let i = 0; i < input.length; i++) {
    const x = at(input, i);
    if (x === 0) continue;
    const row = i * output.length;
    for (let j = 0; j < output.length; j++) output[j] = at(output, j) + x * at(weights.values, row + j);
  }
  return output;
}

function softmax(logits: Float32Array): Float32Array {
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** Adds the gradient of the cross-entropy at one image. */
function accumulate(network: Network, image: Float32Array, label: number): void {
  const { w1, b1, w2, b2 } = network;
  const hidden = layer(image, w1, b1).map((x) => Math.max(0, x));
  const error = softmax(layer(hidden, w2, b2));
  error[label] = at(error, label) - 1;
  const back = new Float32Array(HIDDEN);
  for (let i = 0; i < HIDDEN; i++) {
    const active = at(hidden, i);
    if (active === 0) continue;
    for (let j = 0; j < CLASSES; j++) {
      const weight = i * CLASSES + j;
      back[i] = at(back, i) + at(w2.values, weight) * at(error, j);
      w2.gradient[weight] = at(w2.gradient, weight) + active * at(error, j);
    }
  }
  for (let j = 0; j < CLASSES; j++) b2.gradient[j] = at(b2.gradient, j) + at(error, j);
  for (let j = 0; j < HIDDEN; j++) b1.gradient[j] = at(b1.gradient, j) + at(back, j);
  for (let i = 0; i < DIGIT_PIXELS; i++) {
    const x = at(image, i);
    if (x === 0) continue;
    const row = i * HIDDEN;
    for (let j = 0; j < HIDDEN; j++) w1.gradient[row + j] = at(w1.gradient, row + j) + x * at(back, j);
  }
}

function train(digits: readonly Digit[]): Network {
  const random = new SeededRandom('cloister/digits-training/v1');
  const network: Network = {
    w1: new Parameter(DIGIT_PIXELS * HIDDEN),
    b1: new Parameter(HIDDEN),
    w2: new Parameter(HIDDEN * CLASSES),
    b2: new Parameter(CLASSES),
  };
  initialise(network.w1, DIGIT_PIXELS, random);
  initialise(network.w2, HIDDEN, random);
  const shift = (): number => random.below(2 * SHIFT_PIXELS_MAX + 1) - SHIFT_PIXELS_MAX;
  let steps = 0;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const rate = LEARNING_RATE * LEARNING_RATE_DECAY ** epoch;
    for (let i = 0; i < digits.length; i++) {
      const digit = digits[random.below(digits.length)];
      assert(digit !== undefined, 'an index within the digits');
      accumulate(network, shifted(digit.image, shift(), shift()), digit.label);
      if ((i + 1) % BATCH !== 0) continue;
      steps++;
      for (const parameter of Object.values(network) as Parameter[]) parameter.step(steps, rate);
    }
    process.stdout.write(`\repoch ${epoch + 1} of ${EPOCHS}`);
  }
  process.stdout.write('\n');
  return network;
}

function toOnnx({ w1, b1, w2, b2 }: Network): Uint8Array {
  return encodeOnnx({
    name: 'digits',
    nodes: [
      { operator: 'Gemm', inputs: ['image', 'w1', 'b1'], outputs: ['sum'] },
      { operator: 'Relu', inputs: ['sum'], outputs: ['hidden'] },
      { operator: 'Gemm', inputs: ['hidden', 'w2', 'b2'], outputs: ['logits'] },
      { operator: 'Softmax', inputs: ['logits'], outputs: ['probabilities'], integers: { axis: 1 } },
    ],
    weights: [
      { name: 'w1', shape: [DIGIT_PIXELS, HIDDEN], data: w1.values },
      { name: 'b1', shape: [HIDDEN], data: b1.values },
      { name: 'w2', shape: [HIDDEN, CLASSES], data: w2.values },
      { name: 'b2', shape: [CLASSES], data: b2.values },
    ],
    input: { name: 'image', shape: [1, DIGIT_PIXELS] },
    output: { name: 'probabilities', shape: [1, CLASSES] },
  });
}

/** Share of images whose likeliest class, according to the file, is their label. */
async function measure(file: string, digits: readonly Digit[]): Promise<number> {
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const ort = createRequire(new URL('../packages/enclave/package.json', import.meta.url))('onnxruntime-node') as Ort;
  const session = await ort.InferenceSession.create(await readFile(file));
  let right = 0;
  for (const { image, label } of digits) {
    const { probabilities } = await session.run({ image: new ort.Tensor('float32', image, [1, DIGIT_PIXELS]) });
    const scores = [...(probabilities?.data ?? [])];
    if (scores.indexOf(Math.max(...scores)) === label) right++;
  }
  return right / digits.length;
}

const directory = process.argv[2] ?? join(import.meta.dirname, '..', 'packages', 'node', 'models');
const file = join(directory, 'digits.onnx');
const { train: training, held } = digitsSplit();
const onnx = toOnnx(train(training));
await mkdir(directory, { recursive: true });
await writeFile(file, onnx);
const accuracy = await measure(file, held);
console.log(`${file}: ${onnx.length} bytes, SHA-256 ${toHex(sha256(onnx))}`);
console.log(`accuracy on ${held.length} held-out images: ${(100 * accuracy).toFixed(2)} %`);
process.exitCode = accuracy >= ACCURACY_MIN ? 0 : 1;
