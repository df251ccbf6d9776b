/**
 * Decides about evidence. It is admitted by a full appraisal at the block's time and then kept alive by refreshes.
 *
 * Cheap checks come before the appraisal. The nonce is the hash of a recent block, so evidence cannot be older than
 * that block; the keys in it belong to one node for ever; one platform serves one node at a time.
 */
import {
  type AttestationResult,
  appraise,
  decodeEvidenceBundle,
  decodeRefresh,
  type EvidenceBundle,
  keysetOf,
  parseRuntimeData,
  type RuntimeData,
  verifyRefresh,
} from '@cloister/attestation';
import { isAcceptableEd25519Key } from '@cloister/crypto';
import { accountBytes, asHeight, assert, asValidatorId, type Digest, fromHex, parseBase64 } from '@cloister/encoding';
import { isStanding, lapseReasons } from '../attestation/eligibility.ts';
import { isNewer } from '../attestation/floors.ts';
import { referenceValuesAt } from '../attestation/measurement-set.ts';
import { endorsementsTakingEffect, mergesWith } from '../attestation/reappraise.ts';
import { replaceableMember } from '../attestation/replace-member.ts';
import type { AttestationAccepted } from '../events/attestation-events.ts';
import type { LedgerEvent } from '../events/events.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { LedgerState } from '../state/state.ts';
import type { RejectionCode } from '../transactions/codes.ts';
import { accept, type Command, causeOf, type DecideContext, type Decision, reject } from './decision.ts';

export function decideSubmitAttestation(
  state: LedgerState,
  command: Command<'submit-attestation'>,
  context: DecideContext,
): Decision {
  const bytes = parseBase64(command.payload.bundle);
  assert(bytes !== undefined, 'the payload was validated');
  const bundle = decodeEvidenceBundle(bytes);
  if (!bundle.ok) return reject('EVIDENCE_MALFORMED', bundle.code);
  const parsed = parseRuntimeData(bundle.value.runtimeData);
  if (!parsed.ok) return reject('EVIDENCE_MALFORMED', parsed.code);
  const runtime = parsed.value;
  const keyset = keysetOf(runtime);
  const refusal = statementRefusal(state, command, runtime, keyset, context);
  if (refusal !== undefined) return reject(refusal);

  const appraised = appraiseAt(state, bundle.value, context);
  if (!appraised.ok) return reject('EVIDENCE_REFUSED', appraised.code);
  const result = appraised.value;
  if (isBoundElsewhere(state, result.hardwareId, command.sender, context)) return reject('PLATFORM_BOUND');
  const accepted = acceptance(state, command, context, result);
  const joining = isMember(state, command.sender) ? [] : [newMember(state, command, context)];
  return accept(...joining, accepted, ...effectOnOthers(state, command, context, bundle.value, result));
}

/** Evidence may be the first to bring newer endorsements, which count for everyone from then on. */
function effectOnOthers(
  state: LedgerState,
  { sender }: Command<'submit-attestation'>,
  context: DecideContext,
  { endorsements }: EvidenceBundle,
  { platform, crls, statements }: AttestationResult,
): readonly LedgerEvent[] {
  if (!isNewer(state, { crls, statements })) return [];
  const newer = { platform, endorsements, crls, statements };
  return endorsementsTakingEffect(state, newer, mergesWith(state, newer, context, sender), context);
}

/** Why the runtime data is not of this sender, this chain and this moment, with keys of its own. */
function statementRefusal(
  state: LedgerState,
  { sender }: Command<'submit-attestation'>,
  runtime: RuntimeData,
  keyset: Digest,
  { height, timeMs }: DecideContext,
): RejectionCode | undefined {
  if (runtime.purpose !== 'ledger') return 'EVIDENCE_PURPOSE';
  if (runtime.chain_id !== settingsOf(state).chainId) return 'EVIDENCE_CHAIN_MISMATCH';
  if (runtime.node_id !== sender) return 'EVIDENCE_NODE_MISMATCH';
  const nonceHeight = asHeight(runtime.nonce_height);
  const blockHash = state.recentBlocks.get(nonceHeight);
  if (blockHash === undefined) return 'NONCE_BLOCK_UNKNOWN';
  if (blockHash !== runtime.nonce) return 'NONCE_MISMATCH';
  const status = state.keysets.get(keyset)?.status;
  if (status === 'retired') return 'KEYSET_RETIRED';
  if (status === 'distrusted') return 'KEYSET_DISTRUSTED';
  for (const key of [runtime.sign_key, runtime.hpke_key]) {
    const owner = state.keyOwners.get(key);
    if (owner !== undefined && owner !== sender) return 'KEY_REUSED';
  }
  const current = state.attestations.get(sender);
  if (current !== undefined && nonceHeight <= current.nonceHeight) return 'EVIDENCE_NOT_NEWER';
  if (isMember(state, sender)) return undefined;
  if (isFull(state) && replaceableMember(state, height, timeMs) === undefined) return 'MEMBER_LIMIT';
  return isAcceptableEd25519Key(accountBytes(sender)) ? undefined : 'KEY_UNACCEPTABLE';
}

