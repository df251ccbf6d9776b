/** A chain on which everything happened that can happen, and random ones. */

import { SeededRandom } from '@cloister/crypto';
import { asEpoch, asHeight, asView, type ValidatorId } from '@cloister/encoding';
import {
  BLOCK_MS,
  type Chain,
  deviceOf,
  digestOf,
  type Enclave,
  enclaveOf,
  GENESIS,
  genesisWith,
  IMAGE,
  keyOf,
  MEASUREMENT,
  owner,
  runningChain,
  stranger,
  tenant,
  v0,
  v1,
  v2,
  v3,
  validators,
} from '@cloister/testkit';
import { setPolicy, snpEndorsements, submitEndorsements } from '@cloister/testkit/platforms';
import type { Transaction } from '../src/index.ts';

/** Every type of event at least once. */
export function eventfulChain(): Chain {
  const params = { ...GENESIS.params, snapshotInterval: 5 };
  const { chain, enclaves, model } = runningChain(3, genesisWith({ params }));
  const [e0, e1, e2] = enclaves as [Enclave, Enclave, Enclave];
  const newImage = {
    platform: 'sev-snp',
    measurement: MEASUREMENT,
    image: digestOf('new'),
    graceUntilHeight: null,
    name: 'new',
  } as const;
  chain.block([
    chain.transaction(v0, 'set-measurement', { ...newImage, status: 'allowed' }),
    chain.transaction(v1, 'set-measurement', { ...newImage, status: 'allowed' }),
    chain.transaction(v0, 'register-account', { account: digestOf('nobody') as never, name: 'nobody' }),
    chain.transaction(tenant, 'put-record', { namespace: 'notes', key: 'k', value: 'v' }),
    chain.transaction(owner, 'put-record', { namespace: 'notes', key: 'k', value: 'v' }),
    chain.transaction(stranger, 'put-record', { namespace: 'notes', key: 'k', value: 'v' }),
  ]);
  chain.block(chain.evidence(stranger, enclaveOf(stranger)));
  const request = chain.request(model, enclaves);
  const forgotten = chain.request(model, enclaves, { timeLimitMs: 30 * BLOCK_MS });
  const refused = chain.request(model, enclaves);
  const unanswered = chain.request(model, enclaves, { timeLimitMs: BLOCK_MS });
  chain.block([request, forgotten, refused, unanswered]);
  const task = chain.taskOf(refused);
  chain.block(chain.transaction(v0, 'decline-task', { task, code: 'MODEL_REFUSED', detail: 'ONNX_MALFORMED' }));
  chain.block(chain.result(v1, refused, chain.receipt(refused, e1, { status: 'failed' })));
  chain.block(chain.result(v0, forgotten, chain.receipt(forgotten, e0), null));
  chain.block(chain.result(v0, request, chain.receipt(request, e0)));
  chain.block(chain.result(v1, request, chain.receipt(request, e1, { outputCommitment: digestOf('other') })));
  chain.block(chain.result(v2, request, chain.receipt(request, e2)));
  chain.block(chain.result(v0, request, chain.receipt(request, e0, { outputCommitment: digestOf('third') })));
  chain.block(chain.refresh(v1, e1));
  chain.block(chain.transaction(v0, 'set-measurement', { ...newImage, status: 'revoked' }));
  chain.block(chain.transaction(v1, 'set-measurement', { ...newImage, status: 'revoked' }));
  const listed = snpEndorsements({ revokedDevices: [deviceOf(v2.id).serial] });
  chain.block(submitEndorsements(chain, 'sev-snp', listed));
  for (const member of [v0, v1]) chain.block(setPolicy(chain, { maxAgeBlocks: 60, nonceWindowBlocks: 8 }, member));
  for (const member of [v0, v1]) {
    chain.block(setPolicy(chain, { barredHardwareIds: [deviceOf(v1.id).hardwareId] }, member));
  }
  const graced = { ...newImage, image: IMAGE, status: 'grace-until', graceUntilHeight: asHeight(40) } as const;
  chain.block([v2, v3].map((member) => chain.transaction(member, 'set-measurement', graced)));
  const revocation = { ...newImage, image: IMAGE, status: 'revoked' } as const;
  chain.block([v2, v3].map((member) => chain.transaction(member, 'set-measurement', revocation)));
  const faults = [
    { validator: v3.id as ValidatorId, kind: 'double-notarize', epoch: asEpoch(0), view: asView(7) },
  ] as const;
  chain.block([], { faults });
  chain.advanceTo(45);
  chain.block(chain.transaction(owner, 'revoke-grant', { model, keyset: chain.keyset(e0) }));
  chain.block(chain.transaction(owner, 'revoke-model', { model }));
  return chain;
}

/**
 * A chain of `blocks` blocks of random doings, mistakes included; the same for the same seed. `between` is called before each block.
 */
