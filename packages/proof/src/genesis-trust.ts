/**
 * Where trust begins: the light client of a genesis.
 */
import { type LightClientState, trustGenesis } from '@cloister/consensus';
import { genesisValidatorSet, type ParsedGenesis } from '@cloister/ledger';

/** A light client that trusts the validator set of a genesis and knows nothing later. */
export function lightClientOf(parsed: ParsedGenesis): LightClientState {
  const { genesis, chainId } = parsed;
  return trustGenesis({ chainId, validators: genesisValidatorSet(genesis), timestampMs: genesis.timeMs });
}
