/**
 * The modules inside the enclave's image. Each of them changes the measurement, so that whoever adds one sees it here.
 *
 * A change that is meant: `vitest run --project whole layering/image-modules --update`, and the list goes into the commit.
 */
import { describe, expect, it } from 'vitest';
import { imageModules } from '../../packages/platform/src/image/bundle.ts';

describe('the enclave image', () => {
  it('holds exactly the modules that are listed', async () => {
    const programs = Object.entries(await imageModules()).sort(([a], [b]) => (a < b ? -1 : 1));
    const text = programs
      .map(([name, modules]) => `${name}\n${modules.map((one) => `  ${one}\n`).join('')}`)
      .join('\n');
    await expect(text).toMatchFileSnapshot('image-modules.txt');
  });

  it('holds none of the simulated machines and their keys, of the network, of the store and of the node', async () => {
    const modules = Object.values(await imageModules()).flat();
    const strangers = modules.filter((name) =>
      /\/simulated\/|@cloister\/(network|node|client|validator)\/|libp2p|level|esbuild/.test(name),
    );
    expect(strangers).toEqual([]);
  });
});
