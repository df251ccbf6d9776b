/** Finds the command, parses its words strictly, runs it, and turns what it throws into a code and an exit status. */
import { parseArgs } from 'node:util';
import { codeOf, messageOf } from '../process/errors.ts';
import { plainLines } from '../process/plain-text.ts';
import { type CliCommand, type ExitCode, type Flag, Output, UsageError } from './command.ts';
import { helpFor, overview } from './help.ts';
import { COMMANDS } from './registry.ts';

export const GLOBAL_FLAGS: { readonly [name: string]: Flag } = {
  home: { type: 'string', value: 'DIR', about: 'Home of the node; CLOISTER_HOME, then ~/.cloister.' },
  output: { type: 'string', value: 'FORMAT', about: 'text or json.' },
  help: { type: 'boolean', about: 'Say what the command does.' },
};

function findCommand(words: readonly string[]): { command: CliCommand; rest: string[] } | undefined {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(' ');
    const command = COMMANDS.find((candidate) => candidate.name === name);
    if (command !== undefined) return { command, rest: words.slice(length) };
  }
  return undefined;
}

/** The words before the first that begins with a dash name the command. */
export async function dispatch(words: readonly string[], environment: NodeJS.ProcessEnv): Promise<ExitCode> {
  // `pnpm run` hands a separating -- through.
  const given = words[0] === '--' ? words.slice(1) : words;
  const json = given.some((word, i) => word === '--output=json' || (word === '--output' && given[i + 1] === 'json'));
  try {
    if (given.length === 0 || given[0] === 'help' || given[0] === '--help') {
      process.stdout.write(`${overview(COMMANDS)}\n`);
      return given.length === 0 ? 2 : 0;
    }
    const found = findCommand(given);
    if (found === undefined) {
      throw new UsageError(`there is no command '${given.slice(0, 2).join(' ')}'; 'cloister help' lists them`);
    }
    return await runCommand(found.command, found.rest, environment);
  } catch (error) {
    return report(error, json);
  }
}

async function runCommand(command: CliCommand, words: string[], environment: NodeJS.ProcessEnv): Promise<ExitCode> {
  const { values, positionals } = parse(command, words);
  if (values.help === true) {
    process.stdout.write(`${helpFor(command)}\n`);
    return 0;
  }
  const format = values.output ?? 'text';
  if (format !== 'text' && format !== 'json') throw new UsageError('--output must be text or json');
  if (positionals.length < command.positionals.min || positionals.length > command.positionals.max) {
    throw new UsageError(`usage: cloister ${command.name} ${command.usage}`.trimEnd());
  }
  const home = typeof values.home === 'string' ? values.home : environment.CLOISTER_HOME;
  return command.run({ flags: values, positionals, output: new Output(format === 'json', command.chain), home });
}

function parse(
  command: CliCommand,
  words: string[],
): { values: Record<string, string | boolean | (string | boolean)[]>; positionals: string[] } {
  const options = Object.fromEntries(
    Object.entries({ ...GLOBAL_FLAGS, ...command.flags }).map(([name, { type, multiple = false }]) => [
      name,
      { type, multiple },
    ]),
  );
  try {
    const parsed = parseArgs({ args: words, options, allowPositionals: true, strict: true });
    return {
      values: { ...parsed.values } as Record<string, string | boolean | (string | boolean)[]>,
      positionals: parsed.positionals,
    };
  } catch (error) {
    throw new UsageError(`${messageOf(error)}\nusage: cloister ${command.name} ${command.usage}`.trimEnd());
  }
}

function report(error: unknown, json: boolean): ExitCode {
  const code = codeOf(error);
  const usage = code === 'USAGE' || code.startsWith('CONFIG_');
  const message = messageOf(error);
  // Some errors begin with their code; others do not.
  const said = message === code || message.startsWith(`${code}: `) ? message : `${code}: ${message}`;
  const line = json ? JSON.stringify({ error: { code, message } }) : `cloister: ${plainLines(said)}`;
  process.stderr.write(`${line}\n`);
  if (code === 'INTERNAL' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return usage ? 2 : 1;
}
