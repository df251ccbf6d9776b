#!/usr/bin/env node
/** The command line's entry. */
import { dispatch } from './commands/dispatch.ts';

// By this signal Node.js opens a debugger, through which whoever may signal reads the keys. With a listener it does not.
process.on('SIGUSR1', () => undefined);

// What was under way when a signal came does not hold the process up.
process.exit(await dispatch(process.argv.slice(2), process.env));
