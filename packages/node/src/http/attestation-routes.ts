/** Routes over attestation: what the ledger accepted, with evidence to check for oneself, and challenges. */
import { CHALLENGE_BYTES } from '@cloister/attestation';
import { toBase64 } from '@cloister/crypto';
import { accountField, base64Field, integerField, withDefault } from './fields.ts';
import { cursorField, ID_CURSOR, listReply } from './ledger-routes.ts';
import { type AnyRoute, ApiError, json, jsonAnswer, route } from './route.ts';

/** Each carries about twenty kilobytes of evidence. */
const ATTESTATIONS_MAX = 200;

const attestations = route({
  method: 'GET',
  path: '/v1/attestations',
  summary: 'Accepted attestations with their evidence, standing and time left',
  group: 'ledger',
  cost: 4,
  query: {
    after: cursorField(ID_CURSOR),
    limit: withDefault(integerField('At most so many', { min: 1, max: ATTESTATIONS_MAX }), ATTESTATIONS_MAX),
  },
  answer: jsonAnswer('Attestations'),
  handle: ({ node, simulated }, { query }) =>
    listReply('attestations', query, simulated, (page) => node.attestations(page)),
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
  group: 'challenge',
  cost: 5,
  params: { node: accountField('The node whose enclave is asked') },
  body: { challenge: base64Field('An encoded challenge', CHALLENGE_BYTES) },
  answer: jsonAnswer('ChallengeAnswer'),
  refusals: [429, 502],
  handle: async ({ node }, { params, body, asker }) => {
    const answer = await node.challenge(asker, params.node, body.challenge);
    if (!answer.ok) throw new ApiError(STATUS_OF[answer.code] ?? 502, answer.code, answer.detail);
    return json({ answer: toBase64(answer.value) });
  },
});

export const ATTESTATION_ROUTES: readonly AnyRoute[] = [attestations, challenge];
