/**
 * What an event changes. Takes ownership of the state and changes it in place; accepts whatever `decide` can make.
 *
 * Nothing here judges: an event is a fact. Replaying a log through `evolve` gives the state that execution had.
 */
import { appraisalPolicyFromJson, trustAnchorsFromJson } from '@cloister/attestation';
import { asHeight, assert } from '@cloister/crypto';
import { proposalId } from './decision.ts';
import {
  type AttestationAccepted,
  type BlockBegun,
  type GovernanceApproved,
  type LedgerEvent,
  type MeasurementAllowed,
  type MeasurementRevoked,
  type NetworkFounded,
  type RecordPut,
  settledBy,
} from './events.ts';
import {
  completeTask,
  disputeTask,
  enqueue,
  failTask,
  lapseExecutor,
  openTask,
  recordReceipt,
  removeClosedTasks,
} from './evolve-tasks.ts';
import { ledgerPolicyDigest, measurementKey } from './measurement-set.ts';
import { networkOf } from './network-of.ts';
import type { Attestation, LedgerState } from './state.ts';

export function evolve(state: LedgerState, event: LedgerEvent): LedgerState {
  const settled = settledBy(event);
  if (settled !== undefined) {
    // Until it expires by itself, a repeat executes to nothing.
    state.executed.set(settled.id, settled.code);
    enqueue(state.executedByExpiry, settled.expiryHeight, settled.id);
  }
  apply(state, event);
  state.eventCount++;
  return state;
}

function apply(state: LedgerState, event: LedgerEvent): void {
  switch (event.type) {
    case 'NetworkFounded':
      foundNetwork(state, event);
      break;
    case 'BlockBegun':
      beginBlock(state, event);
      break;
    case 'RecordPut':
      putRecord(state, event);
      break;
    case 'AccountRegistered': {
      const { account, name, height } = event;
      state.accounts.set(account, { id: account, name, height });
      state.proposals.delete(proposalId('register-account', { account, name }));
      break;
    }
    case 'MemberRegistered': {
      const { member, name, weight, height } = event;
      state.members.set(member, { id: member, name, weight, height });
      break;
    }
    case 'GovernanceApproved':
      approve(state, event);
      break;
    case 'MeasurementAllowed':
    case 'MeasurementRevoked':
      setMeasurement(state, event);
      break;
    case 'AttestationAccepted':
      acceptAttestation(state, event);
      break;
    case 'AttestationRefreshed': {
      const current = state.attestations.get(event.node);
      assert(current !== undefined, 'refresh without an attestation');
      const { refreshedHeight, aliveUntilHeight } = event;
      state.attestations.set(event.node, { ...current, refreshedHeight, aliveUntilHeight });
      break;
    }
    case 'ModelPublished': {
      const { model, owner, manifest, height } = event;
      state.models.set(model, { id: model, owner, manifest, height, grants: new Map() });
      break;
    }
    case 'ModelKeyGrantAuthorised': {
      const model = state.models.get(event.model);
      assert(model !== undefined, 'grant for an unknown model');
      model.grants.set(event.keyset, state.eventCount);
      break;
    }
    case 'InferenceRequested':
      openTask(state, event);
      break;
    case 'ReceiptAccepted':
      recordReceipt(state, event);
      break;
    case 'InferenceCompleted':
      completeTask(state, event);
      break;
    case 'InferenceDisputed':
      disputeTask(state, event);
      break;
    case 'InferenceFailed':
      failTask(state, event);
      break;
    case 'ExecutorLapsed':
      lapseExecutor(state, event);
      break;
    case 'EquivocationRecorded': {
      const keyset = state.keysets.get(event.keyset);
      assert(keyset !== undefined, 'equivocation of an unknown keyset');
      state.keysets.set(event.keyset, { ...keyset, status: 'distrusted' });
      break;
    }
    case 'TransactionRejected':
      break;
    case 'UnknownSendersCounted':
      state.unknownSenders.set(event.author, (state.unknownSenders.get(event.author) ?? 0) + event.count);
      break;
    case 'SnapshotTaken': {
      const { height, stateDigest, eventCount } = event;
      state.snapshot = { height, stateDigest, eventCount };
      break;
    }
  }
}

