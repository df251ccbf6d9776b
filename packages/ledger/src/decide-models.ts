/**
 * Models: published by their owners, and their keys granted by them to attested enclaves.
 */
import { modelId } from '@cloister/confidential';
import { accept, type Command, causeOf, type DecideContext, type Decision, reject } from './decision.ts';
import { eligible } from './eligibility.ts';
import type { LedgerState } from './state.ts';

export function decidePublishModel(
  state: LedgerState,
  command: Command<'publish-model'>,
  { height }: DecideContext,
): Decision {
  const { manifest } = command.payload;
  if (manifest.owner !== command.sender) return reject('MODEL_OWNER_MISMATCH');
  if (manifest.executionPolicy.assignment !== 'tenant') return reject('MODEL_POLICY_NOT_OFFERED', 'assignment');
  const model = modelId(manifest);
  if (state.models.has(model)) return reject('MODEL_EXISTS');
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
