/**
 * One hostile tenant or model owner against the honest ones of an executor, in virtual time: the real executor over an enclave whose
 * runs take as long as a test says. Beside each attack the honest wait at most three times as long as without it.
 */
import { contentDigest } from '@cloister/confidential';
import { type AccountId, assert, type Digest, fail } from '@cloister/encoding';
import type { Transaction } from '@cloister/ledger';
import { type Enclave, enclaveOf, GENESIS, genesisWith, keyOf, runningChain, v0 } from '@cloister/testkit';
import { expect, it } from 'vitest';
import { Executor } from '../src/executor.ts';
import { ProvenEnclave } from '../src/proven-enclave.ts';
import { assignmentFor, CIPHERTEXT, MockEnclave, portsOver, submitInto } from './mock-enclave.ts';

const RUN_MS_MAX = 30_000;
const HONEST_RUN_MS = 20;
const HONEST_EVERY_MS = 100;
const HONEST = 60;
const FLOOD = 64;
const FAR_MS = 900_000;
const WAIT_FACTOR = 3;

/** Timers in the order in which they are due; time stands still while anything else can go on. */
class VirtualClock {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly wake: () => void }[] = [];

  readonly monotonicMs = (): number => this.#nowMs;
  readonly sleep = (delayMs: number): Promise<void> =>
    new Promise((wake) => {
      this.#timers.push({ atMs: this.#nowMs + delayMs, wake });
    });

  async run(untilMs: number): Promise<void> {
    for (;;) {
      for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
      this.#timers.sort((a, b) => a.atMs - b.atMs);
      const next = this.#timers[0];
      if (next === undefined || next.atMs > untilMs) return;
      this.#timers.shift();
      this.#nowMs = next.atMs;
      next.wake();
    }
  }
}

type Kind = 'honest' | 'endless' | 'malformed' | 'unheld' | 'lawful';

/** Each model has an engine, which runs one request after another; a run without end is ended and fails. */
class TimedEnclave extends MockEnclave {
  readonly asked = new Map<number, { readonly kind: Kind; readonly model: string; readonly request: Transaction }>();
  readonly #scene: { readonly chain: ReturnType<typeof runningChain>['chain']; readonly own: Enclave };
  readonly #clock: VirtualClock;
  readonly #engines = new Map<string, Promise<unknown>>();

  constructor(
    scene: { readonly chain: ReturnType<typeof runningChain>['chain']; readonly own: Enclave },
    clock: VirtualClock,
  ) {
    super(scene.chain, scene.own);
    this.#scene = scene;
    this.#clock = clock;
  }

