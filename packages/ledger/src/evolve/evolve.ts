/**
 * Changes the state by an event. Takes ownership of the state and changes it in place; accepts whatever `decide` can
 * make.
 *
 * Nothing here judges: an event is a fact. Replaying a log through `evolve` gives the state that execution had.
 */
import { appraisalPolicyFromJson, trustAnchorsFromJson } from '@cloister/attestation';
import { faultKey } from '@cloister/consensus';
import { asHeight, assert, type Digest } from '@cloister/encoding';
import { raiseFloors } from '../attestation/floors.ts';
import { ledgerPolicyDigest } from '../attestation/measurement-set.ts';
import { forgetMember } from '../attestation/replace-member.ts';
import { proposalId } from '../decide/decision.ts';
import {
  type BlockBegun,
  type GovernanceApproved,
  type LedgerEvent,
  type NetworkFounded,
  type RecordPut,
  settledBy,
} from '../events/events.ts';
import type { ModelGrantRevoked } from '../events/inference-events.ts';
import { recordUseAfter } from '../state/record-use.ts';
import type { LedgerState, Model } from '../state/state.ts';
import {
  acceptAttestation,
  evictAttestation,
  reappraiseAttestation,
  refreshAttestation,
} from './evolve-attestation.ts';
import { forgetOldBlocks, schedulePolicy, setMeasurement, takePolicy } from './evolve-policy.ts';
import {
  completeTask,
  declineExecutor,
  disputeTask,
  dropOldTasks,
  enqueue,
  failTask,
  lapseExecutor,
  openTask,
  recordMissed,
  recordReceipt,
  recordWithheld,
} from './evolve-tasks.ts';

export function evolve(state: LedgerState, event: LedgerEvent): LedgerState {
  const settled = settledBy(event);
  if (settled !== undefined) {
    // Until the transaction expires, executing it again does nothing.
    state.executed.set(settled.id, settled.code);
    enqueue(state.executedByExpiry, settled.expiryHeight, settled.id);
  }
  apply(state, event);
  state.eventCount++;
  return state;
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one case for each event, and nothing else.
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
      const { member, name, weight, replaces, height } = event;
      if (replaces !== null) forgetMember(state, replaces, height);
      state.members.set(member, { id: member, name, weight, height });
      break;
    }
    case 'GovernanceApproved':
      approve(state, event);
      break;
    case 'MeasurementAllowed':
    case 'MeasurementGraced':
    case 'MeasurementRevoked':
      setMeasurement(state, event);
      break;
    case 'AppraisalPolicyScheduled':
      schedulePolicy(state, event);
      break;
    case 'AppraisalPolicyTookEffect':
      takePolicy(state, event);
      break;
    case 'AttestationAccepted':
      acceptAttestation(state, event);
      break;
    case 'AttestationRefreshed':
      refreshAttestation(state, event);
      break;
    case 'AttestationReappraised':
      reappraiseAttestation(state, event);
      break;
    case 'AttestationEvicted':
      evictAttestation(state, event);
      break;
    case 'EndorsementsAccepted':
      raiseFloors(state, event);
      break;
    case 'ModelPublished': {
      const { model, owner, manifest, height } = event;
      state.models.set(model, { id: model, owner, manifest, height, revokedHeight: null, grants: new Map() });
      state.modelsOf.set(owner, (state.modelsOf.get(owner) ?? 0) + 1);
      break;
    }
    case 'ModelKeyGrantAuthorised':
      modelOf(state, event).grants.set(event.keyset, {
        node: event.node,
        sequence: state.eventCount,
        revokedHeight: null,
      });
      break;
    case 'ModelRevoked':
      state.models.set(event.model, { ...modelOf(state, event), revokedHeight: event.height });
      break;
    case 'ModelGrantRevoked':
      revokeGrant(state, event);
      break;
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
    case 'ExecutorDeclined':
      declineExecutor(state, event);
      break;
    case 'AnswerMissed':
      recordMissed(state, event);
      break;
    case 'ResponseWithheld':
      recordWithheld(state, event);
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
    case 'ValidatorEquivocated': {
      const { validator, kind, epoch, view, height } = event;
      state.equivocations.set(faultKey(event), { validator, kind, epoch, view, height });
      break;
    }
    case 'SnapshotTaken': {
      const { height, stateDigest, eventCount } = event;
      state.snapshot = { height, stateDigest, eventCount };
      break;
    }
  }
}

function modelOf(state: LedgerState, { type, model }: { readonly type: string; readonly model: Digest }): Model {
  const found = state.models.get(model);
  assert(found !== undefined, `${type} of an unknown model`);
  return found;
}

function revokeGrant(state: LedgerState, event: ModelGrantRevoked): void {
  const { grants } = modelOf(state, event);
  const grant = grants.get(event.keyset);
  assert(grant !== undefined, 'ModelGrantRevoked of an unknown grant');
  grants.set(event.keyset, { ...grant, revokedHeight: event.height });
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
  assert(event.height === state.height + 1, 'blocks begin in order');
  state.height = event.height;
  state.blockHash = event.hash;
  state.timeMs = event.timeMs;
  state.recentBlocks.set(event.height, event.hash);
  forgetOldBlocks(state);
  const expired = asHeight(event.height - 1);
  for (const id of state.executedByExpiry.get(expired) ?? []) state.executed.delete(id);
  state.executedByExpiry.delete(expired);
  dropOldTasks(state, expired);
}

function putRecord(state: LedgerState, event: RecordPut): void {
  state.recordUse.set(event.sender, recordUseAfter(state, event.sender, event));
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
