/**
 * Chooses the executors of a request when the tenant names none: at random among those that may execute.
 *
 * The node must not choose, because a hostile node would choose its accomplices. So the node only lists the keysets
 * that were granted the model's key; each grant and each attestation is proven under a fresh head, and the head says
 * how many grants there are, so that one that is left out is noticed. Chance is weighted by the validators' weights;
 * distinct platforms come first.
 */

import type { ModelManifest } from '@cloister/confidential';
import type { AccountId, Digest } from '@cloister/encoding';
import {
  type AttestationFact,
  type FactSubject,
  type GrantFact,
  RULES_SUBJECT,
  type RulesFact,
  reasonsAgainst,
} from '@cloister/ledger';
import { FACTS_MAX } from '@cloister/proof';
import type { FreshFacts, Head } from '../chain/trusted-chain.ts';
import type { ClientContext } from '../context.ts';
import type { Edge } from '../edge.ts';
import { ClientError } from '../errors.ts';
import type { Deadline } from '../node/polling.ts';
import type { Candidate, LawfulExecutors } from './executor-lists.ts';

/** Grants of a model that are all looked at; of more, so many are drawn. */
export const GRANTS_MAX = 256;
const SUBJECTS_PER_QUESTION = FACTS_MAX - 2;

/** Asks in as many questions as it takes; `take` sees the facts of each part. */
async function inParts<T>(items: readonly T[], ask: (part: readonly T[]) => Promise<void>): Promise<void> {
  for (let from = 0; from === 0 || from < items.length; from += SUBJECTS_PER_QUESTION) {
    await ask(items.slice(from, from + SUBJECTS_PER_QUESTION));
  }
}

/** The grants that stand, of those listed. Throws FACT_WITHHELD when the list leaves some out. */
async function standingGrants(
  { chain, edge }: ClientContext,
  model: Digest,
  listed: readonly Digest[],
  deadline: Deadline,
): Promise<readonly GrantFact[]> {
  const distinct = [...new Set(listed)];
  const keysets = distinct.length <= GRANTS_MAX ? distinct : drawn(distinct, edge).slice(0, GRANTS_MAX);
  const grants: GrantFact[] = [];
  let there = 0;
  await inParts(keysets, async (part) => {
    const subjects: FactSubject[] = part.map((keyset) => ({ about: 'grant', model, keyset }));
    const facts = await chain.facts([{ about: 'model', model }, ...subjects], deadline);
    there = modelOf(facts, model).grants;
    for (const keyset of part) {
      const grant = facts.grant(model, keyset);
      if (grant !== undefined) grants.push(grant);
    }
  });
  if (grants.length < Math.min(there, GRANTS_MAX)) {
    throw new ClientError('FACT_WITHHELD', `${grants.length} of ${there} grants of ${model}`);
  }
  return grants.filter(({ revokedHeight }) => revokedHeight === null);
}

/** The model as a fresh head has it. Throws MODEL_UNKNOWN and MODEL_REVOKED. */
export function modelOf(facts: FreshFacts, model: Digest): NonNullable<ReturnType<FreshFacts['model']>> {
  const found = facts.model(model);
  if (found === undefined) throw new ClientError('MODEL_UNKNOWN', model);
  if (found.revokedHeight !== null) throw new ClientError('MODEL_REVOKED', `${model} at height ${found.revokedHeight}`);
  return found;
}

/** Executors that may execute for the model, by what a fresh head says. */
export async function lawfulExecutors(
  context: ClientContext,
  model: { readonly id: Digest; readonly manifest: ModelManifest; readonly grants: readonly Digest[] },
  deadline: Deadline,
): Promise<LawfulExecutors> {
  const grants = await standingGrants(context, model.id, model.grants, deadline);
  const candidates: Candidate[] = [];
  let minimumDistinctPlatforms = 1;
  await inParts(grants, async (part) => {
    const subjects = part.map(({ node }): FactSubject => ({ about: 'attestation', node }));
    const facts = await context.chain.facts([RULES_SUBJECT, ...subjects], deadline);
    minimumDistinctPlatforms = facts.rules.appraisalPolicy.minimumDistinctPlatforms;
    for (const { node, keyset } of part) {
      const attestation = facts.attestation(node);
      // The ledger keeps the attestation of a node as long as a grant to its keys holds.
      if (attestation === undefined) throw new ClientError('FACT_WITHHELD', `attestation of ${node}`);
      const lawful = attestation.keyset === keyset && isLawful(attestation, facts.rules, facts.head, model.manifest);
      if (lawful) candidates.push({ node, platform: attestation.platform, image: attestation.image });
    }
  });
  return { candidates, minimumDistinctPlatforms };
}

function isLawful(attestation: AttestationFact, rules: RulesFact, head: Head, manifest: ModelManifest): boolean {
  const { images, platforms } = manifest.releasePolicy;
  const { platform, image } = attestation;
  return (
    reasonsAgainst(attestation, rules, head.height, head.timeMs).length === 0 &&
    images.includes(image) &&
    platforms.includes(platform)
  );
}

/** Uniform over (0, 1]. */
function chance(edge: Edge): number {
  const unit = edge.randomBytes(6).reduce((sum, byte) => sum * 256 + byte, 0);
  return (unit + 1) / 2 ** 48;
}

/** All items in a random order, the heavier sooner (Efraimidis and Spirakis: ascending by −ln(u) / weight). */
function drawn<T>(items: readonly T[], edge: Edge, weightOf: (item: T) => number = () => 1): readonly T[] {
  return items
    .map((item) => ({ item, at: -Math.log(chance(edge)) / weightOf(item) }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Candidates in a random order, by weight; a member without weight counts like the lightest validator. */
export function inRandomOrder(context: ClientContext, candidates: readonly Candidate[]): readonly Candidate[] {
  const { validators } = context.chain.genesis.genesis;
  const weights = new Map<AccountId, number>(validators.map(({ id, weight }) => [id, weight]));
  const lightest = Math.min(...weights.values());
  return drawn(candidates, context.edge, ({ node }) => weights.get(node) ?? lightest);
}

/** The next `count` of an order, those on platforms that are not there yet first. */
export function spreadOverPlatforms(
  order: readonly Candidate[],
  count: number,
  there: readonly Candidate['platform'][],
): readonly Candidate[] {
  const seen = new Set<string>(there);
  const onNewPlatform = order.filter(({ platform }) => {
    const isNew = !seen.has(platform);
    seen.add(platform);
    return isNew;
  });
  return [...onNewPlatform, ...order.filter((one) => !onNewPlatform.includes(one))].slice(0, count);
}