function appraiseAt(state: LedgerState, bundle: EvidenceBundle, { height, timeMs }: DecideContext) {
  const { appraisalPolicy, trustAnchors } = settingsOf(state);
  return appraise({
    bundle,
    referenceValues: referenceValuesAt(state, height),
    policy: appraisalPolicy,
    trustAnchors,
    atMs: timeMs,
    crlFloors: state.crlFloors,
    statementFloors: state.statementFloors,
  });
}

/** A platform is free again once the attestation that another node made on it has lapsed or was evicted. */
function isBoundElsewhere(
  state: LedgerState,
  hardwareId: string,
  sender: Command<'submit-attestation'>['sender'],
  { height, timeMs }: DecideContext,
): boolean {
  const holder = state.hardware.get(hardwareId);
  if (holder === undefined || holder === sender) return false;
  const held = state.attestations.get(holder);
  return held !== undefined && held.hardwareId === hardwareId && isStanding(held, height, timeMs);
}

function isMember(state: LedgerState, id: Command<'submit-attestation'>['sender']): boolean {
  return state.members.has(asValidatorId(id));
}

function isFull(state: LedgerState): boolean {
  return state.members.size >= settingsOf(state).params.maxMembers;
}

function newMember(
  state: LedgerState,
  { sender }: Command<'submit-attestation'>,
  { height, timeMs }: DecideContext,
): LedgerEvent {
  const member = asValidatorId(sender);
  const replaces = isFull(state) ? (replaceableMember(state, height, timeMs) ?? null) : null;
  return { type: 'MemberRegistered', member, name: `member-${sender.slice(0, 8)}`, weight: 0, replaces, height };
}

function acceptance(
  state: LedgerState,
  command: Command<'submit-attestation'>,
  { height, timeMs }: DecideContext,
  result: AttestationResult,
): AttestationAccepted {
  const { maxAgeBlocks, refreshWindowBlocks } = settingsOf(state).appraisalPolicy;
  const previous = state.attestations.get(command.sender)?.keyset;
  const nonceHeight = asHeight(result.runtime.nonce_height);
  return {
    type: 'AttestationAccepted',
    ...causeOf(command),
    node: command.sender,
    keyset: result.keyset,
    platform: result.platform,
    product: result.product,
    simulated: result.simulated,
    hardwareId: result.hardwareId,
    measurement: result.measurement,
    image: result.image,
    signKey: result.runtime.sign_key,
    hpkeKey: result.runtime.hpke_key,
    tcbStatus: result.status,
    advisories: result.advisories,
    tcb: result.tcb,
    evidenceDigest: result.evidenceDigest,
    nonceHeight,
    acceptedHeight: height,
    acceptedTimeMs: timeMs,
    validUntilHeight: asHeight(height + maxAgeBlocks),
    validUntilMs: result.validUntilMs,
    aliveUntilHeight: asHeight(nonceHeight + refreshWindowBlocks),
    retiredKeyset: previous !== undefined && previous !== result.keyset ? previous : null,
    crls: result.crls,
    statements: result.statements,
    policyDigest: state.policyDigest,
    bundle: command.payload.bundle,
  };
}

/** A refresh moves `aliveUntilHeight` and never the validity. It cannot bring back an attestation that has lapsed. */
export function decideRefreshAttestation(
  state: LedgerState,
  command: Command<'refresh-attestation'>,
  { height, timeMs }: DecideContext,
): Decision {
  const bytes = parseBase64(command.payload.statement);
  assert(bytes !== undefined, 'the payload was validated');
  const refresh = decodeRefresh(bytes);
  if (!refresh.ok) return reject('REFRESH_MALFORMED');
  const current = state.attestations.get(command.sender);
  if (current === undefined) return reject('NO_ATTESTATION');
  if (current.evicted !== null) return reject('ATTESTATION_EVICTED', current.evicted.code);
  const lapsed = lapseReasons(current, height, timeMs);
  if (lapsed.length > 0) return reject('ATTESTATION_LAPSED', lapsed.join(' '));
  if (state.keysets.get(current.keyset)?.status === 'distrusted') return reject('KEYSET_DISTRUSTED');
  const statement = refresh.value.statement;
  if (statement.height <= current.refreshedHeight) return reject('REFRESH_NOT_NEWER');
  if (state.recentBlocks.get(statement.height) !== statement.blockHash) return reject('REFRESH_BLOCK_UNKNOWN');
  const { chainId, appraisalPolicy } = settingsOf(state);
  const { evidenceDigest, node: nodeId } = current;
  const verified = verifyRefresh(refresh.value, { chainId, evidenceDigest, nodeId, signKey: fromHex(current.signKey) });
  if (!verified.ok) {
    const signature = verified.code === 'REFRESH_SIGNATURE_INVALID';
    return reject(signature ? 'REFRESH_SIGNATURE_INVALID' : 'REFRESH_MISMATCH', verified.code);
  }
  return accept({
    type: 'AttestationRefreshed',
    ...causeOf(command),
    node: current.node,
    keyset: current.keyset,
    evidenceDigest,
    attestationSequence: current.sequence,
    refreshedHeight: statement.height,
    blockHash: statement.blockHash,
    aliveUntilHeight: asHeight(statement.height + appraisalPolicy.refreshWindowBlocks),
    height,
  });
}
