/** What the host takes for an answer of its enclave. */

import { duplexPair } from 'node:stream';
import { RpcChannel } from '@cloister/enclave';
import { type JsonValue, ok } from '@cloister/encoding';
import { BlobUnavailable, EnclaveUnavailable } from '@cloister/validator';
import { afterEach, describe, expect, it } from 'vitest';
import type { CallHandler } from '../../enclave/src/channel/rpc.ts';
import { ChannelEnclavePort } from '../src/launch/port.ts';

const LIMITS = { messageBytesMax: 1 << 20 };
const channels: RpcChannel[] = [];
afterEach(() => {
  for (const channel of channels.splice(0)) channel.close();
});

/** The port to an enclave that answers so. */
function portToOne(onCall: CallHandler): ChannelEnclavePort {
  const [near, far] = duplexPair();
  const [host, enclave] = [new RpcChannel(near, LIMITS), new RpcChannel(far, { ...LIMITS, onCall })];
  channels.push(host, enclave);
  return new ChannelEnclavePort(host, 5_000);
}

/** The port to an enclave that says this of itself. */
function portTo(description: JsonValue): ChannelEnclavePort {
  return portToOne(async () => ok({ head: description, parts: [] }));
}

const SOUND = {
  nodeId: 'ab'.repeat(32),
  platform: 'sev-snp',
  simulated: true,
  isolated: true,
  measurement: 'cd'.repeat(48),
  image: '01'.repeat(32),
  imageName: 'cloister',
  imageVersion: '0.1.0',
  keyset: '02'.repeat(32),
  hpkeKey: '03'.repeat(32),
  signKey: '04'.repeat(32),
  phase: 'serving',
  trustedHeight: 7,
  models: ['05'.repeat(32)],
};

describe('what an enclave says of itself', () => {
  it('is handed on when it has its form', async () => {
    expect(await portTo(SOUND).describe()).toEqual(SOUND);
  });

  it.each<[string, JsonValue]>([
    ['nothing', null],
    ['a text', 'serving'],
    ['another phase', { ...SOUND, phase: 'ready' }],
    ['models that are no list', { ...SOUND, models: { includes: true } }],
    ['a model that is no digest', { ...SOUND, models: ['x'] }],
    ['a height that is none', { ...SOUND, trustedHeight: -1 }],
    ['a measurement of another length', { ...SOUND, measurement: 'cd' }],
    ['more than that', { ...SOUND, more: 1 }],
  ])('ends as ENCLAVE_PROTOCOL when it is %s', async (_, description) => {
    const failure = await portTo(description)
      .describe()
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EnclaveUnavailable);
    expect(failure).toMatchObject({ code: 'ENCLAVE_PROTOCOL' });
  });
});

it('ends the transfer of a model whose file breaks off, so that nothing of it stays in the enclave', async () => {
  const calls: unknown[] = [];
  const port = portToOne(async (method, { head }) => {
    calls.push([method, head]);
    return ok({ head: method === 'provision-begin' ? { transfer: 'the transfer' } : {}, parts: [] });
  });
  async function* brokenOff(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(100);
    throw new BlobUnavailable('BLOB_BROKEN_OFF', 'its server went');
  }
  const bytes = new Uint8Array(1);
  const request = { authority: bytes, manifest: bytes, ciphertext: brokenOff() };
  await expect(port.provisionModel(request)).rejects.toThrow(BlobUnavailable);
  expect(calls).toEqual([
    ['provision-begin', {}],
    ['provision-piece', { transfer: 'the transfer' }],
    ['provision-end', { transfer: 'the transfer' }],
  ]);
});
