import { CodedError } from '@cloister/encoding';

/** A refusal; the body is {code, message, detail?}. */
export class ApiError extends CodedError<string> {
  readonly status: number;
  readonly detail: string | undefined;
  /** When to ask again. */
  readonly retryAfterS: number | undefined;
  /** Tokens that the refused request cost beside those of its route. */
  readonly cost: number;

  constructor(
    status: number,
    code: string,
    detail?: string,
    more: { readonly retryAfterS?: number; readonly cost?: number } = {},
  ) {
    super(code, detail === undefined ? code : `${code}: ${detail}`);
    this.status = status;
    this.detail = detail;
    this.retryAfterS = more.retryAfterS ?? (status === 429 || status === 503 ? 1 : undefined);
    this.cost = more.cost ?? 0;
  }
}
