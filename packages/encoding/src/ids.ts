/**
 * Branded numbers and names.
 *
 * A height is not a view and a digest is not an account: the compiler keeps them apart, and the only ways to make one
 * check it. `as*` asserts (our own values), `parse*` answers undefined (values from outside). Hex forms are lowercase,
 * so that equal values are equal strings and can be keys of a Map.
 */
import { fromHex, isLowercaseHex, toHex } from './bytes.ts';
import { assertContract } from './result.ts';

declare const numberBrand: unique symbol;
declare const accountBrand: unique symbol;
declare const validatorBrand: unique symbol;
declare const digestBrand: unique symbol;
declare const measurementBrand: unique symbol;

/** Position of a block in the chain; a safe non-negative integer. */
export type Height = number & { readonly [numberBrand]: 'Height' };
/** Attempt to decide a height, under one leader; a safe non-negative integer. */
export type View = number & { readonly [numberBrand]: 'View' };
/** Term of one validator set; a safe non-negative integer. */
export type Epoch = number & { readonly [numberBrand]: 'Epoch' };
/** An Ed25519 public key as 64 lowercase hex characters. */
export type AccountId = string & { readonly [accountBrand]: true };
/** An account in its role as a validator. */
export type ValidatorId = AccountId & { readonly [validatorBrand]: true };
/** A 32-byte digest as 64 lowercase hex characters. */
export type Digest = string & { readonly [digestBrand]: true };
/** A 48-byte launch measurement (SHA-384) as 96 lowercase hex characters. */
export type Measurement = string & { readonly [measurementBrand]: true };

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

function isHexOf(value: unknown, byteLength: number): value is string {
  return typeof value === 'string' && value.length === 2 * byteLength && isLowercaseHex(value);
}

export function parseHeight(value: unknown): Height | undefined {
  return isCount(value) ? (value as Height) : undefined;
}
export function asHeight(value: number): Height {
  assertContract(isCount(value), 'not a height');
  return value as Height;
}

export function parseView(value: unknown): View | undefined {
  return isCount(value) ? (value as View) : undefined;
}
export function asView(value: number): View {
  assertContract(isCount(value), 'not a view');
  return value as View;
}

export function parseEpoch(value: unknown): Epoch | undefined {
  return isCount(value) ? (value as Epoch) : undefined;
}
export function asEpoch(value: number): Epoch {
  assertContract(isCount(value), 'not an epoch');
  return value as Epoch;
}

/** Checks the form only; whether the key is acceptable is `isAcceptableEd25519Key`'s question. */
export function parseAccountId(value: unknown): AccountId | undefined {
  return isHexOf(value, 32) ? (value as AccountId) : undefined;
}
export function asAccountId(value: string): AccountId {
  assertContract(isHexOf(value, 32), 'not an account id');
  return value as AccountId;
}

export function parseValidatorId(value: unknown): ValidatorId | undefined {
  return isHexOf(value, 32) ? (value as ValidatorId) : undefined;
}
export function asValidatorId(value: string): ValidatorId {
  assertContract(isHexOf(value, 32), 'not a validator id');
  return value as ValidatorId;
}

export function parseDigest(value: unknown): Digest | undefined {
  return isHexOf(value, 32) ? (value as Digest) : undefined;
}
export function asDigest(value: string): Digest {
  assertContract(isHexOf(value, 32), 'not a digest');
  return value as Digest;
}

export function parseMeasurement(value: unknown): Measurement | undefined {
  return isHexOf(value, 48) ? (value as Measurement) : undefined;
}
export function asMeasurement(value: string): Measurement {
  assertContract(isHexOf(value, 48), 'not a measurement');
  return value as Measurement;
}

/** 32 zero bytes: "none", for example the parent of the first block. */
export const ZERO_DIGEST: Digest = '0'.repeat(64) as Digest;

/** A digest from its 32 bytes; any other length is a bug. */
export function digestFromBytes(bytes: Uint8Array): Digest {
  assertContract(bytes.length === 32, 'a digest has 32 bytes');
  return toHex(bytes) as Digest;
}
/** The 32 bytes of a digest, newly allocated. */
export function digestToBytes(digest: Digest): Uint8Array {
  return fromHex(digest);
}

/** The account of an Ed25519 public key of 32 bytes; any other length is a bug. */
export function accountFromBytes(publicKey: Uint8Array): AccountId {
  assertContract(publicKey.length === 32, 'an account has 32 bytes');
  return toHex(publicKey) as AccountId;
}
/** The 32 bytes of an account's public key, newly allocated. */
export function accountBytes(account: AccountId): Uint8Array {
  return fromHex(account);
}
