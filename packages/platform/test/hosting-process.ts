/**
 * A process that hosts an enclave, for tests that kill it: launch options as JSON on standard input, process ids on standard
 * output. The genesis comes in base64.
 */
import { json } from 'node:stream/consumers';
import { parseBase64 } from '@cloister/encoding';
import { type LaunchOptions, launchEnclave } from '../src/index.ts';

const options = (await json(process.stdin)) as Omit<LaunchOptions, 'genesis'> & { genesis: string };
const { pids } = await launchEnclave({ ...options, genesis: parseBase64(options.genesis) ?? new Uint8Array() });
console.log(JSON.stringify([pids.platform, pids.enclave]));
