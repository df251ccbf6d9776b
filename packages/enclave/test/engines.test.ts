/**
 * The vault's side of an engine that a hostile model has taken over: what it says never reaches the host.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { hash, type JsonValue, ok } from '@cloister/crypto';
import type * as Ort from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { type CallHandler, headOnly, RpcChannel } from '../src/channel/rpc.ts';
import { Engine } from '../src/engine/engine.ts';
import { OwnerEngine } from '../src/inside/engines.ts';
import { digitsFile } from './launched.ts';

const model = hash('model');
const SECRET = 'WHAT_THE_TENANT_WROTE';

function engineThat(onCall: CallHandler): OwnerEngine {
  return new OwnerEngine(
    {
      startEngine: async () => {
        const [near, far] = duplexPair();
        new RpcChannel(far, { messageBytesMax: 1 << 20, onCall });
        return { engine: 0, stream: near as unknown as Socket };
      },
      stopEngine: () => undefined,
    },
    5_000,
  );
}

it('has its refusals replaced by a code of the vault', async () => {
  const engine = engineThat(async () => ({ ok: false, code: SECRET, detail: SECRET }));
  expect(await engine.run(model, new Uint8Array())).toEqual({ ok: false, code: 'ENGINE_CRASHED' });
  const failing = engineThat(async () => ({ ok: false, code: 'RUN_FAILED', detail: SECRET }));
  expect(await failing.run(model, new Uint8Array())).toEqual({ ok: false, code: 'RUN_FAILED' });
});

it.each<JsonValue>([SECRET, 7, { a: 1 }])('gets nothing but a class into receipts, given %s', async (numericClass) => {
  const engine = engineThat(async () => ok(headOnly({ numericClass, inputs: [], outputs: [] })));
  expect(await engine.load(model, new Uint8Array())).toEqual({ ok: false, code: 'ENGINE_CRASHED' });
});

it('is given no other format than the one that was screened', async () => {
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const ort = createRequire(import.meta.url)('onnxruntime-node') as typeof Ort;
  const onnx = new Uint8Array(readFileSync(digitsFile));
  // The producer's name, in whose place onnxruntime's own format has its mark.
  onnx.set(new TextEncoder().encode('ORTM'), 4);
  expect(await new Engine(ort).load('m', onnx)).toMatchObject({ ok: true });
});
