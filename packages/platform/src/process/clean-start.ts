/**
 * Becomes the platform with nothing open but its two channels.
 *
 * A validator launches its enclave while its databases are open, and their descriptors are inherited by whatever it starts.
 * This program marks everything beyond the channels to be closed, whoever opened it, and then turns into the platform:
 * after that, descriptors, memory and environment of the validator are gone.
 */
import { join } from 'node:path';
import { keepOnExec, limitProcess, openDescriptors } from '@cloister/enclave/process';
import { PLATFORM_CHANNELS } from './platform-channels.ts';

// Core dumps off, for every process below as well.
limitProcess({});
for (const { descriptor } of openDescriptors()) {
  if (descriptor > 2) keepOnExec(descriptor, PLATFORM_CHANNELS.includes(descriptor));
}
const platform = join(import.meta.dirname, `main${import.meta.filename.endsWith('.ts') ? '.ts' : '.js'}`);
process.execve?.(process.execPath, [process.execPath, ...process.execArgv, platform], {});
