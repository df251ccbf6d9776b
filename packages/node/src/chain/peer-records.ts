/** Signed peer records between runs, in a small database of their own: member 32 → record. */
import { accountBytes } from '@cloister/encoding';
import type { OrderedStore } from '@cloister/event-log';
import type { PeerRecordStore } from '@cloister/network';

const RECORDS_MAX = 1_024;

export function createPeerRecordStore(store: OrderedStore): PeerRecordStore {
  return {
    load: async () => {
      const records: Uint8Array[] = [];
      for await (const [, record] of store.range({ limit: RECORDS_MAX })) records.push(record);
      return records;
    },
    save: (member, record) => store.batch([{ type: 'put', key: accountBytes(member), value: record }], { sync: false }),
  };
}
