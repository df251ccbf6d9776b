/**
 * @cloister/enclave/attesters: evidence of real machines, and the endorsements that go with it.
 *
 * An entry of its own: it reaches files, sockets and the network, and belongs to the node, never into an enclave's image.
 */

export { AMD_KDS } from '../endorsements/amd-kds.ts';
export { EndorsementError, type EndorsementErrorCode } from '../endorsements/endorsement-error.ts';
export {
  type EndorsementServices,
  EndorsementSource,
  type EndorsementSourceOptions,
  type HeldEndorsements,
  serviceHosts,
  VENDOR_SERVICES,
} from '../endorsements/endorsement-source.ts';
export { EndorsementStore, type KeptAnswer } from '../endorsements/endorsement-store.ts';
export {
  type EndorsementFetcher,
  type FetchedAnswer,
  type HttpsFetcherOptions,
  httpsFetcher,
} from '../endorsements/fetcher.ts';
export { INTEL_SERVICE, type IntelService, type IntelUpdate } from '../endorsements/intel-pcs.ts';
export type { EndorsementNotice } from '../endorsements/kept-answers.ts';
export { AttesterError, type AttesterErrorCode } from './attester-error.ts';
export {
  type ConfigfsTsmOptions,
  configfsTsmSource,
  TSM_DIRECTORY,
  type TsmProvider,
  tsmProviderName,
} from './configfs-tsm.ts';
export { DSTACK_SOCKET, type DstackOptions, dstackSource } from './dstack-socket.ts';
export { EndorsingAttester, type EndorsingAttesterOptions } from './endorsing-attester.ts';
export type { EvidenceSource, RawEvidence } from './evidence-source.ts';
export {
  type AttestationWay,
  type AttestationWayName,
  findAttesters,
  type MachinePaths,
  type MachineProbe,
  NODE_MACHINE_PROBE,
} from './find-attesters.ts';
export {
  type CertificateTableCode,
  parseSnpCertificateTable,
  type SnpCertificateName,
  type SnpCertificateTable,
} from './snp-certificate-table.ts';
export { NODE_TSM_FILE_SYSTEM, type TsmFileSystem } from './tsm-file-system.ts';
