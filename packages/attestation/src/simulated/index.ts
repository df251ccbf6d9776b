/**
 * @cloister/attestation/simulated: simulated platforms' keys, certificates and signing.
 *
 * An entry of its own, so that verifiers (browsers, enclave images) never carry the development keys.
 */
export type { EcKey, Validity } from './certificate-writer.ts';
export type { DevelopmentAuthority } from './development-keys.ts';
export { type SimulatedCrl, simulatedCrl } from './development-pki.ts';
export {
  type SimulatedCollateral,
  type SimulatedComponentLevel,
  type SimulatedPlatformLevel,
  simulatedCollateral,
} from './intel/collateral-writer.ts';
export {
  type SimulatedIntelDevice,
  type SimulatedIntelDeviceOptions,
  type SimulatedQuoteFields,
  simulatedIntelDevice,
} from './intel/intel-device.ts';
export {
  type PckStatement,
  type SimulatedIntelCrl,
  simulatedIntelAnchors,
  simulatedIntelCrl,
} from './intel/intel-pki.ts';
export { type EnclaveFields, type TdFields, writeEnclaveReport, writeTdReport } from './intel/report-writer.ts';
export {
  type SimulatedLaunch,
  type SimulatedMachine,
  type SimulatedMachineOptions,
  simulatedMachine,
  simulatedMeasurement,
} from './machine.ts';
export {
  type NitroVariation,
  type SimulatedNitroEnclave,
  type SimulatedNitroFields,
  simulatedNitroAnchors,
  simulatedNitroEnclave,
} from './nitro/nitro-enclave.ts';
export { SIMULATED_ANCHORS } from './simulated-anchors.ts';
export { simulatedAppraisalPolicy } from './simulated-policy.ts';
export {
  SIMULATED_TCBS,
  type SimulatedSnpDevice,
  type SimulatedSnpDeviceOptions,
  simulatedSnpDevice,
} from './snp-device.ts';
export {
  SIMULATED_GUEST_POLICY,
  SIMULATED_PLATFORM_INFO,
  type SimulatedReportFields,
} from './snp-report-writer.ts';
