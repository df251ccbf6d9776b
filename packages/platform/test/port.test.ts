/** What the host takes for an answer of its enclave. */

import { duplexPair } from 'node:stream';
import { headOnly, RpcChannel } from '@cloister/enclave';
import { type JsonValue, ok } from '@cloister/encoding';
import { EnclaveUnavailable } from '@cloister/validator';
import { afterEach, describe, expect, it } from 'vitest';
import { ChannelEnclavePort } from '../src/launch/port.ts';

const LIMITS = { messageBytesMax: 1 << 20 };
const channels: RpcChannel[] = [];
afterEach(() => {
  for (const channel of channels.splice(0)) channel.close();
});

/** The port to an enclave that says this of itself. */
function portTo(description: JsonValue): ChannelEnclavePort {
  const [near, far] = duplexPair();
  const [host, enclave] = [
    new RpcChannel(near, LIMITS),
    new RpcChannel(far, { ...LIMITS, onCall: async () => ok(headOnly(description)) }),
  ];
  channels.push(host, enclave);
  return new ChannelEnclavePort(host, 5_000);
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
