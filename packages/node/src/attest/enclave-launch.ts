/** Launching the enclave of a home: its image, its private place, and the machine that it runs on. */
import { randomBytes } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type AccountId, toHex } from '@cloister/encoding';
import type { ParsedGenesis } from '@cloister/ledger';
import { type HardwareOrder, launchEnclave, type MachineOrder } from '@cloister/platform';
import type { Config } from '../config/config-options.ts';
import { makePrivateFolder, writeFileAtomic } from '../process/atomic-file.ts';
import type { HomeLayout } from '../process/home.ts';
import type { LaunchEnclave } from './enclave-supervisor.ts';

/** Where the image of a home is unless the config names another folder. */
export function imageDirectoryOf(layout: HomeLayout, config: Pick<Config, 'enclave.image'>): string {
  return config['enclave.image'] === '' ? join(layout.enclave, 'image') : config['enclave.image'];
}

/** The seed of the simulated device, which stays the same as long as the home exists. */
async function ensureDeviceSeed(layout: HomeLayout): Promise<string> {
  const file = join(layout.enclave, 'device_seed');
  const known = await access(file).then(
    () => true,
    () => false,
  );
  if (!known) {
    await makePrivateFolder(layout.enclave);
    await writeFileAtomic(file, `${toHex(randomBytes(32))}\n`);
  }
  return file;
}

/** Where endorsements are kept, and whom they come from. */
export function endorsementOptions(layout: HomeLayout, config: Config): HardwareOrder['endorsements'] {
  return {
    directory: join(layout.enclave, 'endorsements'),
    update: config['endorsements.update'],
    services: {
      pcs: config['endorsements.pcs'],
      rootCrl: config['endorsements.root_crl'],
      kds: config['endorsements.kds'],
    },
  };
}

/** The machine that the config names, which is not 'none'. */
async function machineOf(layout: HomeLayout, config: Config): Promise<MachineOrder> {
  const kind = config['enclave.kind'];
  switch (kind) {
    case 'configfs-tsm':
    case 'dstack':
      return {
        kind,
        path: config[kind === 'dstack' ? 'enclave.dstack_socket' : 'enclave.tsm_directory'],
        endorsements: endorsementOptions(layout, config),
      };
    case 'simulated':
    case 'none': {
      const platform = config['enclave.platform'];
      const simulated = { kind: 'simulated', deviceSeedFile: await ensureDeviceSeed(layout), platform } as const;
      return platform === 'sev-snp' ? { ...simulated, product: 'Genoa' } : simulated;
    }
  }
}

/** Undefined when the config says that this node has no enclave. */
export function enclaveLauncher(
  layout: HomeLayout,
  config: Config,
  genesis: ParsedGenesis,
  nodeId: AccountId,
): LaunchEnclave | undefined {
  if (config['enclave.kind'] === 'none') return undefined;
  return async () => {
    const launched = await launchEnclave({
      imageDirectory: imageDirectoryOf(layout, config),
      label: join(layout.enclave, 'run'),
      machine: await machineOf(layout, config),
      genesis: genesis.bytes,
      nodeId,
      tampered: config['enclave.altered_image'],
    });
    const exited = launched.exited.then(() => 'the enclave or its platform process ended');
    return { port: launched.port, exited, stop: () => launched.stop() };
  };
}
