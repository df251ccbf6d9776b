/** What a node keeps of blobs, as it begins. */
import type { LedgerState } from '@cloister/ledger';
import type { Config } from '../config/config-options.ts';
import type { HomeLayout } from '../process/home.ts';
import { BlobNames } from './blob-names.ts';
import { BlobStore } from './blob-store.ts';
import { HoldingPromises } from './holding-promises.ts';

const HOUR_MS = 3_600_000;

export interface OpenedBlobs {
  readonly names: BlobNames;
  readonly promises: HoldingPromises;
  readonly blobs: BlobStore;
}

/** Throws `NodeError` BLOB_IO. */
export async function openBlobs(
  { blobs: folder, promises: promisesFolder }: Pick<HomeLayout, 'blobs' | 'promises'>,
  config: Config,
  state: () => LedgerState,
  nowMs: () => number,
): Promise<OpenedBlobs> {
  const promises = await HoldingPromises.open(promisesFolder);
  const names = new BlobNames(state, promises.all);
  const blobs = await BlobStore.open(folder, {
    limits: {
      quotaBytes: config['blobs.quota_bytes'],
      blobBytesMax: config['blobs.blob_bytes_max'],
      accountBytesMax: config['blobs.account_bytes_max'],
      retentionMs: config['blobs.retention_hours'] * HOUR_MS,
    },
    nowMs,
    named: (digest) => names.has(digest),
    ownerOf: (digest) => names.ownerOf(digest),
  });
  return { names, promises, blobs };
}
