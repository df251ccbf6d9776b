/** What `cloister help` and `cloister <command> --help` print; made from the commands themselves. */
import type { CliCommand, Flag } from './command.ts';

function flagLine([name, flag]: readonly [string, Flag]): string {
  const value = flag.type === 'string' ? ` ${flag.value ?? 'TEXT'}` : '';
  return `  ${`--${name}${value}`.padEnd(34)} ${flag.about}${flag.multiple === true ? ' May be repeated.' : ''}`;
}

export function overview(commands: readonly CliCommand[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  return [
    'Cloister: a validator network for confidential AI inference.',
    '',
    'usage: cloister <command> [arguments] [--home DIR] [--output text|json]',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)} ${summary}`),
    '',
    "'cloister <command> --help' says more. Exit codes: 0 done, 1 failed, 2 usage, 3 verification failed.",
  ].join('\n');
}

export function helpFor(command: CliCommand): string {
  const flags = Object.entries(command.flags);
  return [
    `usage: cloister ${command.name} ${command.usage}`.trimEnd(),
    '',
    command.summary,
    ...(flags.length === 0 ? [] : ['', ...flags.map(flagLine)]),
  ].join('\n');
}
