/** Routes over attestation: what the ledger accepted, with evidence to check for oneself, and challenges. */
import { CHALLENGE_REQUEST_BYTES_MAX } from '@cloister/attestation';
import { toBase64 } from '@cloister/encoding';
import { ApiError } from '../api-error.ts';
import { accountField, base64Field, defaultedField, integerField } from './fields.ts';
import { cursorField, ID_CURSOR, listReply } from './ledger-routes.ts';
import { type AnyRoute, json, jsonAnswer, route } from './route.ts';

/** Each carries about twenty kilobytes of evidence. */
const ATTESTATIONS_MAX = 200;

const attestations = route({
  method: 'GET',
  path: '/v1/attestations',
  summary: 'Accepted attestations with their evidence, eligibility and time left',
  group: 'ledger',
  cost: 4,
  query: {
    after: cursorField(ID_CURSOR),
    limit: defaultedField(integerField('At most so many', { min: 1, max: ATTESTATIONS_MAX }), ATTESTATIONS_MAX),
  },
  answer: jsonAnswer('Attestations'),
  handle: ({ node, simulated }, { query }) =>
    listReply('attestations', query, simulated, (page) => node.attestations(page)),
});

/** Seconds to wait when another node has no answer left for the asker. */
const PEER_WAIT_S = 5;

const STATUS_OF: { readonly [code: string]: number } = {
  CHALLENGE_MALFORMED: 400,
  WRONG_CHAIN: 400,
  NOT_THE_TARGET: 400,
  CHALLENGE_UNSIGNED: 403,
  NODE_UNKNOWN: 404,
  RATE_LIMITED: 429,
};

const challenge = route({
  method: 'POST',
  path: '/v1/attestations/{node}/challenge',
  summary: 'Puts a challenge to a node’s enclave; the caller verifies the answer',
  group: 'challenge',
  cost: 5,
  params: { node: accountField('The node whose enclave is asked') },
  body: {
    challenge: base64Field(
      'An encoded challenge, alone or followed by its challenger’s signature',
      CHALLENGE_REQUEST_BYTES_MAX,
    ),
  },
  answer: jsonAnswer('ChallengeAnswer'),
  refusals: [403, 404, 429, 502],
  handle: async ({ node }, { params, body, asker }) => {
    const answer = await node.challenge(asker, params.node, body.challenge);
    if (!answer.ok) {
      // A peer that refuses says no more than its code.
      const waitS = answer.code === 'RATE_LIMITED' ? Number(answer.detail ?? PEER_WAIT_S) : undefined;
      const more = waitS === undefined ? {} : { retryAfterS: waitS };
      throw new ApiError(STATUS_OF[answer.code] ?? 502, answer.code, answer.detail, more);
    }
    return json({ answer: toBase64(answer.value) });
  },
});

export const ATTESTATION_ROUTES: readonly AnyRoute[] = [attestations, challenge];
