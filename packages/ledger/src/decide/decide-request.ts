/**
 * Decides about a request for an inference. It is admitted when every executor that it names may execute for the model
 * right now.
 */

import { contentDigest, taskId } from '@cloister/confidential';
import { type AccountId, assert, parseBase64 } from '@cloister/encoding';
import { pick } from '@cloister/encoding/shape';
import { eligible } from '../attestation/eligibility.ts';
import type { AuthorisedExecutor } from '../events/inference-events.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { Attestation, LedgerState, Model } from '../state/state.ts';
import type { RejectionCode } from '../transactions/codes.ts';
import { requestMembers } from '../transactions/request-fields.ts';
import type { RequestInferencePayload } from '../transactions/transaction-payloads.ts';
import { accept, type Command, causeOf, type DecideContext, type Decision, reject } from './decision.ts';

export function decideRequestInference(
  state: LedgerState,
  command: Command<'request-inference'>,
  context: DecideContext,
): Decision {
  const { payload, sender } = command;
  const task = taskId(settingsOf(state).chainId, sender, payload.requestNonce, command.expiryHeight);
  if (state.tasks.has(task) || state.spentTasks.has(task)) return reject('TASK_EXISTS');
  const model = state.models.get(payload.model);
  if (model === undefined) return reject('MODEL_UNKNOWN');
  if (model.revokedHeight !== null) return reject('MODEL_REVOKED');
  const refusal = formRefusal(state, command, model);
  if (refusal !== undefined) return reject(refusal);
  const crowded = taskLimit(state, sender, model, payload);
  if (crowded !== undefined) return reject(crowded);

  const executors: AuthorisedExecutor[] = [];
  const attestations: Attestation[] = [];
  const ineligible: string[] = [];
  for (const { keyset, enc, sealedKey } of payload.executors) {
    const node = state.keysets.get(keyset)?.node;
    if (node === undefined) {
      ineligible.push(`${keyset.slice(0, 16)}: NO_ATTESTATION`);
      continue;
    }
    const answer = eligible({ state, validator: node, keyset, model: model.id, ...context });
    if (answer.eligible) {
      attestations.push(answer.attestation);
      executors.push({ node, keyset, attestationSequence: answer.attestation.sequence, enc, sealedKey });
    } else ineligible.push(`${keyset.slice(0, 16)}: ${answer.reasons.join(' ')}`);
  }
  if (ineligible.length > 0) return reject('EXECUTOR_NOT_ELIGIBLE', ineligible.join('; '));
  if (!attestations.every(({ image }) => payload.images.includes(image))) return reject('IMAGE_NOT_NAMED');
  const platforms = new Set(attestations.map(({ platform }) => platform)).size;
  if (platforms < model.manifest.executionPolicy.minPlatforms) return reject('EXECUTION_POLICY_UNMET', 'minPlatforms');
  if (platforms < settingsOf(state).appraisalPolicy.minimumDistinctPlatforms) {
    return reject('EXECUTION_POLICY_UNMET', 'minimumDistinctPlatforms');
  }
  return accept({
    type: 'InferenceRequested',
    ...causeOf(command),
    task,
    sender,
    ...pick(requestMembers, payload),
    owner: model.owner,
    executors,
    deadlineMs: context.timeMs + payload.timeLimitMs,
    policyDigest: state.policyDigest,
    height: context.height,
  });
}

/** What is wrong with the request, whichever executors it names. */
function formRefusal(
  state: LedgerState,
  { payload }: Command<'request-inference'>,
  model: Model,
): RejectionCode | undefined {
  const { params } = settingsOf(state);
  const { k, m } = model.manifest.executionPolicy;
  const named = payload.executors.length;
  if (named > params.maxExecutors) return 'EXECUTORS_INVALID';
  if (payload.threshold > named || 2 * payload.threshold <= named) return 'THRESHOLD_INVALID';
  if (named < k || payload.threshold < m) return 'EXECUTION_POLICY_UNMET';
  if (payload.timeLimitMs > params.maxTimeLimitMs) return 'DEADLINE_INVALID';
  if (payload.payload === null) return undefined;
  const bytes = parseBase64(payload.payload);
  assert(bytes !== undefined, 'the payload was validated');
  const matches = bytes.length === payload.payloadSize && contentDigest(bytes) === payload.payloadDigest;
  return matches ? undefined : 'PAYLOAD_DIGEST_MISMATCH';
}

/**
 * Which bound one more open task would break. A sender that opens tasks that nobody can answer fills its own bound,
 * which is far below those of an owner and an executor. A sender without an open task is always let in. So a few
 * accounts that fill these bounds keep nobody else out.
 */
export function taskLimit(
  state: LedgerState,
  sender: AccountId,
  { owner }: Pick<Model, 'owner'>,
  { executors }: Pick<RequestInferencePayload, 'executors'>,
): 'SENDER_TASK_LIMIT' | 'OWNER_TASK_LIMIT' | 'EXECUTOR_TASK_LIMIT' | undefined {
  const { taskIndex, keysets } = state;
  const { maxOpenTasksPerSender, maxOpenTasksPerOwner, maxOpenTasksPerExecutor } = settingsOf(state).params;
  const ofSender = taskIndex.openOfSender(sender);
  if (ofSender >= maxOpenTasksPerSender) return 'SENDER_TASK_LIMIT';
  if (ofSender === 0) return undefined;
  if (taskIndex.openOfOwner(owner) >= maxOpenTasksPerOwner) return 'OWNER_TASK_LIMIT';
  const full = executors.some(({ keyset }) => {
    const node = keysets.get(keyset)?.node;
    return node !== undefined && taskIndex.openOfExecutor(node) >= maxOpenTasksPerExecutor;
  });
  return full ? 'EXECUTOR_TASK_LIMIT' : undefined;
}
