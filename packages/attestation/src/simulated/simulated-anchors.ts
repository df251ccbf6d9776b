/**
 * The roots of the simulated platforms, for genesis files that say so.
 *
 * Apart from the keys, so that whoever only compares pins does not carry them.
 */
import { asDigest } from '@cloister/encoding';
import type { TrustAnchors } from '../policy/trust-anchors.ts';

/** Trust in these means trust in nobody: their keys are public. */
export const SIMULATED_ANCHORS: TrustAnchors = {
  simulated: true,
  roots: [
    {
      platform: 'sev-snp',
      product: 'Milan',
      spkiSha256: asDigest('9ef22f9c0e02859ed6c8390b04bb8397c50b19066a28d6a1d36d999f99826e08'),
    },
    {
      platform: 'sev-snp',
      product: 'Genoa',
      spkiSha256: asDigest('beea200ace9ecdf5ab00b3e5300f890a1bbe8db2e8e0a417c2d79ffcae526d85'),
    },
    {
      platform: 'sev-snp',
      product: 'Turin',
      spkiSha256: asDigest('063baf44781bae34f869d4956a63cad775a6d15148ec9dfdc3a8255fb005ff3c'),
    },
    {
      platform: 'sgx-tdx',
      spkiSha256: asDigest('81c7d096a01bf040366c408f9511c4a756902f2e0c05974e692987685df1ef3a'),
    },
    {
      platform: 'nitro',
      spkiSha256: asDigest('a2318574263e58b97b8ff889ba2435c60f3545f848bbac72ad3cd47766dd2888'),
    },
  ],
};
