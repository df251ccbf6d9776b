/** The process's own log: one line for each entry, with the time, the level, a code-like subject and plain fields. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = { readonly [name: string]: string | number | boolean | undefined };
export type Log = (level: LogLevel, subject: string, fields?: LogFields) => void;

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

function valueText(value: string | number | boolean): string {
  const text = String(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Writes lines such as `2026-01-01T00:00:00.000Z info attested sequence=12`. */
export function createLog(options: {
  readonly level: LogLevel;
  readonly write: (line: string) => void;
  readonly nowMs: () => number;
}): Log {
  const least = ORDER.indexOf(options.level);
  return (level, subject, fields = {}) => {
    if (ORDER.indexOf(level) < least) return;
    const rest = Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${valueText(value)}`],
    );
    options.write([new Date(options.nowMs()).toISOString(), level, subject, ...rest].join(' '));
  };
}
