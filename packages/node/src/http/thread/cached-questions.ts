/**
 * Asks the other thread once for what many want to know at the same moment: an answer serves everybody until the next block,
 * and a short while at most.
 */
import { BoundedMap } from '@cloister/encoding';
import type { Follow } from './follow.ts';
import type { NodeQuestions } from './node-questions.ts';

/** Milliseconds for which an answer serves while no block comes. */
const AGE_MS: { readonly [Name in keyof NodeQuestions]?: number } = {
  status: 50,
  readiness: 50,
  metrics: 100,
  validators: 500,
  attestations: 500,
  models: 500,
  inferences: 500,
  measurements: 500,
  policy: 500,
  model: 500,
  inference: 100,
  facts: 500,
};

/** Answers kept; the oldest makes room. */
export const ANSWERS_MAX = 64;

interface Kept {
  readonly height: number;
  readonly atMs: number;
  readonly answer: Promise<unknown>;
}

export function cachedQuestions(
  node: NodeQuestions,
  follow: Pick<Follow, 'position'>,
  monotonicMs: () => number,
): NodeQuestions {
  const kept = new BoundedMap<string, Kept>(ANSWERS_MAX);
  const once = <Args extends readonly unknown[], T>(
    name: keyof NodeQuestions,
    ask: (...args: Args) => Promise<T>,
  ): ((...args: Args) => Promise<T>) => {
    const ageMs = AGE_MS[name] ?? 0;
    return (...args) => {
      const key = JSON.stringify([name, ...args]);
      const nowMs = monotonicMs();
      const { height } = follow.position;
      const found = kept.get(key);
      if (found !== undefined && found.height === height && nowMs - found.atMs < ageMs) {
        return found.answer as Promise<T>;
      }
      const answer = ask(...args);
      kept.set(key, { height, atMs: nowMs, answer });
      // A failure is told to those who wait for it, and asked again by the next.
      answer.catch(() => {
        if (kept.get(key)?.answer === answer) kept.delete(key);
      });
      return answer;
    };
  };
  return {
    status: once('status', () => node.status()),
    readiness: once('readiness', () => node.readiness()),
    metrics: once('metrics', () => node.metrics()),
    validators: once('validators', (page) => node.validators(page)),
    attestations: once('attestations', (page) => node.attestations(page)),
    models: once('models', (page) => node.models(page)),
    inferences: once('inferences', (page) => node.inferences(page)),
    measurements: once('measurements', () => node.measurements()),
    policy: once('policy', () => node.policy()),
    model: once('model', (id) => node.model(id)),
    inference: once('inference', (task) => node.inference(task)),
    record: (namespace, key) => node.record(namespace, key),
    fate: (id) => node.fate(id),
    facts: once('facts', (subjects) => node.facts(subjects)),
    submit: (bytes) => node.submit(bytes),
    challenge: (asker, target, challenge) => node.challenge(asker, target, challenge),
    blob: (digest) => node.blob(digest),
    openUpload: (request) => node.openUpload(request),
    closeUpload: (ticket, whole) => node.closeUpload(ticket, whole),
  };
}
