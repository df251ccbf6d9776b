/** The agreed state as the API shows it, as JSON text: single things and pages, each question bounded. */
import { policyDigest as appraisalPolicyDigest, appraisalPolicyToJson } from '@cloister/attestation';
import { modelManifestToJson } from '@cloister/confidential';
import { type AccountId, asValidatorId, type Digest, parseAccountId, parseDigest } from '@cloister/encoding';
import {
  type AttestationProjection,
  type LedgerState,
  listMeasurements,
  type MemberProjection,
  type ModelProjection,
  measurementKey,
  projectAttestation,
  projectInference,
  projectMember,
  projectModel,
  projectNetwork,
  projectRecord,
  settingsOf,
  type Task,
} from '@cloister/ledger';
import type { ChallengeOutcome } from '../attest/peer-attestation.ts';
import {
  type JsonText,
  type Page,
  type PageQuery,
  QUESTION_ATTESTATIONS_MAX,
  QUESTION_ITEMS_MAX,
} from '../http/thread/node-questions.ts';
import type { LedgerOrders } from './ledger-orders.ts';

export interface LedgerQuerySources {
  readonly state: () => LedgerState;
  readonly orders: LedgerOrders;
  readonly challengeOutcome: (node: AccountId) => ChallengeOutcome | undefined;
}

function memberJson(state: LedgerState, member: MemberProjection): object {
  const current = projectAttestation(state, member.id);
  if (current === undefined) return { ...member, attestation: null };
  const { platform, product, tcb, tcbStatus, advisories, validUntilHeight, validUntilMs, evicted } = current;
  const shown = { platform, product, tcb, tcbStatus, advisories, validUntilHeight, validUntilMs, evicted };
  return { ...member, attestation: shown };
}

function modelJson({ model, owner, height, manifest, grants, ...rest }: ModelProjection): object {
  return {
    ...rest,
    model,
    owner,
    height,
    manifest: modelManifestToJson(manifest),
    grants: grants.map(({ keyset }) => keyset),
    executors: grants,
  };
}

function inferenceJson({ id, ...rest }: Task): object {
  return { task: id, ...rest };
}

function challengeJson(outcome: ChallengeOutcome | undefined): object | null {
  if (outcome === undefined) return null;
  const { passed, code, detail, measurement, simulated, atMs } = outcome;
  return { passed, code, detail, measurement: measurement ?? null, simulated, atMs };
}

export class LedgerQueries {
  readonly #sources: LedgerQuerySources;

  constructor(sources: LedgerQuerySources) {
    this.#sources = sources;
  }

  get #state(): LedgerState {
    return this.#sources.state();
  }

  /** An answer by itself, which says whether the chain is simulated; the items of a page leave that to the page. */
  #answer(value: object): JsonText {
    return JSON.stringify({ ...value, simulated: settingsOf(this.#state).trustAnchors.simulated });
  }

  /** A page of what `ids` name. The cursor is the last id, also when nothing is shown of it. */
  #page<Id extends string>(ids: readonly Id[], limit: number, show: (id: Id) => object | undefined): Page {
    const items = ids.flatMap((id) => show(id) ?? []).map((item) => JSON.stringify(item));
    return { items, next: ids.length < limit ? null : (ids.at(-1) ?? null) };
  }

  validators(query: PageQuery): Page {
    const limit = Math.min(query.limit, QUESTION_ITEMS_MAX);
    const ids = this.#sources.orders.members(parseAccountId(query.after), limit);
    return this.#page(ids, limit, (id) => {
      const member = projectMember(this.#state, asValidatorId(id));
      return member === undefined ? undefined : memberJson(this.#state, member);
    });
  }

  attestations(query: PageQuery): Page {
    const limit = Math.min(query.limit, QUESTION_ATTESTATIONS_MAX);
    const ids = this.#sources.orders.attestations(parseAccountId(query.after), limit);
    return this.#page(ids, limit, (id) => {
      const shown = projectAttestation(this.#state, id);
      return shown === undefined ? undefined : this.#attestationJson(shown);
    });
  }

  #attestationJson({ msLeft, ...shown }: AttestationProjection): object {
    const { attestations, measurements } = this.#state;
    return {
      ...shown,
      secondsLeft: Math.floor(msLeft / 1000),
      graceUntilHeight: measurements.get(measurementKey(shown))?.graceUntilHeight ?? null,
      challenge: challengeJson(this.#sources.challengeOutcome(shown.node)),
      bundle: attestations.get(shown.node)?.bundle ?? '',
    };
  }

  models(query: PageQuery): Page {
    const limit = Math.min(query.limit, QUESTION_ITEMS_MAX);
    const ids = this.#sources.orders.models(parseDigest(query.after), limit);
    return this.#page(ids, limit, (id) => {
      const shown = projectModel(this.#state, id);
      return shown === undefined ? undefined : modelJson(shown);
    });
  }

  /** The cursor is the sequence of the last one's request. */
  inferences(query: PageQuery): Page {
    const limit = Math.min(query.limit, QUESTION_ITEMS_MAX);
    const below = query.after === undefined ? Number.MAX_SAFE_INTEGER : Number(query.after);
    const places = this.#sources.orders.tasks(below, limit);
    const items = places.flatMap(({ id }) => {
      const task = projectInference(this.#state, id);
      return task === undefined ? [] : [JSON.stringify(inferenceJson(task))];
    });
    return { items, next: places.length < limit ? null : `${places.at(-1)?.sequence ?? 0}` };
  }

  model(id: Digest): JsonText | undefined {
    const shown = projectModel(this.#state, id);
    return shown === undefined ? undefined : this.#answer(modelJson(shown));
  }

  inference(task: Digest): JsonText | undefined {
    const found = projectInference(this.#state, task);
    return found === undefined ? undefined : JSON.stringify(inferenceJson(found));
  }

  record(namespace: string, key: string): JsonText | undefined {
    const found = projectRecord(this.#state, namespace, key);
    return found === undefined ? undefined : this.#answer(found);
  }

  measurements(): JsonText {
    const { policyDigest } = this.#state;
    return this.#answer({ policyDigest, measurements: listMeasurements(this.#state) });
  }

  policy(): JsonText {
    const { appraisalPolicy, scheduledPolicy, policyDigest, height } = projectNetwork(this.#state);
    const scheduled =
      scheduledPolicy === null
        ? null
        : {
            policy: appraisalPolicyToJson(scheduledPolicy.appraisalPolicy),
            digest: appraisalPolicyDigest(scheduledPolicy.appraisalPolicy),
            loosenings: scheduledPolicy.loosenings,
            decidedHeight: scheduledPolicy.height,
            effectiveHeight: scheduledPolicy.effectiveHeight,
          };
    return this.#answer({
      policy: appraisalPolicyToJson(appraisalPolicy),
      digest: appraisalPolicyDigest(appraisalPolicy),
      policyDigest,
      height,
      scheduled,
    });
  }
}
