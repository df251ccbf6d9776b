/**
 * A model on trial: loaded in a process of its own by the engine that the enclave has, compared with its manifest, and run
 * once, before its owner seals it. A loader that crashes, hangs or wants more memory than an enclave has ends that process
 * and nothing else.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import {
  encodeTensors,
  type ModelSignature,
  type SignatureDifference,
  signatureDifferences,
  type Tensor,
} from '@cloister/confidential';
import type { EngineCode } from '@cloister/enclave';
import { ENGINE_RESERVED_BYTES } from '@cloister/enclave';
import { fail, ok, utf8 } from '@cloister/encoding';
import { DEFAULT_ENCLAVE_LIMITS } from '../image/build.ts';
import { ENGINE_NAME, engineVersion } from '../image/installed-engine.ts';
import { pinnedNode } from '../image/pinned-node.ts';
import { TRIAL_DESCRIPTOR, type TrialFeed, type TrialLine, type TrialOrder, type TrialRunCode } from './trial-words.ts';

export type TrialCode =
  | EngineCode
  | TrialRunCode
  /** This machine has another engine than the manifest names. */
  | 'ENGINE_MISMATCH'
  | 'TRIAL_NOT_STARTED'
  /** The process that loaded or ran the model ended by itself: a crash, or no memory left. */
  | 'MODEL_LOAD_CRASHED'
  | 'MODEL_RUN_CRASHED'
  | 'MODEL_LOAD_TIMEOUT'
  | 'MODEL_RUN_TIMEOUT'
  /** What differs from the manifest is in `differences`. */
  | 'MODEL_SIGNATURE_MISMATCH';

export type TrialRefusal = {
  readonly ok: false;
  readonly code: TrialCode;
  readonly detail?: string | undefined;
  readonly differences?: readonly SignatureDifference[];
};

export interface TrialReport {
  /** What the run was fed with; undefined: not run, since a dimension of an input is open and no tensors were given. */
  readonly ran: TrialFeed | undefined;
}

export type TrialResult = { readonly ok: true; readonly value: TrialReport } | TrialRefusal;

export interface TrialSubject extends ModelSignature {
  readonly onnx: Uint8Array;
  readonly engine: { readonly name: string; readonly version: string };
  /** An input to try the model with, in place of zeros and ones. */
  readonly trialInputs?: readonly Tensor[] | undefined;
}

export interface TrialLimits {
  /** Time for the load, and for each run. */
  readonly stepMsMax: number;
  readonly memoryBytesMax: number;
}

const MEBIBYTE: number = 1024 * 1024;
const ENCLAVE_LIMITS: TrialLimits = {
  stepMsMax: DEFAULT_ENCLAVE_LIMITS.runMsMax,
  memoryBytesMax: DEFAULT_ENCLAVE_LIMITS.memoryMibMax * MEBIBYTE + ENGINE_RESERVED_BYTES,
};
/** Bytes of all messages of the child. */
const WORDS_BYTES_MAX: number = MEBIBYTE;
const PROGRAM: string = join(import.meta.dirname, `main.${import.meta.filename.endsWith('.ts') ? 'ts' : 'js'}`);

interface Heard {
  readonly lines: readonly TrialLine[];
  readonly timedOut: boolean;
}

/** What the child says, until it ends. A step that takes too long kills it. */
async function listen(child: ChildProcess, stepMsMax: number): Promise<Heard> {
  let timedOut = false;
  let text = '';
  const late = (): void => {
    timedOut = true;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(late, stepMsMax);
  const words = child.stdio[TRIAL_DESCRIPTOR] as Readable;
  words.setEncoding('utf8').on('data', (more: string) => {
    text += more;
    if (text.length > WORDS_BYTES_MAX) child.kill('SIGKILL');
    clearTimeout(timer);
    timer = setTimeout(late, stepMsMax);
  });
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  const lines = text.split('\n').slice(0, -1);
  return { lines: lines.map((line) => JSON.parse(line) as TrialLine), timedOut };
}

function feedText(feed: TrialFeed): string {
  return feed === 'given' ? 'on the given input' : `on ${feed}`;
}

function judge({ lines, timedOut }: Heard, subject: ModelSignature): TrialResult {
  const refused = lines.find((line) => line.step === 'refused');
  if (refused !== undefined) return fail(refused.code, refused.detail);
  const loaded = lines.find((line) => line.step === 'loaded');
  if (loaded === undefined) return fail(timedOut ? 'MODEL_LOAD_TIMEOUT' : 'MODEL_LOAD_CRASHED');
  const differences = signatureDifferences(loaded, subject);
  if (differences.length > 0) {
    const detail = differences.map((one) => one.detail).join('; ');
    return { ok: false, code: 'MODEL_SIGNATURE_MISMATCH', detail, differences };
  }
  if (!lines.some((line) => line.step === 'done')) return fail(timedOut ? 'MODEL_RUN_TIMEOUT' : 'MODEL_RUN_CRASHED');
  const ran = lines.find((line) => line.step === 'ran');
  const failed = lines.find((line) => line.step === 'not-run');
  if (ran !== undefined || failed === undefined) return ok({ ran: ran?.feed });
  return fail(failed.code, [feedText(failed.feed), failed.detail].filter(Boolean).join(': '));
}

function start(): ChildProcess {
  const stdio = ['pipe', 'ignore', 'ignore', 'pipe'] as const;
  return spawn(pinnedNode(), ['--no-warnings', PROGRAM], { env: {}, stdio: [...stdio] });
}

/** Tries a model that was screened. Never throws for what the model does. */
export async function tryModel(subject: TrialSubject, limits: Partial<TrialLimits> = {}): Promise<TrialResult> {
  const { onnx, inputs, outputs, engine, trialInputs } = subject;
  const version = await engineVersion();
  if (engine.name !== ENGINE_NAME || engine.version !== version) {
    return fail('ENGINE_MISMATCH', `${engine.name} ${engine.version} in the manifest, ${ENGINE_NAME} ${version} here`);
  }
  const { stepMsMax, memoryBytesMax } = { ...ENCLAVE_LIMITS, ...limits };
  const tensors = trialInputs === undefined ? new Uint8Array(0) : encodeTensors(trialInputs);
  const signature = { inputs, outputs };
  const order: TrialOrder = { onnxBytes: onnx.length, tensorBytes: tensors.length, signature, memoryBytesMax };
  const child = start();
  const failed = new Promise<Error>((resolve) => child.once('error', resolve));
  const input = child.stdin as Writable;
  // A child that dies before it has read everything is told of by its end.
  input.on('error', () => undefined);
  for (const bytes of [utf8(`${JSON.stringify(order)}\n`), onnx, tensors]) input.write(bytes);
  input.end();
  const heard = await Promise.race([failed, listen(child, stepMsMax)]);
  if (heard instanceof Error) return fail('TRIAL_NOT_STARTED', heard.message);
  return judge(heard, signature);
}
