/**
 * An appraisal policy for chains under simulated anchors: every line with simulated devices' firmware, strict otherwise.
 */

import type { SgxRequirements } from '../formats/intel/requirements.ts';
import { ANY_SVNS } from '../formats/intel/requirements.ts';
import { APPRAISAL_POLICY_SCHEMA, type AppraisalPolicy } from '../policy/appraisal-policy.ts';
import { SIMULATED_TCBS } from './snp-device.ts';

const INTEL: SgxRequirements = {
  barredFmspcs: [],
  minimumTcbEvaluationDataNumber: 1,
  minimumComponents: ANY_SVNS,
  minimumPceSvn: 0,
  minimumQeIsvSvn: 0,
};

/** The ages are the network's choice, in blocks. */
export function simulatedAppraisalPolicy(
  ages: Pick<AppraisalPolicy, 'maxAgeBlocks' | 'refreshWindowBlocks' | 'nonceWindowBlocks'>,
): AppraisalPolicy {
  const { maxAgeBlocks, refreshWindowBlocks, nonceWindowBlocks } = ages;
  const { Milan, Genoa, Turin } = SIMULATED_TCBS;
  return {
    schema: APPRAISAL_POLICY_SCHEMA,
    acceptedStatuses: ['UpToDate'],
    acceptedAdvisories: [],
    barredHardwareIds: [],
    allowedHardwareIds: [],
    maxAgeBlocks,
    refreshWindowBlocks,
    nonceWindowBlocks,
    minimumDistinctPlatforms: 1,
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
    sgx: INTEL,
    tdx: {
      ...INTEL,
      minimumTeeTcbSvn: ANY_SVNS,
      allowMigration: false,
      allowServiceTd: false,
      requireSeptVeDisable: true,
      allowPerformanceMonitoring: false,
    },
    nitro: { imageSigners: [] },
  };
}
