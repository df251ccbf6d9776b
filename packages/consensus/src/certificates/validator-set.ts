/**
 * Validator sets: weights, quorum and the hash that headers commit to.
 */

import { hash } from '@cloister/crypto';
import { assert, ByteWriter, type ValidatorId } from '@cloister/encoding';
import { MAX_VALIDATORS } from '../messages/limits.ts';
import type { Validator, ValidatorSet } from '../messages/types.ts';

const MAX_TOTAL_WEIGHT = 2n ** 64n - 1n;

/** floor(2W/3) + 1: two quorums share more than W/3. */
export function quorumOf(totalWeight: bigint): bigint {
  return (2n * totalWeight) / 3n + 1n;
}

/**
 * Sorts by id. Members of weight zero have no part in consensus and are left out. Throws `AssertionFailure` for duplicates, negative weights,
 * more than `MAX_VALIDATORS` members, no weight at all, or a total beyond 64 bits: callers parse genesis and ledger input themselves.
 */
export function makeValidatorSet(validators: readonly Validator[]): ValidatorSet {
  const members = validators
    .filter((validator) => validator.weight !== 0n)
    .map(({ id, weight }) => ({ id, weight }))
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  assert(members.length > 0 && members.length <= MAX_VALIDATORS, 'validator set: bad size');
  const writer = new ByteWriter();
  let totalWeight = 0n;
  for (const [index, { id, weight }] of members.entries()) {
    assert(weight > 0n, 'validator set: negative weight');
    assert(members[index - 1]?.id !== id, 'validator set: duplicate validator');
    totalWeight += weight;
    assert(totalWeight <= MAX_TOTAL_WEIGHT, 'validator set: total weight beyond 64 bits');
    writer.account(id).u64(weight);
  }
  return {
    validators: members,
    totalWeight,
    quorum: quorumOf(totalWeight),
    hash: hash('cloister/validator-set/v1', writer.finish()),
  };
}

/** Position of a member in the set, or -1. */
export function validatorIndex(set: ValidatorSet, id: ValidatorId): number {
  let low = 0;
  let high = set.validators.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const at = set.validators[middle]?.id;
    if (at === id) return middle;
    if (at !== undefined && at < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Weight of a member, or zero. */
export function weightOf(set: ValidatorSet, id: ValidatorId): bigint {
  return set.validators[validatorIndex(set, id)]?.weight ?? 0n;
}
