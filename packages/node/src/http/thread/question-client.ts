/** The API's end of the channel to the thread that votes. */
import { CodedError } from '@cloister/encoding';
import type { NodeQuestions } from './node-questions.ts';

export type QuestionName = keyof NodeQuestions;

export interface AskMessage {
  readonly id: number;
  readonly name: QuestionName;
  readonly args: readonly unknown[];
}

export type AnswerMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: { readonly code: string; readonly message: string } };

/** Every question, so that the object below has each of them. */
const NAMES: { readonly [Name in QuestionName]: true } = {
  status: true,
  readiness: true,
  metrics: true,
  validators: true,
  attestations: true,
  models: true,
  inferences: true,
  measurements: true,
  policy: true,
  model: true,
  inference: true,
  record: true,
  fate: true,
  facts: true,
  submit: true,
  challenge: true,
  blob: true,
  openUpload: true,
  closeUpload: true,
};

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: CodedError<string>) => void;
}

/** The number of waiting questions is bounded by the requests, each of which asks one question at a time. */
export class QuestionClient {
  readonly #send: (message: AskMessage) => void;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  readonly questions: NodeQuestions;

  constructor(send: (message: AskMessage) => void) {
    this.#send = send;
    const asking = (name: QuestionName) => [name, (...args: unknown[]) => this.#ask(name, args)] as const;
    this.questions = Object.fromEntries((Object.keys(NAMES) as QuestionName[]).map(asking)) as unknown as NodeQuestions;
  }

  #ask(name: QuestionName, args: readonly unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ id, name, args });
    });
  }

  answered(message: AnswerMessage): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ('failure' in message) waiting?.reject(new CodedError(message.failure.code, message.failure.message));
    else waiting?.resolve(message.value);
  }
}
