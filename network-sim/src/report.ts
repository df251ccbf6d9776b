/** What is asked of a run, and what is told of it. */
import type { Violation } from './checkers.ts';
import type { Scenario } from './scenario.ts';

export interface RunOptions {
  readonly scenario: Scenario;
  readonly seed: string;
  /** In place of the scenario's own numbers. */
  readonly validators?: number;
  readonly blocks?: number;
  /** Ends after this much virtual time instead of after so many blocks. */
  readonly forMs?: number;
}

export interface RunReport {
  readonly scenario: string;
  readonly seed: string;
  readonly ok: boolean;
  readonly violations: readonly Violation[];
  /** 64 hex characters; equal for equal runs. */
  readonly traceHash: string;
  readonly traceLines: number;
  readonly virtualMs: number;
  /** By node. */
  readonly heights: readonly number[];
  readonly transactions: { readonly admitted: number; readonly executed: number };
  /** Transactions of the tenant who means harm, and how many of them a node took in. */
  readonly hostileTenant: { readonly sent: number; readonly taken: number };
  readonly network: { readonly delivered: number; readonly lost: number };
  readonly certificatesChecked: number;
  readonly evidence: readonly string[];
  /** What nodes refused, by code. */
  readonly refusals: Readonly<Record<string, number>>;
  /** How often an honest node cut off another, as "by>whom". */
  readonly cutOffs: Readonly<Record<string, number>>;
  readonly crashes: number;
  /** The newest lines of the trace. */
  readonly tail: readonly string[];
}
