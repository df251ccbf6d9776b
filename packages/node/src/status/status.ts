/** Where a node stands: the body of /v1/status, and the reasons of /readyz. */
import type { AccountId, JsonValue } from '@cloister/encoding';
import type { EventLog } from '@cloister/event-log';
import { type LedgerState, projectAttestation, settingsOf } from '@cloister/ledger';
import type { Network } from '@cloister/network';
import type { ReplicaStatus, SigningStatus } from '@cloister/replica';
import type { EnclaveSupervisor } from '../attest/enclave-supervisor.ts';
import type { Readiness } from '../http/thread/node-questions.ts';
import { quorumReach, type ReadinessFacts, readinessReasons, waitsFor } from './readiness.ts';
import type { SeenTwin } from './twin-watch.ts';

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
  readonly monotonicMs: () => number;
  readonly freeBytes: () => number | undefined;
  readonly twin: () => SeenTwin | undefined;
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
  const shown = projectAttestation(state(), self);
  if (shown === undefined) return null;
  const { platform, product, tcbStatus, advisories, evicted, eligible, reasons } = shown;
  const { blocksLeft, blocksToRefresh, msLeft } = shown;
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

function signingJson({ state, cause, missing, signsAboveView }: SigningStatus): JsonValue {
  return { state, cause, unanswered: [...missing], signsAboveView: signsAboveView ?? null };
}

function ageSeconds(nowMs: number, thenMs: number): number {
  return Math.max(0, Math.floor((nowMs - thenMs) / 1000));
}

/**
 * The body of /v1/status. What it says of the newest block comes from one record of the replica: the ledger and the log
 * are ahead of it, each by another stretch, while a block is written.
 */
export function statusJson(sources: StatusSources): { readonly [key: string]: JsonValue } {
  const { self, log, network, enclave } = sources;
  const facts = readinessFacts(sources);
  const reasons = readinessReasons(facts);
  const state = sources.state();
  const { chainId, name: networkName, trustAnchors } = settingsOf(state);
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
    height: replica.tip.height,
    finalizedHeight: replica.finalizedHeight,
    provableHeight: replica.provableHeight,
    eventCount: replica.tip.eventCount,
    eventRoot: replica.tip.eventRoot,
    blockHash: replica.tip.hash,
    blockTimeMs: replica.tip.timeMs,
    epoch: replica.epoch,
    view: replica.view,
    synced: replica.synced,
    ready: reasons.length === 0,
    reasons,
    waitsFor: waitsFor(facts),
    missing: facts.validators
      .filter(({ connected }) => !connected)
      .map(({ id, name, weight }) => ({ id, name, weight })),
    quorum: { ...quorumReach(facts) },
    signing: signingJson(replica.signing),
    certificateAgeSeconds: ageSeconds(facts.monotonicMs, replica.certificateMs),
    finalityAgeSeconds: ageSeconds(facts.monotonicMs, replica.finalityMs),
    clockSkewMs: replica.clockSkewMs ?? null,
    twin: facts.twin === undefined ? null : { peerId: facts.twin.peerId, address: facts.twin.address },
    resyncing: log.resyncTarget !== undefined,
    missedProposals: replica.leaders.map((leader) => ({ ...leader })),
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

/** What readiness is judged by, all at one moment. */
export function readinessFacts(sources: StatusSources): ReadinessFacts {
  const { self, network, monotonicMs, freeBytes, twin } = sources;
  const state = sources.state();
  const replica = sources.replica();
  const peers = network()?.peers() ?? [];
  const connected = new Set(peers.map(({ member }) => member));
  const validators = [...state.members.values()]
    .filter(({ weight }) => weight > 0)
    .map(({ id, name, weight }) => ({ id, name, weight, connected: id === self || connected.has(id) }));
  return {
    halted: (sources.halted() ?? replica.halted) !== undefined,
    resyncing: sources.log.resyncTarget !== undefined,
    replica,
    monotonicMs: monotonicMs(),
    validators,
    self,
    isConnected: peers.some(({ isMember }) => isMember),
    enclaveReasons: enclaveReasons(sources, state),
    freeBytes: freeBytes(),
    twin: twin(),
  };
}

function enclaveReasons({ enclave, self }: StatusSources, state: LedgerState): string[] {
  if (enclave === undefined) return [];
  const reasons = enclave.state === 'running' ? [] : ['ENCLAVE_UNREACHABLE'];
  const shown = projectAttestation(state, self);
  if (shown === undefined) return [...reasons, 'NOT_ATTESTED'];
  // An enclave that was launched since has other keys, and the ledger has not accepted those.
  if (shown.keyset !== enclave.description?.keyset) return [...reasons, 'KEYSET_NOT_ATTESTED'];
  return [...reasons, ...shown.reasons];
}

export function readinessOf(sources: StatusSources): Readiness {
  const reasons = readinessReasons(readinessFacts(sources));
  return { ready: reasons.length === 0, reasons };
}
