/**
 * Verifying the executors of a request: those that the tenant names, all of them or none; or ones drawn at random, where one that
 * does not answer or does not stand is replaced by the next, so that a single executor cannot keep a request from the others.
 */
import { checkBundleBinding, keysetOf } from '@cloister/attestation';
import type { ModelManifest } from '@cloister/confidential';
import type { AccountId, Digest } from '@cloister/encoding';
import { type FactSubject, standingSubjects } from '@cloister/ledger';
import type { FreshFacts } from '../chain/trusted-chain.ts';
import type { ClientContext } from '../context.ts';
import { ClientError } from '../errors.ts';
import type { InferenceRequest } from '../inference/inference-request.ts';
import { checkRelease, type fetchModel } from '../inference/models.ts';
import type { Deadline } from '../node/polling.ts';
import { inRandomOrder, lawfulExecutors, modelOf, spreadOverPlatforms } from './choose-executors.ts';
import type { Candidate } from './executor-lists.ts';
import type { EnclaveAnswer } from './verified-enclaves.ts';
import { appraiseAnswer, recentAnswer, type VerifiedEnclave } from './verify-enclave.ts';

export interface Choice {
  readonly request: InferenceRequest;
  readonly model: Awaited<ReturnType<typeof fetchModel>>;
  readonly deadline: Deadline;
}

export interface VerifiedExecutors {
  readonly enclaves: readonly VerifiedEnclave[];
  /** Facts of one head that is newer than every answer that was not kept. */
  readonly facts: FreshFacts;
}

/** The executors of a request, on machines of their own and on as many platforms as model and policy ask. */
export async function verifyExecutors(context: ClientContext, choice: Choice): Promise<VerifiedExecutors> {
  const hadAnswers = context.verified.size > 0;
  try {
    return await verifyOnce(context, choice);
  } catch (error) {
    // An answer that was kept may be of keys that are gone: once more, with new evidence alone.
    if (!(error instanceof ClientError) || !hadAnswers) throw error;
    context.verified.clear();
    return verifyOnce(context, choice);
  }
}

async function verifyOnce(context: ClientContext, choice: Choice): Promise<VerifiedExecutors> {
  const { executors } = choice.request;
  const verified = await (executors === undefined
    ? verifyDrawn(context, choice)
    : verifyNamed(context, executors, choice));
  checkDistinct(verified, choice.model.manifest);
  return verified;
}

/** Challenges nodes at once, unless they were lately; answers and failures, in the order of the nodes. */
async function challengeAll(
  context: ClientContext,
  nodes: readonly AccountId[],
): Promise<readonly (EnclaveAnswer | ClientError)[]> {
  return Promise.all(
    nodes.map((node) =>
      recentAnswer(context, node).catch((error: unknown) => {
        if (error instanceof ClientError) return error;
        throw error;
      }),
    ),
  );
}

/** What a fresh head says of rules and model, and of each one's attestation and grant. */
async function factsFor(
  { chain }: ClientContext,
  model: Digest,
  answers: readonly EnclaveAnswer[],
  deadline: Deadline,
): Promise<FreshFacts> {
  const grants = answers.flatMap(({ answer }): readonly FactSubject[] => {
    // As the answer states it; that it is true, and the ledger's, is for the appraisal to say.
    const runtime = checkBundleBinding(answer.bundle);
    return runtime.ok ? [{ about: 'grant', model, keyset: keysetOf(runtime.value) }] : [];
  });
  const standing = standingSubjects(answers.map(({ node }) => node));
  const facts = await chain.facts([...standing, { about: 'model', model }, ...grants], deadline);
  modelOf(facts, model);
  return facts;
}

async function verifyNamed(
  context: ClientContext,
  nodes: readonly AccountId[],
  choice: Choice,
): Promise<VerifiedExecutors> {
  const answers: EnclaveAnswer[] = [];
  for (const answer of await challengeAll(context, nodes)) {
    if (answer instanceof ClientError) throw answer;
    answers.push(answer);
  }
  const facts = await factsFor(context, choice.model.id, answers, choice.deadline);
  return { enclaves: answers.map((answer) => judged(context, answer, facts, choice)), facts };
}

async function verifyDrawn(context: ClientContext, choice: Choice): Promise<VerifiedExecutors> {
  const draw = await drawFor(context, choice);
  for (;;) {
    const asked = nextOf(draw, context, choice);
    const nodes = asked.map(({ node }) => node);
    draw.take(asked, await challengeAll(context, nodes));
    if (draw.missing > 0) continue;
    const facts = await factsFor(context, choice.model.id, draw.answers, choice.deadline);
    const enclaves = draw.judge((answer) => judged(context, answer, facts, choice));
    if (draw.missing === 0) return { enclaves, facts };
    context.executorLists.forget(choice.model.id);
  }
}

