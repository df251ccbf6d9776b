/** A running node as seen from outside: what the API stands on, and what the metrics read. */
import type { AccountId } from '@cloister/encoding';
import type { Network } from '@cloister/network';
import { connectedMembers } from '../chain/node-network.ts';
import { NodeMetrics } from '../status/node-metrics.ts';
import { isLost, readinessReasons, waitsFor } from '../status/readiness.ts';
import { readinessFacts, readinessOf, type StatusSources, statusJson } from '../status/status.ts';
import type { NodeContext } from './node-context.ts';
import { type NodeCore, submitTracked } from './node-core.ts';

export interface NodeParts {
  readonly core: () => NodeCore | undefined;
  readonly network: () => Network | undefined;
  readonly halted: StatusSources['halted'];
  readonly name: string;
  readonly version: string;
  readonly apiRestarts: () => number;
  readonly upSeconds: () => number;
  readonly monotonicMs: () => number;
  readonly freeBytes: () => number | undefined;
  readonly twin: StatusSources['twin'];
}

function sourcesOf(parts: NodeParts, core: NodeCore): StatusSources {
  const { replica, log } = core.opened;
  const { network, halted, name, version, upSeconds, monotonicMs, freeBytes, twin } = parts;
  return {
    self: core.self,
    name,
    version,
    state: () => replica.ledger,
    replica: () => replica.status(),
    log,
    network,
    enclave: core.enclave,
    halted,
    upSeconds,
    monotonicMs,
    freeBytes,
    twin,
  };
}

export function createContext(parts: NodeParts, core: NodeCore, metrics: NodeMetrics): NodeContext {
  const { replica, reader } = core.opened;
  const sources = sourcesOf(parts, core);
  return {
    self: core.self,
    chain: reader,
    state: () => replica.ledger,
    provableHeight: () => replica.status().provableHeight,
    status: () => statusJson(sources),
    readiness: () => readinessOf(sources),
    isLost: () => isLost(readinessFacts(sources)),
    waitsFor: () => waitsFor(readinessFacts(sources)),
    submitVerified: (bytes) => submitTracked(core.shell, core.tracker, bytes, true),
    fateOf: async (id) => {
      const fate = await core.tracker.fateOf(id);
      return fate.fate === 'UNKNOWN' && replica.isPending(id) ? { fate: 'PENDING' } : fate;
    },
    index: core.index,
    facts: (subjects) => core.proofs.facts(subjects),
    challenge: (asker, node, challenge) => core.desk.forward(asker, node, challenge),
    challengeOutcome: (node) => core.peers.outcomeOf(node),
    bus: core.bus,
    metrics: metrics.registry,
  };
}

export function createMetrics(parts: NodeParts, self: AccountId): NodeMetrics {
  const opened = (): NodeCore['opened'] => {
    const core = parts.core();
    if (core === undefined) throw new TypeError('the node is not open');
    return core.opened;
  };
  return new NodeMetrics({
    self,
    state: () => opened().replica.ledger,
    heights: () => {
      const { finalizedHeight, provableHeight } = opened().replica.status();
      return { finalized: finalizedHeight, provable: provableHeight };
    },
    readiness: () => {
      const core = parts.core();
      if (core === undefined) return undefined;
      const facts = readinessFacts(sourcesOf(parts, core));
      const { certificateMs } = core.opened.replica.status();
      return { facts, reasons: readinessReasons(facts), certificateMs };
    },
    missedProposals: () => opened().replica.status().leaders,
    pendingTransactions: () => opened().replica.status().pendingTransactions,
    eventCount: () => opened().log.head.count,
    peers: () => {
      const network = parts.network();
      if (network === undefined) return { members: 0, strangers: 0 };
      const strangers = network.peers().filter(({ isMember }) => !isMember).length;
      return { members: connectedMembers(network, self).length, strangers };
    },
    network: () => parts.network()?.counters,
    blobs: () => ({ bytes: parts.core()?.blobs.bytes ?? 0, refused: parts.core()?.exchange.refused ?? 0 }),
    apiRestarts: parts.apiRestarts,
    enclave: () => {
      const enclave = parts.core()?.enclave;
      if (enclave?.description === undefined) return undefined;
      const { platform, measurement } = enclave.description;
      return { platform, measurement, running: enclave.state === 'running', restarts: enclave.restarts };
    },
  });
}
