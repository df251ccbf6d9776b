#!/usr/bin/env node
/** The command line's entry. */
import { dispatch } from './commands/dispatch.ts';

// On this signal Node.js opens a debugger, through which a process that may send signals could read the keys. With a
// listener it does not open one.
process.on('SIGUSR1', () => undefined);

// What was under way when a signal came does not hold the process up.
process.exit(await dispatch(process.argv.slice(2), process.env));
