/** Real nodes in this process: LevelDB on disk, libp2p over loopback, the HTTP API; no enclave. */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHttpApi } from '@cloister/client';
import { contentDigest } from '@cloister/confidential';
import { asHeight, parseBase64, toBase64 } from '@cloister/encoding';
import { signUploadClaim } from '@cloister/ledger';
import { decodeEventProof, lightClientOf, verifyEventProof } from '@cloister/proof';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningNode } from '../src/process/running-node.ts';
import { misfits } from './http/schema-check.ts';
import {
  makeHome,
  putRecord,
  sampleGenesis,
  seedOf,
  startQuietly,
  TENANT,
  temporaryFolder,
  untilBlock,
} from './samples.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const running: RunningNode[] = [];

async function started(node: Promise<RunningNode>): Promise<RunningNode> {
  const up = await node;
  running.push(up);
  return up;
}

beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()));
  await folder.remove();
});

async function getJson(node: RunningNode, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${node.apiUrl}${path}`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function post(
  node: RunningNode,
  path: string,
  body: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${node.apiUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe('one validator', () => {
  it('commits a record, proves it, and has it after a restart', async () => {
    const genesis = sampleGenesis(1);
    const layout = await makeHome(folder.path, 0, genesis);
    const node = await started(startQuietly(layout));
    const transaction = putRecord(genesis.chainId, 0, 'greeting', 'hello');
    const submitted = await post(node, '/v1/transactions', { transaction: toBase64(transaction.bytes) });
    expect(submitted).toEqual({ status: 200, body: { id: transaction.id, known: false, simulated: true } });
    const again = await post(node, '/v1/transactions', { transaction: toBase64(transaction.bytes) });
    expect(again.body).toEqual({ id: transaction.id, known: true, simulated: true });

    await untilBlock(node, () => node.context.state().executed.has(transaction.id));
    const fate = await getJson(node, `/v1/transactions/${transaction.id}`);
    expect(fate.body).toMatchObject({ id: transaction.id, fate: 'COMMITTED' });
    const sequence = Number(fate.body.sequence);
    await untilBlock(node, () => node.context.provableHeight() >= Number(fate.body.height));
    const proof = await getJson(node, `/v1/proofs/events/${sequence}`);
    const decoded = decodeEventProof(parseBase64(proof.body.proof) ?? new Uint8Array(0));
    if (!decoded.ok) throw new Error(decoded.code);
    const verified = verifyEventProof(lightClientOf(genesis), decoded.value);
    expect(verified).toMatchObject({ ok: true, value: { event: { type: 'RecordPut', value: 'hello' } } });
    expect((await getJson(node, '/v1/records/notes/greeting')).body).toMatchObject({ value: 'hello' });

    const status = (await getJson(node, '/v1/status')).body;
    const { components } = (await getJson(node, '/v1/openapi.json')).body as { components: { schemas: never } };
    expect(misfits({ $ref: '#/components/schemas/Status' }, status, components)).toEqual([]);
    const blocks = (await getJson(node, '/v1/blocks')).body;
    expect(misfits({ $ref: '#/components/schemas/Blocks' }, blocks, components)).toEqual([]);
    const { height, eventRoot, eventCount } = status;
    await node.stop();
    expect(await node.stopped).toEqual({ code: 'STOPPED', detail: 'as asked' });

    const back = await started(startQuietly(layout));
    expect(back.context.state().height).toBeGreaterThanOrEqual(Number(height));
    expect(await back.context.chain.log.rootAt(Number(eventCount))).toBe(eventRoot);
    expect((await getJson(back, '/v1/records/notes/greeting')).body).toMatchObject({ value: 'hello' });
    expect((await getJson(back, `/v1/transactions/${transaction.id}`)).body).toMatchObject({
      fate: 'COMMITTED',
      sequence,
    });
    const from = back.context.state().height;
    await untilBlock(back, () => back.context.state().height > from + 1);
  });

  it('refuses a second process on the same home and names the holder', async () => {
    const layout = await makeHome(folder.path, 0, sampleGenesis(1));
    await started(startQuietly(layout));
    await expect(startQuietly(layout)).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining(`${process.pid}`),
    });
  });

  it('refuses a chain database that is behind its sign guard, and makes a damaged index anew', async () => {
    const genesis = sampleGenesis(1);
    const layout = await makeHome(folder.path, 0, genesis);
    const node = await started(startQuietly(layout));
    await untilBlock(node, () => node.context.state().height > 3);
    await node.stop();

    await writeFile(join(layout.index, 'CURRENT'), 'nonsense');
    const back = await started(startQuietly(layout));
    const blocks = (await getJson(back, '/v1/events?type=BlockBegun&limit=3')).body.events as { payload: object }[];
    expect(blocks.map(({ payload }) => payload)).toMatchObject([{ height: 1 }, { height: 2 }, { height: 3 }]);
    await back.stop();

    await rm(layout.chain, { recursive: true });
    await expect(startQuietly(layout)).rejects.toMatchObject({
      code: 'LOG_BEHIND_SIGN_GUARD',
      recovery: expect.stringContaining('unsafe-reset --keep-keys'),
    });
    await rm(layout.signGuard, { recursive: true });
    await writeFile(layout.genesisFile, sampleGenesis(2).bytes);
    const other = await started(startQuietly(layout));
    expect(other.chainId).toBe(sampleGenesis(2).chainId);
  });

  it('says which address is taken', async () => {
    const node = await started(startQuietly(await makeHome(folder.path, 0, sampleGenesis(1))));
    const { port } = new URL(node.apiUrl ?? '');
    const second = await makeHome(folder.path, 1, sampleGenesis(1));
    await expect(startQuietly(second, { 'api.port': Number(port) })).rejects.toMatchObject({
      code: 'API_ADDRESS_IN_USE',
    });
    await started(startQuietly(second));
  });

  it('serves the SDK', async () => {
    const genesis = sampleGenesis(1);
    const node = await started(startQuietly(await makeHome(folder.path, 0, genesis)));
    const api = createHttpApi({ baseUrl: node.apiUrl ?? '' });
    expect(await api.genesis()).toEqual(new Uint8Array(genesis.bytes));
    expect(await api.status()).toMatchObject({ chainId: genesis.chainId });
    const transaction = putRecord(genesis.chainId, 0, 'a', 'b');
    expect(await api.transactionFate(transaction.id)).toEqual({ fate: 'UNKNOWN' });
    await api.submitTransaction(transaction.bytes);
    await untilBlock(node, () => node.context.state().executed.has(transaction.id));
    expect(await api.transactionFate(transaction.id)).toMatchObject({ fate: 'COMMITTED' });
    const [event] = await api.events({ from: 0, limit: 5, type: 'RecordPut' });
    expect(event).toMatchObject({ type: 'RecordPut', payload: { key: 'a', transaction: transaction.id } });
    expect(await api.attestations()).toEqual([]);
    expect(await api.model(transaction.id)).toBeUndefined();
    expect(await api.inference(transaction.id)).toBeUndefined();
    const blob = seedOf('blob');
    const claim = { chainId: genesis.chainId, account: TENANT.id, digest: contentDigest(blob), size: blob.length };
    const signed = signUploadClaim(TENANT, { ...claim, expiryHeight: asHeight(100) });
    await api.putBlob(blob, { digest: claim.digest, claim: signed });
    expect(await api.getBlob(contentDigest(blob), 100)).toEqual(blob);
    expect(await api.getBlob(transaction.id, 100)).toBeUndefined();
  });

  it('streams events and resumes after the last one that was seen', async () => {
    const genesis = sampleGenesis(1);
    const node = await started(startQuietly(await makeHome(folder.path, 0, genesis)));
    const read = async (headers: Record<string, string>, query: string, count: number): Promise<number[]> => {
      const abort = new AbortController();
      const response = await fetch(`${node.apiUrl}/v1/events/stream${query}`, { headers, signal: abort.signal });
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      const ids: number[] = [];
      let text = '';
      for await (const chunk of response.body ?? []) {
        text += new TextDecoder().decode(chunk);
        const complete = text.split('\n\n');
        text = complete.pop() ?? '';
        for (const block of complete) {
          const id = /^id: (\d+)$/m.exec(block)?.[1];
          if (id !== undefined) ids.push(Number(id));
        }
        if (ids.length >= count) break;
      }
      abort.abort();
      return ids.slice(0, count);
    };
    expect(await read({}, '?from=0', 3)).toEqual([0, 1, 2]);
    // Past what exists now: waits for blocks to come.
    expect(await read({ 'last-event-id': '2' }, '', 8)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
  });
});

describe('four validators', () => {
  it('agree, survive the loss of one, and take it back; a fifth joins by address and hash', {
    timeout: 60_000,
  }, async () => {
    const genesis = sampleGenesis(4);
    const layouts = await Promise.all([0, 1, 2, 3].map((index) => makeHome(folder.path, index, genesis)));
    const first = await started(startQuietly(layouts[0] as never));
    const seeds = [...first.addresses];
    const others = await Promise.all(
      layouts.slice(1).map((layout) => started(startQuietly(layout, { 'network.seeds': seeds }))),
    );
    const [second, third, fourth] = others as [RunningNode, RunningNode, RunningNode];
    const all = [first, second, third, fourth];

    const put = async (node: RunningNode, key: string): Promise<ReturnType<typeof putRecord>> => {
      const transaction = putRecord(genesis.chainId, node.context.state().height, key, `value of ${key}`);
      expect((await post(node, '/v1/transactions', { transaction: toBase64(transaction.bytes) })).status).toBe(200);
      return transaction;
    };
    const transactions = await Promise.all(all.map((node, i) => put(node, `key ${i}`)));
    for (const node of all) {
      await untilBlock(node, () => transactions.every(({ id }) => node.context.state().executed.has(id)));
    }

    await fourth.stop();
    const missed = await put(second, 'while one was away');
    await untilBlock(first, () => first.context.state().executed.has(missed.id));
    const back = await started(startQuietly(layouts[3] as never, { 'network.seeds': seeds }));
    await untilBlock(back, () => back.context.state().executed.has(missed.id));

    const joiner = await makeHome(folder.path, 4);
    const fifth = await started(
      startQuietly(joiner, {}, { join: { address: seeds[0] ?? '', genesis: genesis.chainId } }),
    );
    await untilBlock(fifth, () => fifth.context.state().executed.has(missed.id));
    expect((await getJson(fifth, '/v1/status')).body).toMatchObject({ role: 'observer', chainId: genesis.chainId });
    const forwarded = await put(fifth, 'from afar');
    await untilBlock(third, () => third.context.state().executed.has(forwarded.id));

    const count = Math.min(...[first, second, third, back, fifth].map((node) => node.context.chain.log.head.count));
    const roots = await Promise.all(
      [first, second, third, back, fifth].map((node) => node.context.chain.log.rootAt(count)),
    );
    expect(new Set(roots).size).toBe(1);
    const blocks = (await getJson(first, '/v1/blocks?from=1&limit=3')).body.blocks as unknown[];
    expect(blocks).toHaveLength(3);
  });

  it('refuses a genesis of another hash', async () => {
    const genesis = sampleGenesis(1);
    const node = await started(startQuietly(await makeHome(folder.path, 0, genesis)));
    const joiner = await makeHome(folder.path, 4);
    const other = sampleGenesis(2).chainId;
    const join = { address: node.addresses[0] ?? '', genesis: other };
    await expect(startQuietly(joiner, {}, { join })).rejects.toMatchObject({ code: 'JOIN_FAILED' });
  });
});
