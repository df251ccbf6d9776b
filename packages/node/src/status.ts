/** Where a node stands: the body of /v1/status, and the reasons of /readyz. */
import type { AccountId, JsonValue } from '@cloister/crypto';
import type { EventLog } from '@cloister/event-log';
import { attestationView, type LedgerState, networkOf } from '@cloister/ledger';
import type { Network } from '@cloister/network';
import type { ReplicaStatus } from '@cloister/validator';
import type { EnclaveSupervisor } from './enclave-supervisor.ts';
import type { Readiness } from './http/node-questions.ts';

export interface StatusSources {
  readonly self: AccountId;
  readonly name: string;
  readonly version: string;
  readonly state: () => LedgerState;
  readonly replica: () => ReplicaStatus;
  readonly log: EventLog;
  readonly network: () => Network | undefined;
  readonly enclave: EnclaveSupervisor | undefined;
  readonly halted: () => { readonly code: string; readonly detail: string } | undefined;
  readonly upSeconds: () => number;
}

function enclaveJson(enclave: EnclaveSupervisor | undefined): JsonValue {
  const description = enclave?.description;
  if (enclave === undefined || description === undefined) return null;
  const { platform, simulated, isolated, measurement, image, imageName, imageVersion, keyset } = description;
  const { phase, trustedHeight, models } = description;
  return {
    state: enclave.state,
    detail: enclave.detail,
    restarts: enclave.restarts,
    platform,
    simulated,
    isolated,
    measurement,
    image,
    imageName,
    imageVersion,
    keyset,
    phase,
    trustedHeight,
    models: [...models],
  };
}

function roleOf({ self, state, replica }: StatusSources): 'validator' | 'member' | 'observer' {
  if (replica().role === 'validator') return 'validator';
  return [...state().members.keys()].some((id) => id === self) ? 'member' : 'observer';
}

function attestationJson({ self, state }: StatusSources): JsonValue {
  const view = attestationView(state(), self);
  if (view === undefined) return null;
  const { platform, product, tcbStatus, advisories, evicted, eligible, reasons } = view;
  const { blocksLeft, blocksToRefresh, msLeft } = view;
  return {
    platform,
    product,
    tcbStatus,
    advisories: [...advisories],
    eligible,
    reasons: [...reasons],
    evicted: evicted === null ? null : { ...evicted },
    blocksLeft,
    blocksToRefresh,
    secondsLeft: Math.floor(msLeft / 1000),
  };
}

/** The body of /v1/status. */
export function statusJson(sources: StatusSources): { readonly [key: string]: JsonValue } {
  const { self, log, network, enclave } = sources;
  const state = sources.state();
  const { chainId, name: networkName, trustAnchors } = networkOf(state);
  const replica = sources.replica();
  const isolated = enclave?.description?.isolated;
  const halted = sources.halted() ?? replica.halted;
  const onLedger = [...state.members.values()].find(({ id }) => id === self)?.name ?? '';
  return {
    chainId,
    network: networkName,
    simulated: trustAnchors.simulated,
    node: self,
    name: sources.name === '' ? onLedger : sources.name,
    version: sources.version,
    role: roleOf(sources),
    height: replica.executedHeight,
    finalizedHeight: replica.finalizedHeight,
    provableHeight: replica.provableHeight,
    eventCount: log.head.count,
    eventRoot: log.head.root,
    blockHash: state.blockHash,
    blockTimeMs: state.timeMs,
    epoch: replica.epoch,
    view: replica.view,
    synced: replica.synced,
    resyncing: log.resyncTarget !== undefined,
    pendingTransactions: replica.pendingTransactions,
    pendingBatches: replica.pendingBatches,
    peers: (network()?.peers() ?? []).map(({ peerId, member, isMember, address }) => ({
      peerId,
      member: member ?? null,
      isMember,
      address,
    })),
    addresses: network()?.addresses() ?? [],
    enclave: enclaveJson(enclave),
    isolation: isolated === undefined ? 'NONE' : isolated ? 'ISOLATED' : 'UNISOLATED',
    attestation: attestationJson(sources),
    halted: halted === undefined ? null : { code: halted.code, detail: halted.detail },
    upSeconds: sources.upSeconds(),
  };
}

/** Synced, connected, enclave reachable, attestation alive. */
export function readinessOf(sources: StatusSources): Readiness {
  const reasons: string[] = [];
  const state = sources.state();
  const replica = sources.replica();
  if ((sources.halted() ?? replica.halted) !== undefined) reasons.push('HALTED');
  if (!replica.synced) reasons.push('SYNCING');
  if (sources.log.resyncTarget !== undefined) reasons.push('RESYNCING');
  const { state: signing } = replica.signing;
  if (signing === 'asking' || signing === 'observing' || signing === 'confirming') reasons.push('NOT_SIGNING');
  const others = [...state.members.values()].some(({ id, weight }) => id !== sources.self && weight > 0);
  const connected =
    sources
      .network()
      ?.peers()
      .some(({ isMember }) => isMember) ?? false;
  if (others && !connected) reasons.push('NOT_CONNECTED');
  if (sources.enclave !== undefined) {
    if (sources.enclave.state !== 'running') reasons.push('ENCLAVE_UNREACHABLE');
    const view = attestationView(state, sources.self);
    if (view === undefined) reasons.push('NOT_ATTESTED');
    // An enclave that was launched since has other keys, and the ledger has not accepted those.
    else if (view.keyset !== sources.enclave.description?.keyset) reasons.push('KEYSET_NOT_ATTESTED');
    else reasons.push(...view.reasons);
  }
  return { ready: reasons.length === 0, reasons };
}
