import { asHeight } from '@cloister/encoding';
import { deciderSpecification } from '@cloister/event-log/testing';
import { Chain, codesOf, eventOf, owner, stranger, tenant, typesOf, v1 } from '@cloister/testkit';
import { describe, expect, test } from 'vitest';
import { fate, genesisEvents, type LedgerEvent, ledgerDecider, projectRecord } from '../src/index.ts';

const spec = deciderSpecification(ledgerDecider);
const context = { height: asHeight(1), timeMs: 1 };

describe('records', () => {
  const chain = new Chain();
  const founded = genesisEvents(chain.genesis);
  const first = chain.transaction(tenant, 'put-record', { namespace: 'notes', key: 'k', value: 'one' });
  const put: LedgerEvent = {
    type: 'RecordPut',
    transaction: first.id,
    expiryHeight: first.expiryHeight,
    sender: tenant.id,
    namespace: 'notes',
    key: 'k',
    value: 'one',
  };

  test('given a free namespace, when someone writes, then the record is put and the namespace is theirs', () => {
    spec.given(founded).when(first, context).thenEvents([put]);
  });

  test('given a namespace with an owner, when the owner writes again, then the record is put', () => {
    const second = chain.transaction(tenant, 'put-record', { namespace: 'notes', key: 'k', value: 'two' });
    spec
      .given([...founded, put])
      .when(second, context)
      .thenState((state) => {
        expect(projectRecord(state, 'notes', 'k')).toMatchObject({ value: 'two', owner: tenant.id });
      });
  });

  test('given a namespace with an owner, when another writes, then NAMESPACE_NOT_OWNED', () => {
    const intruder = chain.transaction(owner, 'put-record', { namespace: 'notes', key: 'k', value: 'mine' });
    spec
      .given([...founded, put])
      .when(intruder, context)
      .thenRejected('NAMESPACE_NOT_OWNED');
  });
});

describe('what a block makes of a transaction', () => {
  test('a rejection is an event with its code, and the fate says so', () => {
    const chain = new Chain();
    const mine = chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: '1' });
    const theirs = chain.transaction(owner, 'put-record', { namespace: 'n', key: 'k', value: '2' });
    const execution = chain.block([mine, theirs]);
    expect(typesOf(execution)).toEqual(['RecordPut', 'TransactionRejected']);
    expect(eventOf(execution, 'TransactionRejected')).toMatchObject({ id: theirs.id, code: 'NAMESPACE_NOT_OWNED' });
    expect(execution.fates).toEqual([
      { id: mine.id, fate: 'COMMITTED' },
      { id: theirs.id, fate: 'REJECTED', code: 'NAMESPACE_NOT_OWNED' },
    ]);
    expect(fate(chain.state, mine.id)).toEqual({ fate: 'COMMITTED' });
    expect(fate(chain.state, theirs.id)).toEqual({ fate: 'REJECTED', code: 'NAMESPACE_NOT_OWNED' });
  });

  test('a repeat executes to nothing, committed or rejected, in the same block or later', () => {
    const chain = new Chain();
    const mine = chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: '1' });
    const theirs = chain.transaction(owner, 'put-record', { namespace: 'n', key: 'k', value: '2' });
    expect(typesOf(chain.block([mine, theirs, mine]))).toEqual(['RecordPut', 'TransactionRejected']);
    const repeated = chain.block([mine, theirs]);
    expect(typesOf(repeated)).toEqual([]);
    expect(repeated.fates.map((entry) => entry.fate)).toEqual(['IGNORED', 'IGNORED']);
  });

  test('it executes up to its expiry height and not after; then it can be forgotten', () => {
    const chain = new Chain();
    const first = chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: '1' }, 2);
    const second = chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: '2' }, 2);
    chain.block();
    expect(typesOf(chain.block(first))).toEqual(['RecordPut']);
    expect(chain.state.executed.size).toBe(1);
    const late = chain.block([first, second]);
    expect(typesOf(late)).toEqual([]);
    expect(chain.state.executed.size).toBe(0);
    expect(fate(chain.state, second.id, second.expiryHeight)).toEqual({ fate: 'EXPIRED' });
    expect(fate(chain.state, second.id)).toBeUndefined();
    expect(projectRecord(chain.state, 'n', 'k')?.value).toBe('1');
  });

  test('one that expires too far ahead executes to nothing until it is near enough', () => {
    const chain = new Chain();
    const far = chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: '1' }, 102);
    expect(typesOf(chain.block(far))).toEqual([]);
    expect(typesOf(chain.block(far))).toEqual(['RecordPut']);
  });

  test('unknown senders become one count per batch, charged to its author', () => {
    const chain = new Chain();
    const unknown = ['a', 'b'].map((key) =>
      chain.transaction(stranger, 'put-record', { namespace: 'n', key, value: '1' }),
    );
    const known = chain.transaction(tenant, 'put-record', { namespace: 'm', key: 'k', value: '1' });
    const execution = chain.block([...unknown, known], { author: v1 });
    expect(typesOf(execution)).toEqual(['RecordPut', 'UnknownSendersCounted']);
    expect(eventOf(execution, 'UnknownSendersCounted')).toMatchObject({ author: v1.id, count: 2 });
    expect(chain.state.unknownSenders.get(eventOf(execution, 'UnknownSendersCounted').author)).toBe(2);
    expect(codesOf(execution)).toEqual([]);
  });
});
