/**
 * An appraisal policy for chains under simulated anchors: every line with simulated devices' firmware, strict otherwise.
 */
import { APPRAISAL_POLICY_SCHEMA, type AppraisalPolicy } from '../appraisal-policy.ts';
import { SIMULATED_TCBS } from './snp-device.ts';

/** The ages are the network's choice, in blocks. */
export function simulatedAppraisalPolicy(
  ages: Pick<AppraisalPolicy, 'maxAgeBlocks' | 'refreshWindowBlocks' | 'nonceWindowBlocks'>,
): AppraisalPolicy {
  const { maxAgeBlocks, refreshWindowBlocks, nonceWindowBlocks } = ages;
  const { Milan, Genoa, Turin } = SIMULATED_TCBS;
  return {
    schema: APPRAISAL_POLICY_SCHEMA,
    acceptedStatuses: ['UpToDate'],
    barredHardwareIds: [],
    maxAgeBlocks,
    refreshWindowBlocks,
    nonceWindowBlocks,
    sevSnp: {
      products: {
        Milan: { minimumTcb: Milan, upToDateTcb: Milan },
        Genoa: { minimumTcb: Genoa, upToDateTcb: Genoa },
        Turin: { minimumTcb: Turin, upToDateTcb: Turin },
      },
      requireCrl: true,
      allowVlek: false,
      allowMaskedChipId: false,
      allowMigrationAgent: false,
      maximumVmpl: 0,
      requireAliasCheck: true,
      requireCiphertextHiding: false,
      refuseSmt: false,
      idKeyDigests: [],
    },
  };
}
