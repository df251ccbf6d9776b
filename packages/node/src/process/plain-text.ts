/**
 * Text of others as a terminal may show it. Control characters move the cursor or end the line, format characters turn the text
 * around or hide a part of it: each is written as its number, so that what a peer sends can neither forge a line nor hide one.
 */

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function numbered(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** One line: a line feed is written as its number, too. */
export function plainLine(text: string): string {
  return text.replace(UNSAFE, numbered);
}

/** Several lines, for a text whose line feeds are ours. */
export function plainLines(text: string): string {
  return text.replace(UNSAFE, (character) => (character === '\n' ? character : numbered(character)));
}
