/** Who may send transactions: one machine must not become many senders by registering one id after the other. */

import {
  AGES,
  BLOCK_MS,
  type Chain,
  codesOf,
  enclaveOf,
  eventOf,
  GENESIS,
  genesisWith,
  keyOf,
  type Running,
  runningChain,
  tenant,
  typesOf,
  v0,
  v1,
} from '@cloister/testkit';
import { beforeEach, describe, expect, test } from 'vitest';
import { isKnownSender, type Transaction } from '../src/index.ts';

const first = keyOf('first');
const second = keyOf('second');
/** Both ids use the one machine, one after the other. */
const enclaves = {
  [first.id]: enclaveOf(first, { device: 'machine' }),
  [second.id]: enclaveOf(second, { device: 'machine' }),
};

let running: Running;
let chain: Chain;

function attest(node: typeof first): Transaction {
  return chain.evidence(node, enclaves[node.id] ?? enclaveOf(node));
}

/** Evidence that costs an appraisal and is refused. */
function junk(node: typeof first): Transaction {
  const enclave = enclaves[node.id] ?? enclaveOf(node);
  return chain.evidence(node, { ...enclave, measurement: 'cc'.repeat(48) as typeof enclave.measurement });
}

/** Blocks in which the validators alone stay awake. */
function lapse(): void {
  const end = chain.height + AGES.refreshWindowBlocks + 1;
  while (chain.height < end) chain.block(chain.refresh(v0, enclaveOf(v0)));
}

function request(from: typeof first): Transaction {
  const { kind, payload } = chain.request(running.model, running.enclaves);
  return chain.transaction(from, kind, payload);
}

beforeEach(() => {
  const params = { ...GENESIS.params, maxAppraisalsPerBlock: 4 };
  running = runningChain(1, genesisWith({ params }));
  chain = running.chain;
  chain.block(attest(first));
});

describe('a member without weight', () => {
  test('is a sender while its attestation holds, and again with new evidence', () => {
    expect(typesOf(chain.block(request(first)))).toEqual(['InferenceRequested']);
    lapse();
    expect(chain.block(request(first)).fates).toMatchObject([{ fate: 'IGNORED' }]);
    chain.block(attest(second));
    expect([first, second].map(({ id }) => isKnownSender(chain.state, id))).toEqual([false, true]);
    lapse();
    chain.block(attest(first));
    expect([first, second].map(({ id }) => isKnownSender(chain.state, id))).toEqual([true, false]);
  });

  test('that holds no attestation keeps nobody from an appraisal, and fills no log', () => {
    lapse();
    chain.block(attest(second));
    lapse();
    const flood = [junk(first), junk(first), junk(second), junk(second)];
    const execution = chain.block([...flood, chain.evidence(v0, enclaveOf(v0)), chain.evidence(v1, enclaveOf(v1))]);
    expect(codesOf(execution)).toEqual([]);
    expect(execution.fates.map(({ fate }) => fate)).toEqual([...flood.map(() => 'IGNORED'), 'COMMITTED', 'COMMITTED']);
    const counted = execution.events.flatMap((event) => (event.type === 'UnknownSendersCounted' ? [event.count] : []));
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(flood.length);
  });

  test('may say that it will not answer, as long as a task waits for it', () => {
    const enclave = enclaves[first.id] ?? enclaveOf(first);
    chain.block(chain.grant(running.model, chain.keyset(enclave)));
    const waiting = chain.request(running.model, [enclaveOf(v0), enclave], { timeLimitMs: 60 * BLOCK_MS });
    chain.block([chain.refresh(v0, enclaveOf(v0)), waiting]);
    lapse();
    const decline = { task: chain.taskOf(waiting), code: 'EXECUTOR_BUSY', detail: '' } as const;
    const declined = chain.block(chain.transaction(first, 'decline-task', decline));
    expect(eventOf(declined, 'ExecutorDeclined')).toMatchObject({ node: first.id });
    expect(isKnownSender(chain.state, first.id)).toBe(false);
  });

  test('puts nothing on the ledger that would outlive its place', () => {
    const record = { namespace: 'mine', key: 'k', value: 'v' };
    const manifest = chain.manifest({ owner: first.id });
    const puts = [
      chain.transaction(first, 'put-record', record),
      chain.transaction(first, 'publish-model', { manifest }),
    ];
    expect(codesOf(chain.block(puts))).toEqual(['ACCOUNT_REQUIRED', 'ACCOUNT_REQUIRED']);
    expect([chain.state.namespaces.size, chain.state.models.size]).toEqual([0, 1]);
    for (const governed of [tenant, v1]) {
      const own = { ...record, namespace: governed === v1 ? 'validator' : 'account' };
      expect(typesOf(chain.block(chain.transaction(governed, 'put-record', own)))).toEqual(['RecordPut']);
    }
  });
});
