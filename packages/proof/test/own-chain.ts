/** The chain on which an enclave stands: begun anew for each test, with the enclave launched and nothing shown to it. */
import { type FactSubject, type LedgerEvent, RULES_SUBJECT } from '@cloister/ledger';
import { FakeChain, IMAGE } from '@cloister/testkit/fake-chain';
import {
  type AuthorityProof,
  type FactsProof,
  followHeader,
  launchedStanding,
  lightClientOf,
  type OwnIdentity,
  type Standing,
  showFacts,
} from '../src/index.ts';
import { keyset, model, node } from './own-events.ts';

export let chain: FakeChain;
export let own: OwnIdentity;
export let launched: Standing;

const OWN: readonly FactSubject[] = [RULES_SUBJECT, { about: 'attestation', node }];
export const ALL: readonly FactSubject[] = [...OWN, { about: 'model', model }, { about: 'grant', model, keyset }];

/** What holds of the own attestation, under the header at a height. */
export function facts(height?: number): FactsProof {
  return chain.facts(OWN, height);
}

/** Has the ledger decide an event; what proves it beside all facts, under the newest header. */
export function decide(event: LedgerEvent): AuthorityProof {
  chain.decided(event);
  return chain.authority(chain.last(event.type), ALL);
}

/** Makes blocks up to a height and shows the newest header, without facts. */
export function reach(standing: Standing, height: number): Standing {
  while (chain.height < height) chain.block();
  const followed = followHeader(standing, chain.finality());
  if (!followed.ok) throw new Error(followed.detail);
  return followed.value;
}

/** Shows the newest facts, which the enclave takes. */
export function shown(standing: Standing, proof: FactsProof = facts()): Standing {
  const judged = showFacts(standing, proof);
  if (!judged.result.ok) throw new Error(`${judged.result.code} ${judged.result.detail}`);
  return judged.standing;
}

/** Begins a chain. */
export function beginChain(options?: ConstructorParameters<typeof FakeChain>[0]): void {
  chain = new FakeChain(options);
  own = { chainId: chain.chainId, nodeId: node, keyset, image: IMAGE };
  launched = launchedStanding(own, lightClientOf(chain.genesis));
}
