/**
 * Finds open descriptors in this process that it was not given.
 *
 * A library may open files without close-on-exec (LevelDB's binding does), and then every process that is started holds
 * them, under bubblewrap too: a hostile model could cut the sign guard short. So each process of an enclave looks at
 * its own descriptors before it does anything, and refuses to work when it finds one that it was not given.
 */
import { readdirSync, readlinkSync } from 'node:fs';

const DIRECTORY = '/proc/self/fd';

/** What Node.js opens for itself: event loops, their wake-ups, and a place that leads nowhere. */
const RUNTIME_TARGET: RegExp = /^(anon_inode:\[(eventfd|eventpoll|io_uring|timerfd|signalfd)\]|\/dev\/null)$/;
const PIPE_TARGET: RegExp = /^pipe:\[\d+\]$/;

export interface OpenDescriptor {
  readonly descriptor: number;
  /** As /proc names it: a path, "socket:[1]", "pipe:[1]", "anon_inode:[eventfd]". */
  readonly target: string;
}

/** All that is open now. */
export function openDescriptors(): OpenDescriptor[] {
  const open: OpenDescriptor[] = [];
  for (const name of readdirSync(DIRECTORY)) {
    try {
      open.push({ descriptor: Number(name), target: readlinkSync(`${DIRECTORY}/${name}`) });
    } catch {
      // The one with which the directory was read: it is closed by now.
    }
  }
  return open;
}

/**
 * Those that are neither standard streams, nor named in `expected`, nor of the runtime itself. The runtime's pipes have both
 * their ends in this process; of a pipe that came from elsewhere there is one.
 */
export function foreignDescriptors(open: readonly OpenDescriptor[], expected: readonly number[]): OpenDescriptor[] {
  const ends = new Map<string, number>();
  for (const { target } of open) ends.set(target, (ends.get(target) ?? 0) + 1);
  return open.filter(({ descriptor, target }) => {
    if (descriptor <= 2 || expected.includes(descriptor) || RUNTIME_TARGET.test(target)) return false;
    return !(PIPE_TARGET.test(target) && ends.get(target) === 2);
  });
}