export function randomChain(seed: string, blocks: number, between: (chain: Chain) => void = () => undefined): Chain {
  const random = new SeededRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)] as T;
  const params = {
    ...GENESIS.params,
    measurementDelay: 2,
    transactionWindow: 20,
    taskRetentionMs: 3 * BLOCK_MS,
    approvalWindow: 4,
    snapshotInterval: 7,
    maxMembers: 6,
  };
  const running = runningChain(3, genesisWith({ params }));
  const { chain, model } = running;
  // More who join than there is room for, so that those who lapse are replaced, and come back.
  const joiners = ['j0', 'j1', 'j2', 'j3', 'j4'].map(keyOf);
  const nodes = [...running.nodes, ...joiners];
  const enclaves = nodes.map((node) => enclaveOf(node));
  const requests: Transaction[] = [];
  const sent: Transaction[] = [];
  const senders = [tenant, owner, stranger, v0];
  let listNumber = 1_000_000n;
  const attested = () => {
    const some = enclaves.filter(({ node }) => chain.state.attestations.has(node) && random.below(2) === 0);
    return some.length === 0 ? enclaves.slice(0, 1) : some.slice(0, 3);
  };
  const doings: (() => Transaction)[] = [
    () => {
      const joiner = pick(joiners);
      return chain.evidence(joiner, enclaveOf(joiner), { crls: snpEndorsements({ number: listNumber }).crls });
    },
    () => chain.grant(model, chain.keyset(enclaveOf(pick(joiners)))),
    () => {
      const request = requests.findLast((made) => chain.state.tasks.has(chain.taskOf(made)));
      const task = request === undefined ? undefined : chain.state.tasks.get(chain.taskOf(request));
      if (request === undefined || task === undefined) return chain.request(model, attested());
      const named = pick(task.executors);
      const node = nodes.find(({ id }) => id === named.node) ?? v0;
      const changes = random.below(4) === 0 ? { outputCommitment: digestOf('odd') } : {};
      return chain.result(node, request, chain.receipt(request, enclaveOf(node), changes));
    },
    () => {
      const index = random.below(enclaves.length);
      const { crls } = snpEndorsements({ number: listNumber + BigInt(random.below(2)) });
      return chain.evidence(nodes[index] ?? v0, enclaves[index] ?? enclaveOf(v0), { crls });
    },
    () =>
      setPolicy(
        chain,
        {
          maxAgeBlocks: pick([8, 12, 50]),
          refreshWindowBlocks: pick([5, 8, 20]),
          nonceWindowBlocks: pick([5, 10, 12]),
          barredHardwareIds: pick([[], [deviceOf(v1.id).hardwareId]]),
          allowedHardwareIds: pick([[], [], [deviceOf(v2.id).hardwareId, deviceOf(v1.id).hardwareId]]),
        },
        pick([v0, v1]),
      ),
    () => {
      listNumber += BigInt(random.below(2));
      const revokedDevices = random.below(3) === 0 ? [deviceOf(v2.id).serial] : [];
      return submitEndorsements(chain, 'sev-snp', snpEndorsements({ number: listNumber, revokedDevices }));
    },
    () =>
      chain.transaction(pick(validators), 'set-measurement', {
        platform: 'sev-snp',
        measurement: MEASUREMENT,
        image: IMAGE,
        status: 'grace-until',
        graceUntilHeight: asHeight(chain.height + 1 + random.below(20)),
        name: 'image',
      }),
    () =>
      chain.transaction(
        pick(senders),
        'put-record',
        { namespace: pick(['a', 'b']), key: String(random.below(9)), value: String(random.u32()) },
        chain.height + random.below(24),
      ),
    () =>
      chain.transaction(pick([owner, owner, tenant]), 'revoke-grant', {
        model,
        keyset: chain.keyset(pick(enclaves)),
      }),
    () => chain.grant(model, chain.keyset(pick(enclaves))),
    () => sent[random.below(Math.max(1, sent.length))] ?? chain.request(model, enclaves),
    () => {
      const request = chain.request(model, attested(), {
        timeLimitMs: (1 + random.below(4)) * BLOCK_MS,
      });
      requests.push(request);
      return request;
    },
    () => {
      const request = requests.findLast((made) => chain.state.tasks.has(chain.taskOf(made)));
      if (request === undefined) return chain.request(model, enclaves);
      const index = random.below(enclaves.length);
      const changes = random.below(4) === 0 ? { outputCommitment: digestOf('odd') } : {};
      const receipt = chain.receipt(request, enclaves[index] ?? enclaveOf(v0), changes);
      if (random.below(3) > 0) return chain.result(nodes[index] ?? v0, request, receipt);
      const holdings = chain.holdings(request, validators.slice(random.below(5)));
      return chain.result(nodes[index] ?? v0, request, receipt, null, holdings);
    },
    () => {
      const request = requests.findLast((made) => chain.state.tasks.has(chain.taskOf(made)));
      const task = request === undefined ? digestOf('no task') : chain.taskOf(request);
      return chain.transaction(pick(nodes), 'decline-task', { task, code: 'PAYLOAD_MISSING', detail: '' });
    },
    () => {
      const index = random.below(enclaves.length);
      return chain.refresh(nodes[index] ?? v0, enclaves[index] ?? enclaveOf(v0));
    },
    () =>
      chain.transaction(pick(validators), 'set-measurement', {
        platform: 'sev-snp',
        measurement: MEASUREMENT,
        image: pick([IMAGE, digestOf('new')]),
        status: pick(['allowed', 'revoked', 'allowed']),
        graceUntilHeight: null,
        name: 'image',
      }),
  ];
  for (let i = 0; i < blocks; i++) {
    const transactions = Array.from({ length: random.below(6) }, () => pick(doings)());
    sent.push(...transactions);
    between(chain);
    chain.block(transactions, { author: pick(validators) });
  }
  return chain;
}
