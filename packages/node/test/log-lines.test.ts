/** The process's log: an entry is one line, whatever a stranger sent, and nothing in a value reads as an entry or a field. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLog, LOG_TEXT_CHARACTERS_MAX, type LogFields, type LogFormat } from '../src/process/log-lines.ts';

function lineOf(format: LogFormat, fields: LogFields): string {
  const lines: string[] = [];
  createLog({ level: 'info', format, write: (line) => lines.push(line), nowMs: () => 0 })('warn', 'peer-cut', fields);
  expect(lines).toHaveLength(1);
  return lines[0] ?? '';
}

const FORGED = 'x\n1970-01-01T00:00:00.000Z info attested sequence=1';
const OBEYED = '\u001b[2J\u009b2K\u0007\u2028\u2029\u202e\u200b\u{e0001}';
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe('a line of text', () => {
  it('has time, level, subject and fields', () => {
    const line = lineOf('text', { id: 'ab12', count: 3, isMember: false, left: undefined, why: 'two words' });
    expect(line).toBe('1970-01-01T00:00:00.000Z warn peer-cut id=ab12 count=3 isMember=false why="two words"');
  });

  it('cannot be ended, nor a field be added, by a value', () => {
    expect(lineOf('text', { agent: FORGED })).not.toContain('\n');
    expect(lineOf('text', { agent: 'a" code="OK' })).toContain('agent="a\\" code=\\"OK"');
    expect(lineOf('text', { agent: 'a code=OK' })).toContain('agent="a code=OK"');
  });
});

describe('a line of JSON', () => {
  it('has time, level and subject, and the fields in a member of their own', () => {
    const line = lineOf('json', { id: 'ab12', count: 3, left: undefined, level: 'info', time: 'never' });
    expect(JSON.parse(line)).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      level: 'warn',
      subject: 'peer-cut',
      fields: { id: 'ab12', count: 3, level: 'info', time: 'never' },
    });
  });

  it('gives the text back as it was', () => {
    const line = lineOf('json', { agent: FORGED + OBEYED });
    expect(JSON.parse(line)).toMatchObject({ fields: { agent: FORGED + OBEYED } });
  });
});

describe.each(['text', 'json'] as const)('a line of %s', (format) => {
  it('holds no character that a terminal obeys, whatever is in a field', () => {
    expect(lineOf(format, { agent: OBEYED })).not.toMatch(UNSAFE);
    const any = fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units));
    fc.assert(
      fc.property(any, (agent) => {
        expect(lineOf(format, { agent })).not.toMatch(UNSAFE);
      }),
    );
  });

  it('has a bound for each text', () => {
    const line = lineOf(format, { agent: 'a'.repeat(1_000_000) });
    expect(line.length).toBeLessThan(LOG_TEXT_CHARACTERS_MAX + 200);
    expect(line).toContain('…');
  });

  it('is not written below the level', () => {
    const lines: string[] = [];
    createLog({ level: 'warn', format, write: (line) => lines.push(line), nowMs: () => 0 })('info', 'attested');
    expect(lines).toEqual([]);
  });
});
