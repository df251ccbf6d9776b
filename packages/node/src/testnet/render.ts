/** How the testnet shows images and progress in a terminal. */

import type { Output } from '../commands/command.ts';
import { DIGIT_SIDE_PIXELS } from '../digits/split.ts';

/** Two rows of pixels in one line of text, as half blocks; paper is blank, and so left out above and below. */
export function drawDigit(image: Float32Array): string[] {
  const ink = (row: number, column: number): boolean => (image[row * DIGIT_SIDE_PIXELS + column] ?? 0) > 0.35;
  const lines: string[] = [];
  for (let row = 0; row < DIGIT_SIDE_PIXELS; row += 2) {
    let line = '';
    for (let column = 0; column < DIGIT_SIDE_PIXELS; column++) {
      const [upper, lower] = [ink(row, column), ink(row + 1, column)];
      line += upper ? (lower ? '█' : '▀') : lower ? '▄' : ' ';
    }
    lines.push(line);
  }
  const isBlank = (line: string): boolean => line.trim() === '';
  return lines.slice(
    lines.findIndex((line) => !isBlank(line)),
    lines.findLastIndex((line) => !isBlank(line)) + 1,
  );
}

/** Two blocks of text side by side. */
export function beside(left: readonly string[], right: readonly string[], width: number): string {
  const height = Math.max(left.length, right.length);
  return Array.from({ length: height }, (_, i) =>
    `  ${(left[i] ?? '').padEnd(width)}  ${right[i] ?? ''}`.trimEnd(),
  ).join('\n');
}

/** Runs one step of the work and says how long it took. */
export async function timedStep<T>(output: Output, title: string, work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  output.note(`· ${title} …`);
  const result = await work();
  output.note(`  done in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  return result;
}

export function short(id: string): string {
  return id.slice(0, 12);
}
