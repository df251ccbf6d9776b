/**
 * Whether a browser asks for somebody else. A page that the operator looks at can send requests to this machine, and a
 * simple one leaves before any preflight: the browser names the page in Origin, or its relation in Sec-Fetch-Site. Programs
 * send neither.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** 'none' is what the user typed or opened; everything but these two comes from another page. */
const OWN_SITES: ReadonlySet<string> = new Set(['same-origin', 'none']);

export function isForeign({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  if (site !== undefined && (typeof site !== 'string' || !OWN_SITES.has(site))) return true;
  if (origin === undefined) return false;
  return host === undefined || origin.toLowerCase() !== `http://${host.toLowerCase()}`;
}
