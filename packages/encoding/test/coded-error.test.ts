import { describe, expect, expectTypeOf, it } from 'vitest';
import { CodedError } from '../src/index.ts';

class TapeError extends CodedError<'TAPE_TORN' | 'TAPE_LOST'> {}

describe('CodedError', () => {
  it('carries its code, its message and what it was caused by, and has the name of its class', () => {
    const cause = new Error('the reel broke');
    const error = new TapeError('TAPE_TORN', 'tape 4 is torn', { cause });
    expect(error).toMatchObject({ code: 'TAPE_TORN', message: 'tape 4 is torn', cause, name: 'TapeError' });
    expect(String(error)).toBe('TapeError: tape 4 is torn');
    expect(error).toBeInstanceOf(CodedError);
    expect(new CodedError('DISK_FULL', 'no space')).not.toHaveProperty('cause');
  });

  it('keeps its codes literal in their type', () => {
    expectTypeOf<TapeError['code']>().toEqualTypeOf<'TAPE_TORN' | 'TAPE_LOST'>();
    expectTypeOf(new CodedError('DISK_FULL', 'no space').code).toEqualTypeOf<'DISK_FULL'>();
    // @ts-expect-error: no code of this class
    new TapeError('TAPE_BURNT', 'on fire');
  });
});
