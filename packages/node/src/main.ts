#!/usr/bin/env node
/** The command line's entry. */
import { dispatch } from './commands/dispatch.ts';

// What was under way when a signal came does not hold the process up.
process.exit(await dispatch(process.argv.slice(2), process.env));
