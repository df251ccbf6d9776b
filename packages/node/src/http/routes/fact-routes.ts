/** What holds now, with its proof under the newest finalized header. */
import { toBase64 } from '@cloister/encoding';
import { FACT_KEY_LENGTH_MAX, type FactSubject, parseFactKey } from '@cloister/ledger';
import { FACTS_MAX } from '@cloister/proof';
import { ApiError } from '../api-error.ts';
import { textField } from './fields.ts';
import { type AnyRoute, json, jsonAnswer, route } from './route.ts';

function subjectsOf(text: string): readonly FactSubject[] {
  const keys = text.split(',');
  if (keys.length > FACTS_MAX) throw new ApiError(400, 'INVALID_PARAMETER', `at most ${FACTS_MAX} keys`);
  return keys.map((key) => {
    const subject = parseFactKey(key);
    if (subject === undefined) throw new ApiError(400, 'INVALID_PARAMETER', 'no key of a fact');
    return subject;
  });
}

const facts = route({
  method: 'GET',
  path: '/v1/proofs/facts',
  summary:
    'What the ledger holds now under the keys asked for, those that there are, with its proof for a light client',
  group: 'proof',
  cost: 4,
  query: {
    keys: textField(
      'rules, attestation/NODE, model/MODEL or grant/MODEL/KEYSET, separated by commas',
      FACTS_MAX * (FACT_KEY_LENGTH_MAX + 1),
      '^[a-z0-9/,]+$',
    ),
  },
  answer: jsonAnswer('FactsProof'),
  refusals: [404],
  handle: async ({ node }, { query }) => {
    const proof = await node.facts(subjectsOf(query.keys));
    if (proof === undefined) throw new ApiError(404, 'NOT_PROVABLE', 'no finalized header vouches for it yet');
    return json({ proof: toBase64(proof) });
  },
});

export const FACT_ROUTES: readonly AnyRoute[] = [facts];