function foundNetwork(state: LedgerState, event: NetworkFounded): void {
  const trustAnchors = trustAnchorsFromJson(event.trustAnchors);
  const appraisalPolicy = appraisalPolicyFromJson(event.appraisalPolicy);
  assert(trustAnchors.ok && appraisalPolicy.ok, 'NetworkFounded: anchors and policy came from a checked genesis');
  const { chainId, name, params, governance, timeMs } = event;
  state.network = {
    chainId,
    name,
    params,
    governance,
    trustAnchors: trustAnchors.value,
    appraisalPolicy: appraisalPolicy.value,
  };
  state.blockHash = chainId;
  state.timeMs = timeMs;
  state.recentBlocks.set(asHeight(0), chainId);
  state.policyDigest = ledgerPolicyDigest(state.network, state.measurements);
}

function beginBlock(state: LedgerState, event: BlockBegun): void {
  const { appraisalPolicy } = networkOf(state);
  assert(event.height === state.height + 1, 'blocks begin in order');
  state.height = event.height;
  state.blockHash = event.hash;
  state.timeMs = event.timeMs;
  state.recentBlocks.set(event.height, event.hash);
  const forgotten = event.height - appraisalPolicy.nonceWindowBlocks - 1;
  if (forgotten >= 0) state.recentBlocks.delete(asHeight(forgotten));
  const expired = asHeight(event.height - 1);
  for (const id of state.executedByExpiry.get(expired) ?? []) state.executed.delete(id);
  state.executedByExpiry.delete(expired);
  removeClosedTasks(state, event.height);
}

function putRecord(state: LedgerState, event: RecordPut): void {
  let namespace = state.namespaces.get(event.namespace);
  if (namespace === undefined) {
    namespace = { owner: event.sender, records: new Map() };
    state.namespaces.set(event.namespace, namespace);
  }
  namespace.records.set(event.key, { value: event.value, height: state.height });
}

function approve(state: LedgerState, event: GovernanceApproved): void {
  const proposal = state.proposals.get(event.proposal) ?? { kind: event.kind, approvals: new Map() };
  proposal.approvals.set(event.member, event.lapsesHeight);
  state.proposals.set(event.proposal, proposal);
}

function setMeasurement(state: LedgerState, event: MeasurementAllowed | MeasurementRevoked): void {
  const { platform, measurement, image, name, height } = event;
  const allowed = event.type === 'MeasurementAllowed';
  const status = allowed ? 'allowed' : 'revoked';
  const effectiveHeight = allowed ? event.effectiveHeight : height;
  const pair = { platform, measurement, image };
  state.measurements.set(measurementKey(pair), { ...pair, name, status, effectiveHeight, height });
  state.policyDigest = ledgerPolicyDigest(networkOf(state), state.measurements);
  state.proposals.delete(proposalId('set-measurement', { ...pair, status, name }));
}

function acceptAttestation(state: LedgerState, event: AttestationAccepted): void {
  const { node, keyset, signKey, hpkeKey, hardwareId } = event;
  const previous = state.keysets.get(event.retiredKeyset ?? keyset);
  if (event.retiredKeyset !== null && previous?.status === 'current') {
    state.keysets.set(event.retiredKeyset, { ...previous, status: 'retired' });
  }
  state.keysets.set(keyset, { node, signKey, hpkeKey, status: 'current' });
  state.keyOwners.set(signKey, node).set(hpkeKey, node);
  state.hardware.set(hardwareId, node);
  for (const { issuer, number, thisUpdateMs } of event.crls) state.crlFloors.set(issuer, { number, thisUpdateMs });
  state.attestations.set(node, attestationOf(event, state.eventCount));
}

/** The standing that an acceptance gives: what the state keeps of it, before any refresh. */
export function attestationOf(event: AttestationAccepted, sequence: number): Attestation {
  return {
    node: event.node,
    keyset: event.keyset,
    sequence,
    platform: event.platform,
    product: event.product,
    simulated: event.simulated,
    hardwareId: event.hardwareId,
    measurement: event.measurement,
    image: event.image,
    signKey: event.signKey,
    hpkeKey: event.hpkeKey,
    tcbStatus: event.tcbStatus,
    advisories: event.advisories,
    tcb: event.tcb,
    evidenceDigest: event.evidenceDigest,
    nonceHeight: event.nonceHeight,
    acceptedHeight: event.acceptedHeight,
    acceptedTimeMs: event.acceptedTimeMs,
    validUntilHeight: event.validUntilHeight,
    validUntilMs: event.validUntilMs,
    refreshedHeight: event.nonceHeight,
    aliveUntilHeight: event.aliveUntilHeight,
  };
}
