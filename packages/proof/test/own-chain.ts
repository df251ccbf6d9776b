/** The chain on which an enclave stands: begun anew for each test, with the enclave launched and nothing shown to it. */
import {
  type EventProof,
  followHeader,
  launchedStanding,
  lightClientOf,
  type OwnIdentity,
  type Standing,
  showAcceptance,
} from '../src/index.ts';
import { FakeChain, IMAGE } from './fake-chain.ts';
import { keyset, node } from './own-events.ts';

export let chain: FakeChain;
export let own: OwnIdentity;
export let launched: Standing;

/** Writes an event into a block of its own and makes it provable; its proof. */
export function prove(event: Parameters<FakeChain['append']>[1]): EventProof {
  chain.block([], [event]);
  const sequence = chain.records.length - 1;
  chain.block();
  return chain.proof(sequence);
}

/** Makes blocks up to a height and shows the newest header. */
export function reach(standing: Standing, height: number): Standing {
  while (chain.height < height) chain.block();
  const followed = followHeader(standing, chain.finality());
  if (!followed.ok) throw new Error(followed.detail);
  return followed.value.standing;
}

/** Shows an acceptance that the enclave takes. */
export function shown(standing: Standing, proof: EventProof): Standing {
  const next = showAcceptance(standing, proof);
  if (!next.ok) throw new Error(`${next.code} ${next.detail}`);
  return next.value;
}

/** Begins a chain. */
export function beginChain(options?: ConstructorParameters<typeof FakeChain>[0]): void {
  chain = new FakeChain(options);
  own = { chainId: chain.chainId, nodeId: node, keyset, image: IMAGE };
  launched = launchedStanding(own, lightClientOf(chain.genesis));
}
