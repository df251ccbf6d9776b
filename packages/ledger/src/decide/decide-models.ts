/**
 * Decides about models: their owners publish them, grant their keys to attested enclaves, and revoke both.
 *
 * A revocation ends the right to execute at once: each receipt, grant and request after it is refused. It cannot recall
 * a key that an enclave holds (docs/threat-model.md).
 */
import { modelId } from '@cloister/confidential';
import { eligible } from '../attestation/eligibility.ts';
import { failure } from '../inference/task-outcome.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { LedgerState, Model } from '../state/state.ts';
import type { Task } from '../state/task.ts';
import { accept, type Command, causeOf, type DecideContext, type Decision, reject } from './decision.ts';
import { isGoverned } from './senders.ts';

export function decidePublishModel(
  state: LedgerState,
  command: Command<'publish-model'>,
  { height }: DecideContext,
): Decision {
  const { manifest } = command.payload;
  if (!isGoverned(state, command.sender)) return reject('ACCOUNT_REQUIRED');
  if (manifest.owner !== command.sender) return reject('MODEL_OWNER_MISMATCH');
  if (manifest.executionPolicy.assignment !== 'tenant') return reject('MODEL_POLICY_NOT_OFFERED', 'assignment');
  const model = modelId(manifest);
  if (state.models.has(model)) return reject('MODEL_EXISTS');
  const published = state.modelsOf.get(command.sender) ?? 0;
  if (published >= settingsOf(state).params.maxModelsPerOwner) return reject('MODEL_LIMIT');
  return accept({ type: 'ModelPublished', ...causeOf(command), model, owner: command.sender, manifest, height });
}

/** A second grant to the same keyset replaces the first: the owner may have sealed a wrong key. */
export function decideGrantModelKey(
  state: LedgerState,
  command: Command<'grant-model-key'>,
  { height, timeMs }: DecideContext,
): Decision {
  const { model: id, keyset, enc, sealedKey } = command.payload;
  const model = state.models.get(id);
  if (model === undefined) return reject('MODEL_UNKNOWN');
  if (model.owner !== command.sender) return reject('MODEL_NOT_OWNED');
  if (model.revokedHeight !== null) return reject('MODEL_REVOKED');
  const node = state.keysets.get(keyset)?.node;
  if (node === undefined) return reject('KEYSET_UNKNOWN');
  const answer = eligible({ state, validator: node, keyset, model: id, beforeGrant: true, height, timeMs });
  if (!answer.eligible) return reject('EXECUTOR_NOT_ELIGIBLE', answer.reasons.join(' '));
  const { measurement, image, sequence } = answer.attestation;
  return accept({
    type: 'ModelKeyGrantAuthorised',
    ...causeOf(command),
    model: id,
    owner: model.owner,
    node,
    keyset,
    measurement,
    image,
    attestationSequence: sequence,
    policyDigest: state.policyDigest,
    enc,
    sealedKey,
    height,
  });
}

/** For good. Tasks that wait for the model end in this very block, so that their tenants do not wait for the deadline. */
export function decideRevokeModel(
  state: LedgerState,
  command: Command<'revoke-model'>,
  { height }: DecideContext,
): Decision {
  const model = state.models.get(command.payload.model);
  if (model === undefined) return reject('MODEL_UNKNOWN');
  if (model.owner !== command.sender) return reject('MODEL_NOT_OWNED');
  if (model.revokedHeight !== null) return reject('MODEL_REVOKED');
  const failed = openTasksOfModel(state, model).map((task) => failure(task, 'MODEL_REVOKED', height));
  const revoked = { type: 'ModelRevoked', ...causeOf(command), model: model.id, owner: model.owner, height } as const;
  return accept(revoked, ...failed);
}

function openTasksOfModel(state: LedgerState, model: Model): readonly Task[] {
  return state.taskIndex
    .open()
    .flatMap((id) => state.tasks.get(id) ?? [])
    .filter((task) => task.model === model.id)
    .sort((a, b) => a.requestSequence - b.requestSequence);
}

export function decideRevokeGrant(
  state: LedgerState,
  command: Command<'revoke-grant'>,
  { height }: DecideContext,
): Decision {
  const { model: id, keyset } = command.payload;
  const model = state.models.get(id);
  if (model === undefined) return reject('MODEL_UNKNOWN');
  if (model.owner !== command.sender) return reject('MODEL_NOT_OWNED');
  const grant = model.grants.get(keyset);
  if (grant === undefined || grant.revokedHeight !== null) return reject('GRANT_UNKNOWN');
  return accept({
    type: 'ModelGrantRevoked',
    ...causeOf(command),
    model: id,
    owner: model.owner,
    node: grant.node,
    keyset,
    height,
  });
}
