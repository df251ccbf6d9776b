/** Routes over attestation: what the ledger accepted, with evidence to check for oneself, and challenges. */
import { CHALLENGE_BYTES } from '@cloister/attestation';
import { toBase64 } from '@cloister/crypto';
import { type AttestationView, listAttestations, listMeasurements, networkOf } from '@cloister/ledger';
import type { ApiContext } from './api-context.ts';
import { accountField, base64Field } from './fields.ts';
import { type AnyRoute, ApiError, json, jsonAnswer, route } from './route.ts';

function attestationJson(context: ApiContext, view: AttestationView): object {
  const { msLeft, ...rest } = view;
  const outcome = context.challengeOutcome(view.node);
  const challenge =
    outcome === undefined
      ? null
      : {
          passed: outcome.passed,
          code: outcome.code,
          detail: outcome.detail,
          measurement: outcome.measurement ?? null,
          simulated: outcome.simulated,
          atMs: outcome.atMs,
        };
  const state = context.state();
  const { platform, measurement, image } = view;
  const allowed = listMeasurements(state).find(
    (entry) => entry.platform === platform && entry.measurement === measurement && entry.image === image,
  );
  return {
    ...rest,
    secondsLeft: Math.floor(msLeft / 1000),
    graceUntilHeight: allowed?.graceUntilHeight ?? null,
    challenge,
    bundle: state.attestations.get(view.node)?.bundle ?? '',
  };
}

const attestations = route({
  method: 'GET',
  path: '/v1/attestations',
  summary: 'Accepted attestations with their evidence, standing and time left',
  answer: jsonAnswer('Attestations'),
  handle: (context) => {
    const views = listAttestations(context.state());
    const { simulated } = networkOf(context.state()).trustAnchors;
    return json({ simulated, attestations: views.map((view) => attestationJson(context, view)) });
  },
});

const STATUS_OF: { readonly [code: string]: number } = {
  CHALLENGE_MALFORMED: 400,
  WRONG_CHAIN: 400,
  NOT_THE_TARGET: 400,
  RATE_LIMITED: 429,
};

const challenge = route({
  method: 'POST',
  path: '/v1/attestations/{node}/challenge',
  summary: 'Puts a challenge to a node’s enclave; the caller verifies the answer',
  params: { node: accountField('The node whose enclave is asked') },
  body: { challenge: base64Field('An encoded challenge', CHALLENGE_BYTES) },
  answer: jsonAnswer('ChallengeAnswer'),
  refusals: [429, 502],
  handle: async (context, { params, body, asker }) => {
    const answer = await context.challenge(asker, params.node, body.challenge);
    if (!answer.ok) throw new ApiError(STATUS_OF[answer.code] ?? 502, answer.code, answer.detail);
    return json({ answer: toBase64(answer.value) });
  },
});

export const ATTESTATION_ROUTES: readonly AnyRoute[] = [attestations, challenge];
