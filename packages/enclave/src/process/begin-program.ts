/**
 * The first thing that a program of the image does.
 */
import { closeSync } from 'node:fs';
import { limitProcess, type ProcessLimits, shieldProcess } from './libc.ts';
import { foreignDescriptors, type OpenDescriptor, openDescriptors } from './open-descriptors.ts';

/** Descriptors of a program, by number. */
export interface ProgramDescriptors {
  /** What it was started with. */
  readonly starter: number;
  /** What it may have open, beside standard streams. */
  readonly given: readonly number[];
}

/**
 * Shields and limits the process, closes what it was started with, and tells what is open beyond what it was given: with
 * anything in that list, the program must not take anything in.
 */
export function beginProgram({ starter, given }: ProgramDescriptors, limits: ProcessLimits): readonly OpenDescriptor[] {
  shieldProcess();
  limitProcess(limits);
  process.permission?.drop('ffi');
  try {
    closeSync(starter);
  } catch {
    // Bubblewrap closed its filter.
  }
  return foreignDescriptors(openDescriptors(), given);
}