  override async runInference({
    authority,
  }: Parameters<MockEnclave['runInference']>[0]): ReturnType<MockEnclave['runInference']> {
    const asked = this.asked.get(new DataView(authority.buffer, authority.byteOffset).getUint32(0));
    assert(asked !== undefined, 'a request that was made');
    if (asked.kind === 'malformed') return fail('REQUEST_KEY_NOT_OPENED');
    const ms = asked.kind === 'endless' ? RUN_MS_MAX : HONEST_RUN_MS;
    const turn = (this.#engines.get(asked.model) ?? Promise.resolve()).then(() => this.#clock.sleep(ms));
    this.#engines.set(asked.model, turn);
    await turn;
    const { chain, own } = this.#scene;
    const status = asked.kind === 'endless' ? 'failed' : 'completed';
    this.request = asked.request;
    const receipt = chain.receipt(asked.request, own, { status });
    return { ok: true, value: { receipt, response: new Uint8Array(1_024).fill(9) } };
  }
}

interface Asked {
  readonly kind: Kind;
  readonly owner: AccountId;
  readonly sender: AccountId;
  /** Stands for a model of its own: slots and engines are told apart by it. */
  readonly model: Digest;
  readonly atMs: number;
}

const [OWNER, HOSTILE, TENANT] = ['honest owner', 'hostile', 'honest tenant'].map((name) => keyOf(name).id) as [
  AccountId,
  AccountId,
  AccountId,
];
const modelOf = (name: string): Digest => contentDigest(new TextEncoder().encode(name));
const honest: Asked[] = Array.from({ length: HONEST }, (_, i) => ({
  kind: 'honest',
  owner: OWNER,
  sender: TENANT,
  model: modelOf('digits'),
  atMs: i * HONEST_EVERY_MS,
}));
const flood = (change: Partial<Asked>, count = FLOOD): Asked[] =>
  Array.from({ length: count }, () => ({
    kind: 'lawful',
    owner: OWNER,
    sender: HOSTILE,
    model: modelOf('digits'),
    atMs: 0,
    ...change,
  }));

/** Milliseconds from assignment to the end, of those of one kind: 19 of 20 took no longer. */
async function p95Of(asked: readonly Asked[], counted: (one: Asked) => boolean): Promise<number> {
  const params = {
    ...GENESIS.params,
    maxOpenTasksPerSender: 10_000,
    maxOpenTasksPerOwner: 10_000,
    maxOpenTasksPerExecutor: 10_000,
    maxTimeLimitMs: FAR_MS,
  };
  const { chain, enclaves, model } = runningChain(1, genesisWith({ params }), {
    ciphertextDigest: contentDigest(CIPHERTEXT),
  });
  const own = enclaves[0] ?? enclaveOf(v0);
  const clock = new VirtualClock();
  const enclave = new TimedEnclave({ chain, own }, clock);
  const missing = { payload: null, payloadDigest: modelOf('held by nobody') };
  const requests = asked.map(({ kind }) =>
    chain.request(model, [own], { timeLimitMs: FAR_MS, ...(kind === 'unheld' ? missing : {}) }),
  );
  chain.block(requests);
  const ports = portsOver(chain, v0, enclave);
  const proofs = {
    ...ports.proofs,
    authority: async (sequence: number) => new Uint8Array(Uint32Array.of(sequence).buffer).reverse(),
  };
  const get = async (digest: Digest): Promise<Uint8Array | undefined> => {
    // Each of the others is asked.
    if (digest === missing.payloadDigest) await clock.sleep(500);
    return ports.blobs.kept.get(digest);
  };
  Object.assign(ports, { clock, proofs, blobs: { ...ports.blobs, get }, proven: new ProvenEnclave(clock) });
  const ends = new Map<Digest, number>();
  const executor = new Executor({
    ports,
    submit: submitInto(chain),
    report: ({ type, assignment }) => {
      if (type === 'submitted' || type === 'declined') ends.set(assignment.task, clock.monotonicMs());
    },
  });
  const startedMs = 5_000;
  const tasks = asked.map((one, at) => {
    const request = requests[at];
    assert(request !== undefined, 'a request each');
    const assignment = { ...assignmentFor(chain, request, own), owner: one.owner, sender: one.sender };
    enclave.asked.set(assignment.requestSequence, { kind: one.kind, model: one.model, request });
    void clock.sleep(startedMs + one.atMs).then(() => executor.assign({ ...assignment, model: one.model }));
    return { one, task: assignment.task };
  });
  const endMs = startedMs + HONEST * HONEST_EVERY_MS + RUN_MS_MAX;
  await clock.run(endMs);
  const took = tasks
    .filter(({ one }) => counted(one))
    .map(({ one, task }) => (ends.get(task) ?? endMs) - startedMs - one.atMs);
  const stopped = executor.stop();
  await clock.run(Number.MAX_SAFE_INTEGER);
  await stopped;
  return took.sort((a, b) => a - b)[Math.ceil(took.length * 0.95) - 1] ?? Number.POSITIVE_INFINITY;
}

const isHonest = ({ kind }: Asked): boolean => kind === 'honest';

it.each<[string, Asked[]]>([
  ['a tenant whose requests to the same model are lawful', flood({})],
  ['a tenant whose keys are malformed', flood({ kind: 'malformed' })],
  ['a tenant whose payloads nobody holds', flood({ kind: 'unheld' })],
  ['an owner whose model runs without end', flood({ kind: 'endless', owner: HOSTILE, model: modelOf('endless') })],
  [
    'an owner with as many endless models as requests',
    flood({}).map((one, i) => ({ ...one, kind: 'endless', owner: HOSTILE, model: modelOf(`endless ${i}`) })),
  ],
  ['both together', [...flood({ kind: 'endless', owner: HOSTILE, model: modelOf('endless') }), ...flood({})]],
])('beside %s, the honest wait at most three times as long', async (_, attack) => {
  const clean = await p95Of(honest, isHonest);
  expect(clean).toBe(HONEST_RUN_MS);
  expect(await p95Of([...attack, ...honest], isHonest)).toBeLessThanOrEqual(WAIT_FACTOR * clean);
});

it('an owner’s sound model waits for its endless ones no longer than one run lasts', async () => {
  const sound = honest.map((one) => ({ ...one, owner: HOSTILE, model: modelOf('sound') }));
  const attack = flood({}).map(
    (one, i): Asked => ({ ...one, kind: 'endless', owner: HOSTILE, model: modelOf(`endless ${i}`) }),
  );
  const clean = await p95Of(sound, isHonest);
  expect(await p95Of([...attack, ...sound], isHonest)).toBeLessThanOrEqual(WAIT_FACTOR * clean + RUN_MS_MAX);
});
