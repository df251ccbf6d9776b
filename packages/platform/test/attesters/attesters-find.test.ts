import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AttesterError, findAttesters, type MachineProbe, NODE_MACHINE_PROBE } from '../../src/attesters/index.ts';

interface Machine {
  readonly kinds?: Readonly<Record<string, 'directory' | 'socket' | 'device' | 'other'>>;
  readonly unwritable?: readonly string[];
  readonly provider?: string;
  readonly listens?: boolean;
}

const TSM = '/sys/kernel/config/tsm/report';
const DSTACK = '/var/run/dstack.sock';

function probeOf({ kinds = {}, unwritable = [], provider, listens = true }: Machine): MachineProbe {
  return {
    kindOf: async (path) => kinds[path] ?? 'absent',
    isWritable: async (path) => !unwritable.includes(path),
    accepts: async () => listens,
    tsmProvider: async () => {
      if (provider === undefined) throw new AttesterError('TSM_UNAVAILABLE', 'configfs-tsm: ENXIO');
      return provider;
    },
  };
}

async function find(machine: Machine) {
  const ways = await findAttesters({ probe: probeOf(machine) });
  return new Map(ways.map((way) => [way.name, way]));
}

describe('what a machine can do', () => {
  it('is only to simulate, on a machine that has nothing', async () => {
    const ways = await find({});
    expect([...ways.keys()]).toEqual([
      'configfs-tsm',
      'dstack',
      'sgx-device',
      'sev-guest-device',
      'tdx-guest-device',
      'nitro-device',
      'simulated',
    ]);
    for (const way of ways.values()) {
      expect([way.present, way.usable, way.simulated]).toEqual(Array(3).fill(way.name === 'simulated'));
    }
    expect(ways.get('simulated')?.reason).toMatch(/^SIMULATED/);
  });

  it.each([
    ['tdx_guest', 'tdx', true],
    ['sev_guest', 'sev-snp', true],
    ['arm_cca_guest', undefined, false],
  ])('finds the provider %s behind configfs-tsm', async (provider, platform, usable) => {
    const ways = await find({ kinds: { [TSM]: 'directory' }, provider });
    expect(ways.get('configfs-tsm')).toMatchObject({ present: true, provider, platform, usable });
  });

  it('says why configfs-tsm is of no use', async () => {
    const kinds = { [TSM]: 'directory' } as const;
    const unprivileged = (await find({ kinds, unwritable: [TSM], provider: 'tdx_guest' })).get('configfs-tsm');
    expect(unprivileged).toMatchObject({ present: true, usable: false, reason: expect.stringContaining('root') });
    const empty = (await find({ kinds })).get('configfs-tsm');
    expect(empty).toMatchObject({ present: true, usable: false, reason: expect.stringContaining('ENXIO') });
  });

  it('finds a dstack agent, if it listens and may be asked', async () => {
    const kinds = { [DSTACK]: 'socket' } as const;
    expect((await find({ kinds })).get('dstack')).toMatchObject({ usable: true, platform: 'tdx' });
    expect((await find({ kinds, listens: false })).get('dstack')).toMatchObject({ present: true, usable: false });
    expect((await find({ kinds, unwritable: [DSTACK] })).get('dstack')).toMatchObject({ present: true, usable: false });
    expect((await find({ kinds: { [DSTACK]: 'other' } })).get('dstack')).toMatchObject({ present: false });
  });

  it('finds devices that this build has no attester for', async () => {
    const paths = ['/dev/sgx_enclave', '/dev/sgx_provision', '/dev/sev-guest', '/dev/tdx_guest', '/dev/nsm'];
    const ways = await find({ kinds: Object.fromEntries(paths.map((path) => [path, 'device'])) });
    for (const name of ['sgx-device', 'sev-guest-device', 'tdx-guest-device', 'nitro-device'] as const) {
      expect(ways.get(name)).toMatchObject({ present: true, usable: false });
    }
    const half = await find({ kinds: { '/dev/sgx_enclave': 'device' } });
    expect(half.get('sgx-device')).toMatchObject({ present: false, reason: 'no device /dev/sgx_provision' });
  });

  it('asks a real machine', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cloister-find-'));
    const [tsm, dstack] = [join(folder, 'tsm'), join(folder, 'agent.sock')];
    const server = createServer((socket) => socket.end());
    try {
      await mkdir(tsm);
      server.listen(dstack);
      await once(server, 'listening');
      const ways = await findAttesters({ paths: { tsm, dstack } });
      // A folder that is no configfs: entries have no attributes.
      expect(ways.find(({ name }) => name === 'configfs-tsm')).toMatchObject({ present: true, usable: false });
      expect(ways.find(({ name }) => name === 'dstack')).toMatchObject({ present: true, usable: true });
      expect(await NODE_MACHINE_PROBE.kindOf('/dev/null')).toBe('device');
      await new Promise((resolve) => server.close(resolve));
      expect(await NODE_MACHINE_PROBE.accepts(dstack)).toBe(false);
    } finally {
      server.close();
      await rm(folder, { recursive: true });
    }
  });
});
