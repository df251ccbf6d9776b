/** The page's script: the whole client, and what the test calls of it. */
import * as client from '@cloister/client';
import { callClient } from './client-calls.ts';

declare global {
  var cloisterClient: { readonly exported: readonly string[]; readonly callClient: typeof callClient };
}

globalThis.cloisterClient = { exported: Object.keys(client).sort(), callClient };
