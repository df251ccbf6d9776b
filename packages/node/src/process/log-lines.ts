/**
 * The process's own log: one line for each entry, with the time, the level, a code-like subject and plain fields.
 *
 * A field may hold what a peer sent. Whatever it holds, the entry stays one line, and nothing in the value reads as another
 * field: text that is more than a word stands in quotation marks, with each character that a terminal obeys as its number.
 */
import { plainLine } from './plain-text.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'text' | 'json';
export type LogFields = { readonly [name: string]: string | number | boolean | undefined };
export type Log = (level: LogLevel, subject: string, fields?: LogFields) => void;

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
/** Characters of one text in a log line; the rest is cut off. */
export const LOG_TEXT_CHARACTERS_MAX = 2_048;

function bounded(value: string | number | boolean): string | number | boolean {
  if (typeof value !== 'string' || value.length <= LOG_TEXT_CHARACTERS_MAX) return value;
  return `${value.slice(0, LOG_TEXT_CHARACTERS_MAX).toWellFormed()}…`;
}

function valueText(value: string | number | boolean): string {
  const text = String(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : plainLine(JSON.stringify(text));
}

function textLine(time: string, level: LogLevel, subject: string, fields: LogFields): string {
  const rest = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${valueText(bounded(value))}`],
  );
  return [time, level, subject, ...rest].join(' ');
}

/** The fields stand in a member of their own, so that none of them can take the place of the time, the level or the subject. */
function jsonLine(time: string, level: LogLevel, subject: string, fields: LogFields): string {
  const kept = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, bounded(value)] as const],
  );
  const line = JSON.stringify({ time, level, subject, fields: Object.fromEntries(kept) });
  // JSON has a number for these characters as well, so that a reader of JSON gets the text as it was.
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** Writes lines such as `2026-01-01T00:00:00.000Z info attested sequence=12`, or the same as JSON. */
export function createLog(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly write: (line: string) => void;
  readonly nowMs: () => number;
}): Log {
  const least = ORDER.indexOf(options.level);
  const lineOf = options.format === 'json' ? jsonLine : textLine;
  return (level, subject, fields = {}) => {
    if (ORDER.indexOf(level) < least) return;
    options.write(lineOf(new Date(options.nowMs()).toISOString(), level, subject, fields));
  };
}
