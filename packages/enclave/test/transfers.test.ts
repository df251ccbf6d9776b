/** Files of models on their way in, from a host that begins many and ends few. */
import { encodeModelManifest } from '@cloister/confidential';
import { Chain, seed } from '@cloister/testkit/chain';
import { grant, type PublishedModel, publish, unwrap } from '@cloister/testkit/launched';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_ENCLAVE_LIMITS } from '../../platform/src/index.ts';
import { EnginePool } from '../src/inside/engine-pool.ts';
import { EnclaveLightClient } from '../src/inside/light-client.ts';
import { Models, TRANSFER_IDLE_MS } from '../src/inside/models.ts';
import { createVault } from '../src/inside/vault.ts';
import { launcherOf, loads } from './fake-engine.ts';
import { attest, launchInside, OWN } from './inside.ts';

const MEBIBYTE: number = 1024 * 1024;

/** Room for one file and a half. `cancelled` resolves when an engine is told to forget a file. */
async function scene() {
  const chain = new Chain({ ...OWN, refreshWindowBlocks: 60 });
  chain.block();
  await attest(chain, launchInside(chain, 'transfers'));
  const model = await publish(chain, OWN.image);
  const binding = { chainId: chain.genesis.chainId, nodeId: chain.node.id, image: OWN.image };
  const vault = createVault(binding, (length) => seed(`keys transfers ${length}`).subarray(0, length));
  const cancelled = Promise.withResolvers<void>();
  const launcher = launcherOf((method, call) => {
    if (method === 'load-cancel') cancelled.resolve();
    return loads(method, call);
  });
  const models = new Models({
    vault,
    lightClient: new EnclaveLightClient(chain.genesis, vault.identity),
    engines: new EnginePool(launcher, 5_000, 4, () => 0),
    limits: { ...DEFAULT_ENCLAVE_LIMITS, memoryMibMax: (3 * model.manifest.size) / MEBIBYTE },
    engine: { name: 'onnxruntime-node', version: '1.30.0' },
  });
  const begin = async (one: PublishedModel) => {
    await grant(chain, one);
    const authority = chain.authorityOf('ModelKeyGrantAuthorised');
    return models.begin({ authority, manifest: encodeModelManifest(one.manifest) });
  };
  const second = await publish(chain, OWN.image, undefined, { name: 'second' });
  return { model, second, models, begin, cancelled: cancelled.promise };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

describe('a transfer', () => {
  it('ends by itself when no piece comes, also after the first, and its engine forgets what came', async () => {
    const { model, models, begin, cancelled } = await scene();
    const name = unwrap(await begin(model)) ?? '';
    vi.advanceTimersByTime(TRANSFER_IDLE_MS - 1);
    expect(await models.piece(name, model.sealed.ciphertext.subarray(0, MEBIBYTE))).toEqual({ ok: true });
    vi.advanceTimersByTime(TRANSFER_IDLE_MS - 1);
    expect(models.transfers).toBe(1);
    vi.advanceTimersByTime(1);
    expect(models.transfers).toBe(0);
    await cancelled;
    expect(await models.piece(name, new Uint8Array(1))).toMatchObject({ code: 'TRANSFER_UNKNOWN' });
  });

  it('does not begin beside others for which there is no room, and does once they are over', async () => {
    const { model, second, models, begin } = await scene();
    const name = unwrap(await begin(model)) ?? '';
    expect(await begin(second)).toMatchObject({ code: 'TRANSFERS_FULL' });
    expect(await models.end(name)).toMatchObject({ code: 'MODEL_SIZE_MISMATCH' });
    expect(unwrap(await begin(second))).toBeDefined();
    vi.advanceTimersByTime(TRANSFER_IDLE_MS);
    expect(unwrap(await begin(model))).toBeDefined();
    expect(models.transfers).toBe(1);
  });
});
