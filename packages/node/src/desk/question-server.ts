/**
 * The voting thread's end of the channel to the API: questions are answered in short slices with everything else between
 * them, and in sum they get a bounded share of the thread, however many there are.
 */

import type { NodeQuestions } from '../http/thread/node-questions.ts';
import type { AnswerMessage, AskMessage } from '../http/thread/question-client.ts';
import { codeOf, messageOf } from '../process/errors.ts';

/** Longest stretch of answering before timers and sockets get their turn. */
const SLICE_MS = 3;
/** Share of the thread's time for questions in the long run. */
export const QUESTION_SHARE = 0.2;
/** What may be used above the share for a moment. */
const BURST_MS = 50;

export interface QuestionServerOptions {
  readonly questions: NodeQuestions;
  readonly answer: (message: AnswerMessage) => void;
  readonly monotonicMs: () => number;
  readonly onError: (error: unknown) => void;
}

export class QuestionServer {
  readonly #options: QuestionServerOptions;
  readonly #waiting: AskMessage[] = [];
  /** Transactions: what they cost is the replica's own work, which its pool and quotas bound. */
  readonly #submissions: AskMessage[] = [];
  #scheduled = false;
  #later: ReturnType<typeof setTimeout> | undefined;
  #leftMs: number = BURST_MS;
  #countedMs: number;

  constructor(options: QuestionServerOptions) {
    this.#options = options;
    this.#countedMs = options.monotonicMs();
  }

  take(message: AskMessage): void {
    (message.name === 'submit' ? this.#submissions : this.#waiting).push(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#slice());
  }

  /** Takes the first of a queue until the time is up; the time that it took. */
  #drain(queue: AskMessage[], forMs: number): number {
    const { monotonicMs } = this.#options;
    const startMs = monotonicMs();
    let spentMs = 0;
    let taken = 0;
    for (; taken < queue.length && spentMs < forMs; taken++) {
      const message = queue[taken];
      if (message !== undefined) void this.#answer(message);
      spentMs = monotonicMs() - startMs;
    }
    queue.splice(0, taken);
    return spentMs;
  }

  #slice(): void {
    const nowMs = this.#options.monotonicMs();
    this.#leftMs = Math.min(BURST_MS, this.#leftMs + (nowMs - this.#countedMs) * QUESTION_SHARE);
    this.#countedMs = nowMs;
    const spentMs = this.#drain(this.#submissions, SLICE_MS);
    this.#leftMs -= this.#drain(this.#waiting, Math.min(SLICE_MS - spentMs, this.#leftMs));
    this.#scheduled = this.#submissions.length > 0 || this.#waiting.length > 0;
    if (!this.#scheduled) return;
    if (this.#leftMs > 0 || this.#submissions.length > 0) {
      setImmediate(() => this.#slice());
      return;
    }
    // The share is used up. A transaction that comes meanwhile does not wait for it.
    this.#scheduled = false;
    this.#later ??= setTimeout(
      () => {
        this.#later = undefined;
        if (this.#scheduled) return;
        this.#scheduled = true;
        this.#slice();
      },
      Math.ceil((1 - this.#leftMs) / QUESTION_SHARE),
    ).unref();
  }

  async #answer({ id, name, args }: AskMessage): Promise<void> {
    const { questions, answer, onError } = this.#options;
    try {
      const ask = questions[name] as (...given: readonly unknown[]) => Promise<unknown>;
      answer({ id, value: await ask.apply(questions, [...args]) });
    } catch (error) {
      const code = codeOf(error);
      if (code === 'INTERNAL') onError(error);
      answer({ id, failure: { code, message: messageOf(error) } });
    }
  }
}