/** Those to challenge next; when there are too few, the next request looks for others. */
function nextOf(draw: Draw, { executorLists }: ClientContext, { model }: Choice): readonly Candidate[] {
  try {
    return draw.next();
  } catch (error) {
    executorLists.forget(model.id);
    throw error;
  }
}

/** All lawful executors in a random order, and how many of them are wanted. */
async function drawFor(context: ClientContext, { request, model, deadline }: Choice): Promise<Draw> {
  const { executionPolicy } = model.manifest;
  const { candidates, minimumDistinctPlatforms } = await context.executorLists.of(model.id, context.edge.nowMs(), () =>
    lawfulExecutors(context, model, deadline),
  );
  const platformsMin = Math.max(executionPolicy.minPlatforms, minimumDistinctPlatforms);
  const wanted = request.executorCount ?? Math.max(executionPolicy.k, platformsMin);
  const { images } = request;
  const taken = candidates.filter(({ image }) => images === undefined || images.includes(image));
  return new Draw(inRandomOrder(context, taken), wanted);
}

interface Drawn {
  readonly candidate: Candidate;
  readonly answer: EnclaveAnswer;
}

/** Candidates in a random order, and those of them that have answered. */
class Draw {
  readonly #wanted: number;
  #order: readonly Candidate[];
  #drawn: readonly Drawn[] = [];
  readonly #failures: string[] = [];

  constructor(order: readonly Candidate[], wanted: number) {
    this.#order = order;
    this.#wanted = wanted;
  }

  get missing(): number {
    return this.#wanted - this.#drawn.length;
  }

  get answers(): readonly EnclaveAnswer[] {
    return this.#drawn.map(({ answer }) => answer);
  }

  /** Those to challenge next. Throws NOT_ENOUGH_EXECUTORS. */
  next(): readonly Candidate[] {
    const there = this.#drawn.map(({ candidate }) => candidate.platform);
    const next = spreadOverPlatforms(this.#order, this.missing, there);
    if (next.length < this.missing) {
      const left = `${this.#drawn.length + next.length} of ${this.#wanted}`;
      throw new ClientError('NOT_ENOUGH_EXECUTORS', [left, ...this.#failures].join('; '));
    }
    this.#order = this.#order.filter((one) => !next.includes(one));
    return next;
  }

  take(asked: readonly Candidate[], answers: readonly (EnclaveAnswer | ClientError)[]): void {
    asked.forEach((candidate, i) => {
      const answer = answers[i];
      if (answer instanceof ClientError) this.#failed(candidate, answer);
      else if (answer !== undefined) this.#drawn = [...this.#drawn, { candidate, answer }];
    });
  }

  /** The enclaves whose answers stand; the others are out of the draw. */
  judge(appraise: (answer: EnclaveAnswer) => VerifiedEnclave): readonly VerifiedEnclave[] {
    const enclaves: VerifiedEnclave[] = [];
    this.#drawn = this.#drawn.filter(({ candidate, answer }) => {
      try {
        enclaves.push(appraise(answer));
        return true;
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        this.#failed(candidate, error);
        return false;
      }
    });
    return enclaves;
  }

  #failed({ node }: Candidate, error: ClientError): void {
    this.#failures.push(`${node.slice(0, 16)}: ${error.message}`);
  }
}

function judged(
  context: ClientContext,
  answer: EnclaveAnswer,
  facts: FreshFacts,
  { request: { images }, model }: Choice,
): VerifiedEnclave {
  const enclave = appraiseAnswer(context, answer, facts);
  checkRelease(model.manifest, enclave);
  const grant = facts.grant(model.id, enclave.result.keyset);
  if (grant === undefined) throw new ClientError('ENCLAVE_NOT_STANDING', 'MODEL_KEY_NOT_GRANTED');
  if (grant.revokedHeight !== null) throw new ClientError('ENCLAVE_NOT_STANDING', 'MODEL_GRANT_REVOKED');
  if (images !== undefined && !images.includes(enclave.result.image)) {
    throw new ClientError('EVIDENCE_REFUSED', `the image of ${enclave.node} is not one that the caller takes`);
  }
  return enclave;
}

function checkDistinct({ enclaves, facts }: VerifiedExecutors, manifest: ModelManifest): void {
  const hardware = new Set(enclaves.map(({ result }) => result.hardwareId));
  if (hardware.size !== enclaves.length) throw new ClientError('PLATFORMS_NOT_DISTINCT', 'two on one machine');
  const platforms = new Set(enclaves.map(({ result }) => result.platform)).size;
  const { minimumDistinctPlatforms } = facts.rules.appraisalPolicy;
  const wanted = Math.max(manifest.executionPolicy.minPlatforms, minimumDistinctPlatforms);
  if (platforms < wanted) throw new ClientError('PLATFORMS_NOT_DISTINCT', `${platforms} of ${wanted} platforms`);
}
