import { faultKey, type ProvenFault } from '@cloister/consensus';
import { asEpoch, asHeight, asView, toBase64, type ValidatorId } from '@cloister/encoding';
import {
  Chain,
  codesOf,
  digestOf,
  enclaveOf,
  eventOf,
  GENESIS,
  genesisWith,
  keyOf,
  owner,
  runningChain,
  stranger,
  tenant,
  typesOf,
  v0,
  v1,
} from '@cloister/testkit';
import { describe, expect, test } from 'vitest';
import {
  admissionRefusal,
  decide,
  decodeState,
  encodeState,
  executeBlock,
  listAttestations,
  listInferences,
  listMeasurements,
  listValidators,
  projectModel,
  projectNetwork,
  stateDigest,
} from '../src/index.ts';

describe('executeBlock', () => {
  test('an empty block is one event', () => {
    const chain = new Chain();
    const execution = chain.block();
    expect(execution.events).toEqual([
      { type: 'BlockBegun', height: 1, hash: chain.hashAt(1), timeMs: GENESIS.timeMs + 1000 },
    ]);
    expect(execution.firstSequence).toBe(8);
    expect(projectNetwork(chain.state)).toMatchObject({ height: 1, blockHash: chain.hashAt(1), eventCount: 9 });
  });

  test('a validator’s fault is stated once for each kind and epoch, whatever later blocks prove, also by a copy of the state', () => {
    const chain = new Chain();
    const fault = {
      validator: v0.id as ValidatorId,
      kind: 'double-notarize',
      epoch: asEpoch(0),
      view: asView(5),
    } as const;
    const later = { ...fault, view: asView(6) };
    const other = { ...later, kind: 'double-finalize' } as const;
    const stated = (faults: readonly ProvenFault[]) =>
      chain.block([], { faults }).events.filter(({ type }) => type === 'ValidatorEquivocated');
    expect(stated([fault, later])).toEqual([{ type: 'ValidatorEquivocated', ...fault, height: 1 }]);
    expect(stated([later, other])).toEqual([{ type: 'ValidatorEquivocated', ...other, height: 2 }]);
    const copy = decodeState(encodeState(chain.state));
    expect(copy.ok && [...copy.value.equivocations.keys()].sort()).toEqual([faultKey(other), faultKey(fault)].sort());
    expect(stated([fault, other])).toEqual([]);
  });

  test('each transaction is decided on the state after all earlier events', () => {
    const chain = new Chain();
    const put = (value: string, sender = tenant) =>
      chain.transaction(sender, 'put-record', { namespace: 'n', key: 'k', value });
    const [one, two, three] = [put('1'), put('2', v0), put('3')];
    expect(typesOf(chain.block([one, two, three]))).toEqual(['RecordPut', 'TransactionRejected', 'RecordPut']);
  });

  test('one author’s transactions of a block are bounded, over all its batches; others are not held back', () => {
    const chain = new Chain(genesisWith({ params: { ...GENESIS.params, maxTransactionsPerAuthor: 2 } }));
    const put = (key: string) => chain.transaction(tenant, 'put-record', { namespace: 'n', key, value: '' });
    const mine = [put('1'), put('2'), put('3')];
    const theirs = [put('4')];
    const height = asHeight(1);
    const batches = [...mine.flatMap((one) => chain.batches([one], v0)), ...chain.batches(theirs, v1)];
    const execution = executeBlock(chain.state, { height, hash: digestOf('block'), timeMs: 1, batches });
    expect(typesOf(execution)).toEqual(['RecordPut', 'RecordPut', 'TransactionRejected', 'RecordPut']);
    expect(codesOf(execution)).toEqual(['AUTHOR_LIMIT']);
  });

  test('one sender’s appraisals of a block are bounded, and what is beyond takes no room from others', () => {
    const chain = new Chain(genesisWith({ params: { ...GENESIS.params, maxAppraisalsPerBlock: 3 } }));
    chain.block();
    const junk = () =>
      chain.transaction(tenant, 'submit-endorsements', {
        platform: 'sgx',
        endorsements: toBase64(new Uint8Array(9)),
      });
    const execution = chain.block([junk(), junk(), junk(), junk(), chain.evidence(v0, enclaveOf(v0))]);
    expect(codesOf(execution)).toEqual([
      'ENDORSEMENTS_REFUSED',
      'ENDORSEMENTS_REFUSED',
      'APPRAISAL_LIMIT',
      'APPRAISAL_LIMIT',
    ]);
    expect(eventOf(execution, 'AttestationAccepted').node).toBe(v0.id);
    // Of this block only.
    expect(codesOf(chain.block([junk()]))).toEqual(['ENDORSEMENTS_REFUSED']);
  });

  test('one stranger takes no other stranger’s appraisals', () => {
    const chain = new Chain(genesisWith({ params: { ...GENESIS.params, maxAppraisalsPerBlock: 6 } }));
    chain.block();
    const junk = (label: string) =>
      chain.transaction(keyOf(label), 'submit-attestation', { bundle: toBase64(new Uint8Array(9)) });
    const other = chain.evidence(stranger, enclaveOf(stranger));
    const execution = chain.block([junk('s0'), junk('s0'), junk('s0'), other]);
    expect(execution.fates.map(({ fate }) => fate)).toEqual(['IGNORED', 'IGNORED', 'IGNORED', 'COMMITTED']);
    expect(eventOf(execution, 'UnknownSendersCounted').count).toBe(3);
  });

  test('a block out of order is a bug of the caller', () => {
    const chain = new Chain();
    const block = { height: asHeight(2), hash: digestOf('block'), timeMs: 1, batches: [] };
    expect(() => executeBlock(chain.state, block)).toThrow('in order');
  });
});

