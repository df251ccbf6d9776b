/**
 * A simulated validator's disk and its ledger: execution is hashing, and blocks vouch for executed commits.
 */

import { hash } from '@cloister/crypto';
import { asHeight, type Digest, digestToBytes, type ValidatorId, ZERO_DIGEST } from '@cloister/encoding';
import {
  type Block,
  blockHashOf,
  bodyHashOf,
  type Effect,
  type Finalization,
  HEADER_VERSION,
  type Header,
  type LastFinal,
  type MachineConfig,
} from '../../src/index.ts';

export interface Commit {
  readonly blocks: readonly Block[];
  readonly finalization: Finalization;
}

/** What a crash leaves. */
export interface Disk {
  readonly blocks: Map<Digest, Block>;
  readonly commits: Commit[];
  readonly guard: Map<string, Uint8Array>;
}

export function newDisk(): Disk {
  return { blocks: new Map(), commits: [], guard: new Map() };
}

export function committedBlocks(disk: Disk): Block[] {
  return disk.commits.flatMap((commit) => commit.blocks);
}

export type BuildRequest = Pick<Extract<Effect, { type: 'build-block' }>, 'parent' | 'epoch' | 'view'>;

/** What a header may say about an executed height; undefined when it is not executed here. */
export function lastFinalAt(config: MachineConfig, disk: Disk, height: number): LastFinal | undefined {
  if (height === 0) {
    return { height: asHeight(0), hash: config.chainId, eventRoot: ZERO_DIGEST, eventCount: 0, factsRoot: ZERO_DIGEST };
  }
  const block = committedBlocks(disk)[height - 1];
  if (block === undefined) return undefined;
  const eventRoot = hash('test/event-root', digestToBytes(block.hash));
  const factsRoot = hash('test/facts-root', digestToBytes(block.hash));
  return { height: asHeight(height), hash: block.hash, eventRoot, eventCount: height, factsRoot };
}

export interface Builder {
  readonly config: MachineConfig;
  readonly disk: Disk;
  readonly id: ValidatorId;
  readonly nowMs: number;
  /** Makes blocks of one builder in one view differ. */
  readonly salt: number;
}

/** Vouches for the highest commit at or below the parent; undefined while that is below what the parent vouches for. */
export function buildBlock(
  { config, disk, id, nowMs, salt }: Builder,
  { parent, epoch, view }: BuildRequest,
): Block | undefined {
  const heightOf = (commit: Commit | undefined): number => commit?.blocks.at(-1)?.header.height ?? 0;
  const commit = disk.commits.findLast((each) => heightOf(each) <= parent.height);
  const lastFinal = lastFinalAt(config, disk, heightOf(commit));
  if (lastFinal === undefined || lastFinal.height < (parent.header?.lastFinal.height ?? 0)) return undefined;
  const body = {
    batches: [hash(`batch ${view} ${id} ${salt} ${nowMs}`)],
    evidence: [],
    lastFinalCert: commit?.finalization,
  };
  const header: Header = {
    version: HEADER_VERSION,
    chainId: config.chainId,
    epoch,
    view,
    height: asHeight(parent.height + 1),
    parentHash: parent.hash,
    proposer: id,
    timestampMs: Math.max((parent.header?.timestampMs ?? config.genesisTimestampMs) + 1, nowMs),
    bodyHash: bodyHashOf(body),
    validatorsHash: config.genesisSet.hash,
    nextValidatorsHash: config.genesisSet.hash,
    paramsHash: ZERO_DIGEST,
    lastFinal,
  };
  return { hash: blockHashOf(header), header, body };
}
