/**
 * The voting thread's end of the channel to the API: questions are answered in short slices with everything else between
 * them, and in sum they get a bounded share of the thread, however many there are.
 */
import { codeOf, messageOf } from '../errors.ts';
import type { NodeQuestions } from '../http/node-questions.ts';
import type { AnswerMessage, AskMessage } from '../http/question-client.ts';

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
  #scheduled = false;
  #leftMs: number = BURST_MS;
  #countedMs: number;

  constructor(options: QuestionServerOptions) {
    this.#options = options;
    this.#countedMs = options.monotonicMs();
  }

  take(message: AskMessage): void {
    this.#waiting.push(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#slice());
  }

  #slice(): void {
    const startMs = this.#options.monotonicMs();
    this.#leftMs = Math.min(BURST_MS, this.#leftMs + (startMs - this.#countedMs) * QUESTION_SHARE);
    this.#countedMs = startMs;
    let taken = 0;
    let nowMs = startMs;
    for (; taken < this.#waiting.length && this.#leftMs > nowMs - startMs && nowMs - startMs < SLICE_MS; taken++) {
      const message = this.#waiting[taken];
      if (message !== undefined) void this.#answer(message);
      nowMs = this.#options.monotonicMs();
    }
    this.#waiting.splice(0, taken);
    this.#leftMs -= nowMs - startMs;
    this.#scheduled = this.#waiting.length > 0;
    if (!this.#scheduled) return;
    if (this.#leftMs > 0) setImmediate(() => this.#slice());
    else setTimeout(() => this.#slice(), Math.ceil((1 - this.#leftMs) / QUESTION_SHARE)).unref();
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
