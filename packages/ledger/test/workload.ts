/** A chain on which everything happened that can happen, and random ones. */
import { asHeight, SeededRandom } from '@cloister/crypto';
import type { Transaction } from '../src/index.ts';
import {
  type Chain,
  digestOf,
  type Enclave,
  enclaveOf,
  GENESIS,
  genesisWith,
  IMAGE,
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
} from './samples.ts';

/** Every type of event at least once. */
export function eventfulChain(): Chain {
  const params = { ...GENESIS.params, snapshotInterval: 5 };
  const { chain, enclaves, model } = runningChain(3, genesisWith({ params }));
  const [e0, e1, e2] = enclaves as [Enclave, Enclave, Enclave];
  const newImage = { platform: 'sev-snp', measurement: MEASUREMENT, image: digestOf('new'), name: 'new' } as const;
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
  const forgotten = chain.request(model, enclaves, { deadlineHeight: asHeight(40) });
  chain.block([request, forgotten]);
  chain.block(chain.result(v0, request, chain.receipt(request, e0)));
  chain.block(chain.result(v1, request, chain.receipt(request, e1, { outputCommitment: digestOf('other') })));
  chain.block(chain.result(v2, request, chain.receipt(request, e2)));
  chain.block(chain.result(v0, request, chain.receipt(request, e0, { outputCommitment: digestOf('third') })));
  chain.block(chain.refresh(v1, e1));
  chain.block(chain.transaction(v0, 'set-measurement', { ...newImage, status: 'revoked' }));
  chain.block(chain.transaction(v1, 'set-measurement', { ...newImage, status: 'revoked' }));
  const revocation = { ...newImage, image: IMAGE, status: 'revoked' } as const;
  chain.block([v2, v3].map((member) => chain.transaction(member, 'set-measurement', revocation)));
  chain.advanceTo(45);
  return chain;
}

/** A chain of `blocks` blocks of random doings, mistakes included; the same for the same seed. */
export function randomChain(seed: string, blocks: number): Chain {
  const random = new SeededRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)] as T;
  const params = { ...GENESIS.params, transactionWindow: 20, taskRetention: 3, approvalWindow: 4, snapshotInterval: 7 };
  const { chain, enclaves, model, nodes } = runningChain(3, genesisWith({ params }));
  const requests: Transaction[] = [];
  const sent: Transaction[] = [];
  const senders = [tenant, owner, stranger, v0];
  const doings: (() => Transaction)[] = [
    () =>
      chain.transaction(
        pick(senders),
        'put-record',
        { namespace: pick(['a', 'b']), key: String(random.below(9)), value: String(random.u32()) },
        chain.height + random.below(24),
      ),
    () => sent[random.below(Math.max(1, sent.length))] ?? chain.request(model, enclaves),
    () => {
      const request = chain.request(model, enclaves.slice(random.below(3)), {
        deadlineHeight: asHeight(chain.height + 1 + random.below(4)),
      });
      requests.push(request);
      return request;
    },
    () => {
      const request = requests.findLast((made) => chain.state.tasks.has(chain.taskOf(made)));
      if (request === undefined) return chain.request(model, enclaves);
      const index = random.below(enclaves.length);
      const changes = random.below(4) === 0 ? { outputCommitment: digestOf('odd') } : {};
      return chain.result(
        nodes[index] ?? v0,
        request,
        chain.receipt(request, enclaves[index] ?? enclaveOf(v0), changes),
      );
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
        name: 'image',
      }),
  ];
  for (let i = 0; i < blocks; i++) {
    const transactions = Array.from({ length: random.below(6) }, () => pick(doings)());
    sent.push(...transactions);
    chain.block(transactions, { author: pick(validators) });
  }
  return chain;
}
