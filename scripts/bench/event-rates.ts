/** How fast events are appended to a real LevelDB, and read back with the chain checked and folded into the ledger's state. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SIMULATED_ANCHORS } from '../../packages/attestation/src/index.ts';
import { simulatedAppraisalPolicy } from '../../packages/attestation/src/simulated/index.ts';
import { ed25519KeyPair, hash } from '../../packages/crypto/src/index.ts';
import { asDigest, asHeight, asMeasurement, assert, type Digest, utf8 } from '../../packages/encoding/src/index.ts';
import { EventLog, type NewEvent, rebuildMerkle } from '../../packages/event-log/src/index.ts';
import {
  DEFAULT_PARAMS,
  decodeEvent,
  encodeEvent,
  evolve,
  GENESIS_SCHEMA,
  genesisEvents,
  initialState,
  type LedgerEvent,
  makeGenesis,
  type ParsedGenesis,
} from '../../packages/ledger/src/index.ts';
import { openLevelStore } from '../../packages/store-level/src/store-level.ts';
import { type Figure, median, type Report, secondsOf } from './figures.ts';

const EVENTS_PER_BLOCK = 200;
const PART = 'events';

function genesisOf(sender: string): ParsedGenesis {
  const id = ed25519KeyPair(new Uint8Array(32).fill(7)).id;
  const made = makeGenesis({
    schema: GENESIS_SCHEMA,
    name: 'benchmark (SIMULATED)',
    timeMs: 1_750_000_000_000,
    params: DEFAULT_PARAMS,
    validators: [{ id, name: 'validator', weight: 1 }],
    accounts: [{ id: sender as typeof id, name: 'sender' }],
    governance: { members: [id], threshold: 1 },
    trustAnchors: SIMULATED_ANCHORS,
    referenceValues: [
      {
        platform: 'sev-snp',
        measurement: asMeasurement('5e'.repeat(48)),
        image: asDigest('5e'.repeat(32)),
        name: 'none',
      },
    ],
    appraisalPolicy: simulatedAppraisalPolicy({ maxAgeBlocks: 7_200, refreshWindowBlocks: 600, nonceWindowBlocks: 64 }),
  });
  assert(made.ok, 'the benchmark has a valid genesis');
  return made.value;
}

/** Blocks as execution makes them: BlockBegun, then one RecordPut for each transaction. */
function* blocksOf(genesis: ParsedGenesis, events: number): Generator<{ height: number; events: NewEvent[] }> {
  const sender = ed25519KeyPair(new Uint8Array(32).fill(9)).id;
  yield { height: 0, events: genesisEvents(genesis).map(encodeEvent) };
  for (let height = 1, made = 0; made < events; height++) {
    const block: LedgerEvent[] = [
      {
        type: 'BlockBegun',
        height: asHeight(height),
        hash: hash('bench/block', utf8(String(height))),
        timeMs: 1_750_000_000_000 + height * 100,
      },
    ];
    for (; block.length <= EVENTS_PER_BLOCK && made < events; made++) {
      block.push({
        type: 'RecordPut',
        transaction: hash('bench/transaction', utf8(String(made))),
        expiryHeight: asHeight(height + 300),
        sender,
        namespace: 'bench',
        key: `key-${made % 10_000}`,
        value: `value ${made}`.padEnd(48, '.'),
      });
    }
    yield { height, events: block.map(encodeEvent) };
  }
}

type Rates = {
  readonly append: number;
  readonly read: number;
  readonly replay: number;
  readonly merkle: number;
  readonly open: number;
};

async function oneRun(directory: string, genesis: ParsedGenesis, events: number): Promise<Rates> {
  const chainId: Digest = genesis.chainId;
  const blocks = [...blocksOf(genesis, events)];
  let store = await openLevelStore(directory);
  let log = await EventLog.open(store, { chainId, verify: 'checkpoint' });
  const append = await secondsOf(async () => {
    for (const block of blocks) await log.commit(log.prepare(asHeight(block.height), block.events));
  });
  const { count } = log.head;
  await store.close();
  // A new process would find the files, not the caches of the one that wrote.
  store = await openLevelStore(directory);
  const open = await secondsOf(async () => {
    log = await EventLog.open(store, { chainId, verify: 'full' });
  });
  const read = await secondsOf(async () => {
    for await (const event of log.read({ from: 0 })) assert(event.sequence < count, 'an event of the log');
  });
  let folded = 0;
  const replay = await secondsOf(async () => {
    const state = await log.replay({
      state: initialState(),
      evolve: (before, { type, payload }) => {
        const event = decodeEvent(type, payload);
        assert(event.ok, 'a stored event decodes');
        return evolve(before, event.value);
      },
    });
    folded = state.eventCount;
  });
  assert(folded === count, 'the replay folds every event');
  const merkle = await secondsOf(() => rebuildMerkle(store, chainId));
  await store.close();
  return {
    append: count / append,
    read: count / read,
    replay: count / replay,
    merkle: count / merkle,
    open: count / open,
  };
}

/** One warm-up on a tenth of the events, then `runs` runs, each on a database of its own; medians. */
export async function eventFigures(options: { runs: number; events: number; report: Report }): Promise<Figure[]> {
  const { runs, events, report } = options;
  const sender = ed25519KeyPair(new Uint8Array(32).fill(9));
  const genesis = genesisOf(sender.id);
  const root = await mkdtemp(join(tmpdir(), 'cloister-bench-'));
  try {
    const rates: Rates[] = [];
    for (let run = 0; run <= runs; run++) {
      report(run === 0 ? 'events: warm-up' : `events: run ${run} of ${runs}, ${events} events`);
      const rate = await oneRun(join(root, `run-${run}`), genesis, run === 0 ? Math.ceil(events / 10) : events);
      if (run > 0) rates.push(rate);
    }
    const rate = (name: string, of: (rates: Rates) => number, mark?: string): Figure => {
      const figure = { part: PART, name, value: median(rates.map(of)), unit: 'events/s' };
      return mark === undefined ? figure : { ...figure, mark };
    };
    return [
      rate(`append, ${EVENTS_PER_BLOCK} a block, synced`, ({ append }) => append),
      rate('replay: chain check, decode, evolve', ({ replay }) => replay, '≥ 60,000'),
      rate('read with chain check alone', ({ read }) => read),
      rate('Merkle rebuild', ({ merkle }) => merkle),
      rate('full verification on open', ({ open }) => open),
    ];
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
