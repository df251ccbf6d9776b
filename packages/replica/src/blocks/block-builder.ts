/**
 * Decides what a leader puts into a block: batches that the others should have by now, evidence, and what it vouches
 * for (`lastFinal`).
 *
 * The rules are those by which everyone judges a block (block-rules.ts), and the finished block is judged by the
 * verifier before it is handed over for its signature. A build may have to wait: for the execution that the header
 * vouches for, or for the youngest batches to spread. The answer may come late; the machine ignores it when its view is
 * over.
 */
import {
  type Body,
  bodyHashOf,
  type Effect,
  type Finalization,
  HEADER_VERSION,
  type Header,
} from '@cloister/consensus';
import { asHeight, type Digest, type ValidatorId } from '@cloister/encoding';
import { LANES, type Lane } from '@cloister/ledger';
import type { HeldBatch } from '../batches/batch-pool.ts';
import { BATCH_HOP_MS, BLOCK_BATCHES_MAX, BLOCK_SPACING_MS } from '../limits.ts';
import type { CommittedTip } from '../store/committed-tip.ts';
import { BodyRules } from './block-rules.ts';
import { judgeBlock, type VerifierSources } from './block-verifier.ts';

export const BUILD_TIMER = 'build';

export type BuildRequest = Extract<Effect, { type: 'build-block' }>;

export interface BuilderSources extends VerifierSources {
  /** The newest commit that ended at a height or below. */
  readonly newestCommit: (height: number) => CommittedTip | undefined;
}

export type BuiltBlock = { readonly header: Header; readonly body: Body };

/** The block, or how long to wait: undefined until something else happens. */
export type BuildOutcome = { readonly built: BuiltBlock } | { readonly waitMs: number | undefined };

export function buildBlock(sources: BuilderSources, request: BuildRequest): BuildOutcome {
  const { core, pool, evidence } = sources;
  const lastFinal = vouchedFor(sources, request);
  if (lastFinal === undefined) return { waitMs: undefined };
  const nowMs = core.networkClock.stampMs(core.nowMs, core.monotonicMs);
  const sinceParentMs = nowMs - (request.parent.header?.timestampMs ?? 0);
  // A parent whose time lies in the future, by another node's clock, delays the block by one spacing at most.
  if (sinceParentMs >= 0 && sinceParentMs < BLOCK_SPACING_MS) return { waitMs: BLOCK_SPACING_MS - sinceParentMs };
  const place = { height: asHeight(request.parent.height + 1), lastFinal: lastFinal.named };
  const rules = new BodyRules(pool.rules, place, request.ancestors, (id) => pool.isCommitted(id));
  const selection = selectBatches(sources, rules);
  if (selection.waitMs !== undefined) return selection;
  const lastFinalCert = lastFinal.certificate;
  const full = {
    batches: selection.batches,
    evidence: evidence.select(request.view, request.ancestors),
    lastFinalCert,
  };
  const built = checked(sources, request, lastFinal, full);
  if (built !== undefined) return { built };
  // The others would refuse this block, and this leader would lose its view. An empty block does not lose it.
  core.emit({ type: 'refused', from: core.self, code: 'OWN_BLOCK_INVALID' });
  const empty = checked(sources, request, lastFinal, { batches: [], evidence: [], lastFinalCert });
  return empty === undefined ? { waitMs: undefined } : { built: empty };
}

/** The block around a body, if this node itself would vote for it. */
function checked(
  sources: BuilderSources,
  request: BuildRequest,
  lastFinal: Vouched,
  body: Body,
): BuiltBlock | undefined {
  const { core } = sources;
  const nowMs = core.networkClock.stampMs(core.nowMs, core.monotonicMs);
  const parentTimeMs = request.parent.header?.timestampMs ?? core.genesis.genesis.timeMs;
  const header: Header = {
    version: HEADER_VERSION,
    chainId: core.chainId,
    epoch: request.epoch,
    view: request.view,
    height: asHeight(request.parent.height + 1),
    parentHash: request.parent.hash,
    proposer: core.self,
    timestampMs: Math.max(nowMs, parentTimeMs + 1),
    bodyHash: bodyHashOf(body),
    validatorsHash: core.set.hash,
    nextValidatorsHash: core.set.hash,
    paramsHash: core.paramsHash,
    lastFinal: lastFinal.named,
  };
  const verdict = judgeBlock(sources, { header, body, ancestors: request.ancestors });
  return verdict.verdict === 'valid' ? { header, body } : undefined;
}

interface Vouched {
  readonly named: Header['lastFinal'];
  readonly certificate: Finalization | undefined;
}

/**
 * The newest block whose execution is durable here, as far as the parent allows. Undefined while that is older than what
 * the parent vouches for: this node is behind, and what it waits for is on its way. It may be newer than the block that
 * the machine knew of when it asked.
 */
function vouchedFor({ core, root, newestCommit }: BuilderSources, { parent }: BuildRequest): Vouched | undefined {
  const tip = newestCommit(Math.min(core.executedHeight(), parent.height));
  const height = tip?.header.height ?? asHeight(0);
  const executed = root(height);
  if (executed === undefined || height < (parent.header?.lastFinal.height ?? 0)) return undefined;
  return { named: { height, ...executed }, certificate: tip?.finalization };
}

type Selection = { readonly batches: readonly Digest[]; readonly waitMs?: undefined } | { readonly waitMs: number };

function selectBatches({ core, pool }: BuilderSources, rules: BodyRules): Selection {
  if (rules.isBacklogged) return { batches: [] };
  const byLane = new Map<Lane, HeldBatch[]>(LANES.map((lane) => [lane, []]));
  let youngestMs = Number.POSITIVE_INFINITY;
  let ripe = 0;
  for (const held of pool.pending()) {
    if (rules.isSpent(held.verified.batch)) continue;
    const ageMs = core.monotonicMs - held.firstSeenMs;
    if (ageMs < BATCH_HOP_MS) {
      youngestMs = Math.min(youngestMs, BATCH_HOP_MS - ageMs);
      continue;
    }
    ripe++;
    byLane.get(held.verified.batch.lane)?.push(held);
  }
  // All batches are still on their way to the others, so the block waits for a moment.
  if (ripe === 0 && Number.isFinite(youngestMs)) return { waitMs: Math.max(1, youngestMs) };
  return { batches: fill(rules, [...byLane.values()].flatMap(inTurn)) };
}

/** Takes one batch of each author in turn, so that a flood by one author leaves the others their share. */
function inTurn(batches: readonly HeldBatch[]): HeldBatch[] {
  const byAuthor = new Map<ValidatorId, HeldBatch[]>();
  for (const held of batches) {
    const { author } = held.verified.batch;
    const own = byAuthor.get(author);
    if (own === undefined) byAuthor.set(author, [held]);
    else own.push(held);
  }
  const longest = Math.max(0, ...[...byAuthor.values()].map(({ length }) => length));
  const turns = Array.from({ length: longest }, (_, turn) => [...byAuthor.values()].map((own) => own[turn]));
  return turns.flat().filter((held) => held !== undefined);
}

function fill(rules: BodyRules, candidates: readonly HeldBatch[]): Digest[] {
  const chosen: Digest[] = [];
  for (const held of candidates) {
    if (chosen.length >= BLOCK_BATCHES_MAX) break;
    if (rules.admit(held) === undefined) chosen.push(held.verified.batch.id);
  }
  return chosen;
}
