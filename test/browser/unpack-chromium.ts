/**
 * Unpacks the packaged Chromium, and the libraries that a bare machine lacks, into this process' temporary folder; prints
 * where they are, as JSON.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflate } from '@sparticuz/chromium';

const archives = fileURLToPath(new URL('../bin/', import.meta.resolve('@sparticuz/chromium')));
const [binary, libraries] = await Promise.all([
  inflate(join(archives, 'chromium.br')),
  inflate(join(archives, 'al2023.tar.br')),
]);
process.stdout.write(JSON.stringify({ binary, libraries: join(libraries, 'lib') }));
