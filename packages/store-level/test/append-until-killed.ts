/**
 * A program for kill.test.ts: opens the log in argv[2] with the witness in argv[3] and appends blocks of events of
 * argv[4] bytes until it is killed, printing the count after each commit.
 */
import { writeSync } from 'node:fs';
import { asHeight } from '@cloister/encoding';
import { openTestLog } from '@cloister/testkit/logs';
import { openLevelStore } from '../src/store-level.ts';

const [chain = '', guard = '', payloadBytes = '200'] = process.argv.slice(2);
const log = await openTestLog(await openLevelStore(chain), { witness: await openLevelStore(guard) });
const payload = new Uint8Array(Number(payloadBytes)).fill(0x61);
for (let height = log.head.height + 1; ; height++) {
  await log.commit(
    log.prepare(asHeight(height), [
      { type: 'BlockBegun', payload },
      { type: 'RecordPut', payload },
    ]),
  );
  writeSync(1, `${log.head.count}\n`);
}