test('deciding changes nothing, whatever is decided', () => {
  const { chain, enclaves, model } = runningChain(2);
  const request = chain.request(model, enclaves);
  chain.block(request);
  const [e0 = enclaveOf(v0), e1 = enclaveOf(v1)] = enclaves;
  const transactions = [
    chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: 'v' }),
    chain.evidence(v0, e0),
    chain.refresh(v1, e1),
    chain.transaction(owner, 'publish-model', { manifest: chain.manifest({ version: '2' }) }),
    chain.grant(model, chain.keyset(e0)),
    chain.request(model, enclaves),
    chain.result(v0, request, chain.receipt(request, e0)),
    chain.transaction(v0, 'register-account', { account: stranger.id, name: 'x' }),
  ];
  const before = stateDigest(chain.state);
  const context = { height: asHeight(chain.height + 1), timeMs: chain.state.timeMs + 1 };
  for (const transaction of transactions) expect(decide(chain.state, transaction, context).ok).toBe(true);
  expect(stateDigest(chain.state)).toBe(before);
});

describe('admission', () => {
  test('tells apart what a block would ignore', () => {
    const chain = new Chain();
    const put = { namespace: 'n', key: 'k', value: 'v' };
    const good = chain.transaction(tenant, 'put-record', put);
    const at = (transaction: typeof good, height = 1) => admissionRefusal(chain.state, transaction, asHeight(height));
    expect(at(good)).toBeUndefined();
    expect(at(good, good.expiryHeight + 1)).toBe('TRANSACTION_EXPIRED');
    expect(at(chain.transaction(tenant, 'put-record', put, 200))).toBe('EXPIRY_TOO_FAR');
    expect(at(chain.transaction(stranger, 'put-record', put))).toBe('SENDER_UNKNOWN');
    const foreign = new Chain(genesisWith({ name: 'another' })).transaction(tenant, 'put-record', put);
    expect(at(foreign)).toBe('WRONG_CHAIN');
    chain.block(good);
    expect(at(good, 2)).toBe('ALREADY_EXECUTED');
  });
});

describe('views', () => {
  test('show members, attestations, measurements, models and inferences in a stable order', () => {
    const { chain, enclaves, model, nodes } = runningChain(3);
    chain.block([chain.request(model, enclaves), chain.request(model, enclaves)]);
    const shown = listValidators(chain.state);
    expect(shown.map(({ id }) => id)).toEqual(GENESIS.validators.map(({ id }) => id));
    expect(
      shown
        .filter(({ eligible }) => eligible)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(nodes.map(({ id }) => id).sort());
    expect(shown.find(({ eligible }) => !eligible)?.reasons).toEqual(['NO_ATTESTATION']);
    expect(listAttestations(chain.state)).toHaveLength(3);
    expect(listMeasurements(chain.state)).toMatchObject([
      { phase: 'allowed', nodes: nodes.map(({ id }) => id).sort() },
    ]);
    expect(projectModel(chain.state, model)?.grants).toHaveLength(3);
    expect(projectModel(chain.state, digestOf('none'))).toBeUndefined();
    const sequences = listInferences(chain.state, 10).map(({ requestSequence }) => requestSequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => b - a));
    expect(listInferences(chain.state, 1)).toHaveLength(1);
  });

  test('are plain data for JSON', () => {
    const { chain } = runningChain(1);
    const views = [projectNetwork(chain.state), listValidators(chain.state), listAttestations(chain.state)];
    expect(JSON.parse(JSON.stringify(views))).toEqual(views);
  });
});
