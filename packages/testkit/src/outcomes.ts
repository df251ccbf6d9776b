/** What a block did, in short; and a chain on which enclaves run. */
import { type ModelManifest, modelId } from '@cloister/confidential';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { assert, type Digest } from '@cloister/encoding';
import type { Execution, LedgerEvent, ParsedGenesis } from '@cloister/ledger';
import { type Enclave, enclaveOf } from './enclaves.ts';
import { owner, validators } from './keys.ts';
import { Chain } from './ledger-chain.ts';

/** Types of a block's events without BlockBegun, for short expectations. */
export function typesOf(execution: Execution): readonly string[] {
  return execution.events.slice(1).map(({ type }) => type);
}

/** Codes of a block's rejections. */
export function codesOf(execution: Execution): readonly string[] {
  return execution.events.flatMap((event) => (event.type === 'TransactionRejected' ? [event.code] : []));
}

/** The only event of a type in a block. */
export function eventOf<T extends LedgerEvent['type']>(
  execution: Execution,
  type: T,
): Extract<LedgerEvent, { type: T }> {
  const found = execution.events.filter((event) => event.type === type);
  assert(
    found.length === 1,
    `${found.length} events of type ${type}: ${execution.events.map((e) => e.type).join(' ')}`,
  );
  return found[0] as Extract<LedgerEvent, { type: T }>;
}

export interface Running {
  readonly chain: Chain;
  readonly nodes: readonly Ed25519KeyPair[];
  readonly enclaves: readonly Enclave[];
  readonly model: Digest;
}

/** A chain on which `count` validators attested and hold the key of a published model. */
export function runningChain(count = 3, genesis?: ParsedGenesis, manifest: Partial<ModelManifest> = {}): Running {
  const chain = new Chain(genesis);
  const nodes = validators.slice(0, count);
  const enclaves = nodes.map((node) => enclaveOf(node));
  chain.block();
  chain.block(nodes.map((node, index) => chain.evidence(node, enclaves[index] ?? enclaveOf(node))));
  const published = chain.manifest(manifest);
  chain.block(chain.transaction(owner, 'publish-model', { manifest: published }));
  const model = modelId(published);
  chain.block(enclaves.map((enclave) => chain.grant(model, chain.keyset(enclave))));
  assert(chain.state.models.get(model)?.grants.size === count, 'every enclave holds the key');
  return { chain, nodes, enclaves, model };
}
