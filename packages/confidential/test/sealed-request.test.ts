import { asHeight, type Digest, toHex } from '@cloister/encoding';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  contextTaskId,
  openPayload,
  openRequest,
  type RequestContext,
  requestKeyAad,
  type SealedRequest,
  sealRequest,
  taskId,
} from '../src/index.ts';
import {
  bytes32,
  chainId,
  digest,
  executorKeys,
  fp32,
  image,
  keysets,
  mutated,
  sealInput,
  sender,
  tensors,
} from './samples.ts';

let sealed: SealedRequest;
const open = (request: SealedRequest, as: 0 | 1 = 0, own: Digest = image) =>
  openRequest({ sealed: request, keyset: keysets[as], image: own, hpkeSecretKey: executorKeys[as].secretKey });

beforeAll(async () => {
  const made = await sealRequest(sealInput());
  if (!made.ok) throw new Error(made.code);
  sealed = made.value;
});

describe('sealed request', () => {
  it('opens for each executor, with the tensors, salt and K', async () => {
    for (const as of [0, 1] as const) {
      const opened = await open(sealed, as);
      expect(opened).toMatchObject({ ok: true, value: { tensors, salt: bytes32(5), requestKey: bytes32(4) } });
    }
  });

  it('is a function of its inputs, and fills a size class that fits in a transaction', async () => {
    const again = await sealRequest(sealInput());
    expect(again).toEqual({ ok: true, value: sealed });
    expect(sealed.payload.length).toBe(1024);
  });

  it('hides the size of small inputs', async () => {
    const other = await sealRequest({ ...sealInput(), tensors: [fp32('input', [1, 8], [1, 2, 3, 4, 5, 6, 7, 8])] });
    expect(other.ok && other.value.payload.length).toBe(sealed.payload.length);
  });

  it('opens for the tenant by K alone', () => {
    expect(openPayload(sealed, bytes32(4))).toMatchObject({ ok: true, value: { tensors } });
    expect(openPayload(sealed, bytes32(5))).toMatchObject({ ok: false, code: 'KEY_COMMITMENT_MISMATCH' });
  });

  it('names a task by chain, sender, nonce and expiry', () => {
    const task = contextTaskId(sealed.context);
    const { expiryHeight } = sealed.context;
    expect(task).toBe(taskId(chainId, sender, toHex(bytes32(9)), expiryHeight));
    expect(task).not.toBe(taskId(digest(0xc2), sender, toHex(bytes32(9)), expiryHeight));
    expect(task).not.toBe(taskId(chainId, sender, toHex(bytes32(10)), expiryHeight));
    expect(task).not.toBe(taskId(chainId, sender, toHex(bytes32(9)), asHeight(expiryHeight + 1)));
  });

  const otherContexts: [string, (context: RequestContext) => RequestContext][] = [
    ['chain', (context) => ({ ...context, chainId: digest(0xc2) })],
    ['tenant', (context) => ({ ...context, sender: digest(0xd1) as unknown as RequestContext['sender'] })],
    ['task', (context) => ({ ...context, requestNonce: toHex(bytes32(10)) })],
    ['model', (context) => ({ ...context, modelId: digest(0xab) })],
    ['image', (context) => ({ ...context, images: [image] })],
    ['executor set', (context) => ({ ...context, keysets: [keysets[0], digest(0xe9)] })],
    ['order of executors', (context) => ({ ...context, keysets: [keysets[1], keysets[0]] })],
    ['expiry', (context) => ({ ...context, expiryHeight: asHeight(101) })],
    ['input commitment', (context) => ({ ...context, inputCommitment: digest(0x66) })],
    ['key commitment', (context) => ({ ...context, keyCommitment: digest(0x67) })],
  ];

  it.each(otherContexts)('cannot be replayed under another %s', async (_, change) => {
    const replayed = { ...sealed, context: change(sealed.context) };
    const reordered = {
      ...replayed,
      executors: replayed.context.keysets.map(
        (keyset) => sealed.executors.find((one) => one.keyset === keyset) ?? { ...sealed.executors[1], keyset },
      ),
    } as SealedRequest;
    expect(await open(reordered)).toMatchObject({ ok: false, code: 'REQUEST_KEY_NOT_OPENED' });
    // The payload alone is bound as well: even the holder of K cannot be made to read it under another context.
    expect(openPayload(replayed, bytes32(4))).toMatchObject({ ok: false });
  });

  it('binds the payload apart from the key: no context but its own opens it', () => {
    for (const [name, change] of otherContexts) {
      const code = name === 'key commitment' ? 'KEY_COMMITMENT_MISMATCH' : 'PAYLOAD_NOT_OPENED';
      expect(openPayload({ ...sealed, context: change(sealed.context) }, bytes32(4)), name).toMatchObject({ code });
    }
  });

  it('refuses an image that the tenant did not allow, a stranger, and a key sealed to another executor', async () => {
    expect(await open(sealed, 0, digest(0x99))).toMatchObject({ code: 'IMAGE_NOT_ALLOWED' });
    expect(
      await openRequest({ sealed, keyset: digest(0x99), image, hpkeSecretKey: executorKeys[0].secretKey }),
    ).toMatchObject({ code: 'NOT_AN_EXECUTOR' });
    const [first, second] = sealed.executors;
    const swapped = {
      ...sealed,
      executors: [
        { ...second, keyset: keysets[0] },
        { ...first, keyset: keysets[1] },
      ],
    } as SealedRequest;
    expect(await open(swapped)).toMatchObject({ code: 'REQUEST_KEY_NOT_OPENED' });
  });

  it('refuses a payload under another digest, and another payload under the same key', async () => {
    expect(await open({ ...sealed, payloadDigest: digest(0x44) })).toMatchObject({ code: 'PAYLOAD_DIGEST_MISMATCH' });
    const other = await sealRequest({ ...sealInput(), tensors: [fp32('input', [1, 4], [9, 9, 9, 9])] });
    if (!other.ok) throw new Error(other.code);
    const crossed = { ...sealed, payload: other.value.payload, payloadDigest: other.value.payloadDigest };
    expect(await open(crossed)).toMatchObject({ code: 'REQUEST_KEY_NOT_OPENED' });
  });

  it('encodes its associated data injectively: one more image is not one more keyset', () => {
    const { context } = sealed;
    const moved = { ...context, images: [...context.images, keysets[0]].sort(), keysets: [keysets[1]] };
    expect(requestKeyAad(moved, sealed.payloadDigest)).not.toEqual(requestKeyAad(context, sealed.payloadDigest));
  });

  it.each([
    ['an unsorted image list', { images: [digest(2), digest(1)] }],
    ['no images', { images: [] }],
    ['no executors', { executors: [], random: { ...sealInput().random, ephemeralSeeds: [] } }],
    [
      'an executor twice',
      { executors: [0, 1].map(() => ({ keyset: keysets[0], hpkeKey: executorKeys[0].publicKey })) },
    ],
    ['a nonce of another length', { requestNonce: 'ab' }],
  ])('is not made with %s', async (_, change) => {
    expect(await sealRequest({ ...sealInput(), ...change })).toMatchObject({ code: 'CONTEXT_MALFORMED' });
  });

  it('is not made for a key of small order', async () => {
    const executors = keysets.map((keyset) => ({ keyset, hpkeKey: new Uint8Array(32) }));
    expect(await sealRequest({ ...sealInput(), executors })).toMatchObject({ code: 'EXECUTOR_KEY_UNACCEPTABLE' });
  });

  it('opens no mutated payload or key, and never throws', async () => {
    await fc.assert(
      fc.asyncProperty(mutated(sealed.payload), async (payload) => {
        fc.pre(toHex(payload) !== toHex(sealed.payload));
        expect((await open({ ...sealed, payload })).ok).toBe(false);
      }),
      { numRuns: 100 },
    );
    const [first, second] = sealed.executors;
    if (first === undefined || second === undefined) throw new Error('two executors');
    await fc.assert(
      fc.asyncProperty(mutated(first.sealedKey), mutated(first.enc), fc.boolean(), async (sealedKey, enc, which) => {
        const changed = which ? { ...first, sealedKey } : { ...first, enc };
        fc.pre(toHex(changed.sealedKey) !== toHex(first.sealedKey) || toHex(changed.enc) !== toHex(first.enc));
        expect((await open({ ...sealed, executors: [changed, second] })).ok).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});
