/**
 * Which names a Host header may carry. A page in the user's browser can make any name resolve to this machine (DNS
 * rebinding) and would then be read as same-origin; the name in the header gives it away.
 */

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** The name in a Host header, lower case and without the port; undefined when it is none. */
export function hostName(header: string | undefined): string | undefined {
  if (header === undefined || header.length > 255) return undefined;
  const match = /^(\[[0-9a-f:.]+\]|[0-9a-z_.-]+)(:[0-9]{1,5})?$/i.exec(header);
  return match?.[1]?.toLowerCase().replace(/\.$/, '');
}

export function hostCheck(options: {
  readonly listenHost: string;
  readonly allowed: readonly string[];
}): (header: string | undefined) => boolean {
  const names = new Set([...LOOPBACK, ...options.allowed.map((name) => name.toLowerCase())]);
  const { listenHost } = options;
  if (listenHost !== '0.0.0.0' && listenHost !== '::') {
    names.add((listenHost.includes(':') ? `[${listenHost}]` : listenHost).toLowerCase());
  }
  return (header) => {
    const name = hostName(header);
    return name !== undefined && names.has(name);
  };
}
