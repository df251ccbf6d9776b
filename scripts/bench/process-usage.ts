/** CPU time and memory of processes and of what they started, from /proc. */
import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';

/** Clock ticks a second in /proc/<pid>/stat. */
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

type Stat = { readonly pid: number; readonly parent: number; readonly cpuSeconds: number };

async function statOf(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // The name in parentheses may hold spaces; what follows the last one is numbers: state, parent, …, utime, stime.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, parent: Number(fields[1]), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS };
}

async function allStats(): Promise<Stat[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  return (await Promise.all(pids.map(statOf))).filter((stat) => stat !== undefined);
}

export type CpuTime = { readonly own: number; readonly children: number };

/** CPU seconds so far of a process itself and of everything below it that is alive. */
export async function cpuTimeOf(pid: number): Promise<CpuTime> {
  const stats = await allStats();
  const below = new Set<number>([pid]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const { pid: child, parent } of stats) {
      if (!below.has(parent) || below.has(child)) continue;
      below.add(child);
      grown = true;
    }
  }
  const own = stats.find((stat) => stat.pid === pid)?.cpuSeconds ?? 0;
  const all = stats.filter((stat) => below.has(stat.pid)).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  return { own, children: all - own };
}

/** Resident memory of one process, in MB of 1,000,000 bytes. */
export async function residentMbOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]);
  return (kib * 1_024) / 1_000_000;
}
