/** Who makes room for a newcomer once the network has as many members as it may have, and what is left of it. */

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
  owner,
  type Running,
  runningChain,
  v0,
} from '@cloister/testkit';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  decodeState,
  encodeState,
  evolve,
  factDocument,
  factsAfter,
  factsRoot,
  factTreeOf,
  initialState,
  projectModel,
  type Transaction,
} from '../src/index.ts';

const [early, late, newcomer] = ['early', 'late', 'newcomer'].map((name) => {
  const node = keyOf(name);
  return { id: node.id, node, enclave: enclaveOf(node) };
}) as [Joiner, Joiner, Joiner];
type Joiner = {
  readonly id: ReturnType<typeof keyOf>['id'];
  readonly node: ReturnType<typeof keyOf>;
  readonly enclave: ReturnType<typeof enclaveOf>;
};

let running: Running;
let chain: Chain;

function attest({ node, enclave }: Joiner): Transaction {
  return chain.evidence(node, enclave);
}

/** The members that joined, in the order of their ids. */
function joined(): string[] {
  return [...chain.state.members.values()]
    .filter(({ weight }) => weight === 0)
    .map(({ id }) => id)
    .sort();
}

/** Four validators and two who joined: as many as there may be. The early one lapses before the late one. */
beforeEach(() => {
  const params = { ...GENESIS.params, maxMembers: 6 };
  running = runningChain(1, genesisWith({ params }));
  chain = running.chain;
  chain.block(attest(early));
  chain.advanceTo(chain.height + 5);
  chain.block(attest(late));
  expect(joined()).toEqual([early.id, late.id].sort());
});

/** Blocks in which validators alone stay awake, until both others have lapsed. */
function lapse(): void {
  const end = chain.height + AGES.refreshWindowBlocks + 1;
  while (chain.height < end) chain.block(chain.refresh(v0, enclaveOf(v0)));
}

describe('a newcomer in a full network', () => {
  test('is not let in while every member holds an attestation', () => {
    expect(chain.block(attest(newcomer)).fates).toMatchObject([{ fate: 'IGNORED' }]);
    expect(joined()).toEqual([early.id, late.id].sort());
  });

  test('takes the place of the one without weight that lapsed the longest ago, never a validator’s', () => {
    lapse();
    const execution = chain.block(attest(newcomer));
    expect(eventOf(execution, 'MemberRegistered')).toMatchObject({
      member: newcomer.id,
      replaces: early.id,
      weight: 0,
    });
    expect(joined()).toEqual([late.id, newcomer.id].sort());
    // Three of the validators never attested at all, and are members still.
    expect(chain.state.members.size).toBe(6);
  });

  test('leaves nothing of who was there before', () => {
    const keyset = chain.keyset(early.enclave);
    expect(chain.state.keysets.has(keyset)).toBe(true);
    lapse();
    chain.block(attest(newcomer));
    const { state } = chain;
    expect(state.attestations.has(early.id)).toBe(false);
    expect(state.keysets.has(keyset)).toBe(false);
    expect([...state.keyOwners.values(), ...state.hardware.values()]).not.toContain(early.id);
    expect(factDocument(state, { about: 'attestation', node: early.id })).toBeUndefined();
    // The same from a snapshot, whose maps may be in another order.
    const decoded = decodeState(encodeState(state));
    expect(decoded.ok && encodeState(decoded.value)).toEqual(encodeState(state));
  });

  test('of many takes one place each, and the first comes back in the place of the next', () => {
    lapse();
    const other = { id: keyOf('other').id, node: keyOf('other'), enclave: enclaveOf(keyOf('other')) };
    chain.block([attest(newcomer), attest(other)]);
    expect(joined()).toEqual([newcomer.id, other.id].sort());
    expect(chain.block(attest(early)).fates).toMatchObject([{ fate: 'IGNORED' }]);
    lapse();
    chain.block(attest(early));
    expect(joined()).toContain(early.id);
    expect(chain.state.members.size).toBe(6);
  });

  test('ends the grants to the keys that are forgotten, which stay in the list and in the facts', () => {
    const { model } = running;
    const keyset = chain.keyset(early.enclave);
    chain.block(chain.grant(model, keyset));
    const grants = chain.state.models.get(model)?.grants.size;
    lapse();
    const { height } = chain.state;
    chain.block(attest(newcomer));
    expect(chain.state.models.get(model)?.grants.get(keyset)).toMatchObject({
      node: early.id,
      revokedHeight: height + 1,
    });
    expect(chain.state.models.get(model)?.grants.size).toBe(grants);
    const listed = projectModel(chain.state, model)?.grants.find((grant) => grant.keyset === keyset);
    expect(listed).toMatchObject({ node: early.id, eligible: false });
    expect(factDocument(chain.state, { about: 'grant', model, keyset })).toBeDefined();
    expect(codesOf(chain.block(chain.transaction(owner, 'revoke-grant', { model, keyset })))).toEqual([
      'GRANT_UNKNOWN',
    ]);
    // Each header's root of facts is the one that a restart makes from nothing.
    const state = initialState();
    let tree: ReturnType<typeof factTreeOf>;
    for (const event of chain.log) {
      evolve(state, event);
      tree = factsAfter(tree, state, [event]);
      expect([event.type, factsRoot(tree)]).toEqual([event.type, factsRoot(factTreeOf(state))]);
    }
  });

  test('waits for one that an open task names', () => {
    const { model } = running;
    chain.block([chain.grant(model, chain.keyset(early.enclave))]);
    chain.block(chain.refresh(early.node, early.enclave));
    // Another one could still answer, so that the task does not end with the lapse.
    chain.block(chain.request(model, [enclaveOf(v0), early.enclave], { timeLimitMs: 60 * BLOCK_MS }));
    chain.block(chain.refresh(late.node, late.enclave));
    lapse();
    expect(chain.state.taskIndex.openOfExecutor(early.id)).toBe(1);
    expect(eventOf(chain.block(attest(newcomer)), 'MemberRegistered')).toMatchObject({ replaces: late.id });
  });

  test('does not make a key set that signed two results trusted again', () => {
    const { model } = running;
    chain.block(chain.grant(model, chain.keyset(early.enclave)));
    const request = chain.request(model, [early.enclave]);
    chain.block(request);
    chain.block(chain.result(early.node, request, chain.receipt(request, early.enclave)));
    const conflicting = chain.receipt(request, early.enclave, { status: 'failed' });
    eventOf(chain.block(chain.result(owner, request, conflicting)), 'EquivocationRecorded');
    lapse();
    expect(eventOf(chain.block(attest(newcomer)), 'MemberRegistered')).toMatchObject({ replaces: late.id });
    expect(chain.block(attest(late)).fates).toMatchObject([{ fate: 'IGNORED' }]);
  });
});
