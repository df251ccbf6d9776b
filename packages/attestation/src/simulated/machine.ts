/**
 * A simulated machine of any platform from one seed: evidence in the true wire form, with the endorsements that its vendor's
 * service would give at that time.
 *
 * SIMULATED: whoever has the seed is the machine, and the vendors' keys are public. Endorsements are issued every week, for
 * all machines of a kind the same, so that they can be compared and renewed as real ones are.
 */

import { sha384 } from '@cloister/crypto';
import { assert, fromHex, type Measurement, toHex, utf8 } from '@cloister/encoding';
import {
  NITRO_IMAGE_PCR,
  nitroImageRegister,
  nitroMeasurement,
  sgxMeasurement,
  tdxMeasurement,
} from '../appraisal/reported-software.ts';
import { endorsementsOfCollateral } from '../endorsements/intel-endorsements.ts';
import type { CollectedEvidence } from '../evidence/attester.ts';
import type { Endorsements, Platform } from '../evidence/evidence.ts';
import type { SnpProduct } from '../formats/sev-snp/product.ts';
import { simulatedCrl } from './development-pki.ts';
import { simulatedCollateral } from './intel/collateral-writer.ts';
import { simulatedIntelDevice } from './intel/intel-device.ts';
import { writeEnclaveReport, writeTdReport } from './intel/report-writer.ts';
import { simulatedNitroEnclave } from './nitro/nitro-enclave.ts';
import { simulatedSnpDevice } from './snp-device.ts';

/** Certificates of simulated devices: 2025-01-01 to 2045-01-01, so that one seed has one certificate. */
const VALIDITY = { notBeforeMs: 1_735_689_600_000, notAfterMs: 2_366_841_600_000 };
const HOUR_MS = 3_600_000;
const DAY_MS: number = 24 * HOUR_MS;
const WEEK_MS: number = 7 * DAY_MS;
/** Endorsements are issued every week and hold for eight. */
const ENDORSED_WEEKS = 8;
/** New ones are used from this long after their issue on: block time may be behind the machine's clock. */
const ISSUE_DELAY_MS: number = DAY_MS;
/** A Nitro leaf begins this long before it is used, for the same reason, and lives three hours, as AWS' do. */
const NITRO_HEAD_START_MS: number = HOUR_MS;
const NITRO_LIFE_MS: number = 3 * HOUR_MS;
/** TDX module 1.6, microcode 3. */
const TEE_TCB_SVN: readonly number[] = [6, 1, 3];
const TCB_EVALUATION_DATA_NUMBER = 19;
/** Enclaves of one author. */
const SGX_SIGNER: Uint8Array = sha384(utf8('SIMULATED enclave author')).subarray(0, 32);

/** What a machine was told to run and to sign for. */
export interface SimulatedLaunch {
  /** 64 bytes. */
  readonly reportData: Uint8Array;
  /** SHA-384 of the image manifest: what the simulated base measures. */
  readonly launchDigest: Uint8Array;
  /** SHA-256 of the image manifest. */
  readonly image: Uint8Array;
}

export interface SimulatedMachine {
  readonly platform: Platform;
  /** As attestation results name it. */
  readonly product: string;
  readonly hardwareId: string;
  /** Evidence with endorsements as of `nowMs`. */
  collect(launch: SimulatedLaunch, nowMs: number): CollectedEvidence;
}

export interface SimulatedMachineOptions {
  /** At least 16 bytes; the same seed is the same machine. */
  readonly seed: Uint8Array;
  readonly platform: Platform;
  /** Product line of an SEV-SNP machine; Genoa when not given. */
  readonly product?: SnpProduct | undefined;
}

/** Makes a machine. */
export function simulatedMachine({ seed, platform, product = 'Genoa' }: SimulatedMachineOptions): SimulatedMachine {
  switch (platform) {
    case 'sev-snp':
      return snpMachine(seed, product);
    case 'sgx':
    case 'tdx':
      return intelMachine(seed, platform);
    case 'nitro':
      return nitroMachine(seed);
  }
}

/** The measurement that evidence of a simulated machine shows for an image with this launch digest. */
export function simulatedMeasurement(platform: Platform, launchDigest: Measurement): Measurement {
  const digest = fromHex(launchDigest);
  switch (platform) {
    case 'sev-snp':
      return launchDigest;
    case 'sgx':
      return sgxMeasurement({ mrEnclave: digest.subarray(0, 32), mrSigner: SGX_SIGNER, isvProdId: 0, isvSvn: 0 });
    case 'tdx': {
      const zero = new Uint8Array(48);
      return tdxMeasurement({ mrTd: digest, rtmrs: [zero, zero, zero, zero] });
    }
    case 'nitro':
      return nitroMeasurement(new Map([[0, digest]]));
  }
}

/** What `compute` answers for a period, kept until the next one. */
function eachPeriod<T>(compute: (period: number) => T): (period: number) => T {
  let kept: { readonly period: number; readonly value: T } | undefined;
  return (period) => {
    if (kept?.period !== period) kept = { period, value: compute(period) };
    return kept.value;
  };
}

/** Number of the newest week whose endorsements are in use. */
function endorsedWeek(nowMs: number): number {
  return Math.floor((nowMs - ISSUE_DELAY_MS) / WEEK_MS);
}

function weekTimes(week: number): { readonly issuedMs: number; readonly nextUpdateMs: number } {
  return { issuedMs: week * WEEK_MS, nextUpdateMs: (week + ENDORSED_WEEKS) * WEEK_MS };
}

function snpMachine(seed: Uint8Array, product: SnpProduct): SimulatedMachine {
  const device = simulatedSnpDevice({ seed, product, validity: VALIDITY });
  const crlOf = eachPeriod((week) => {
    const { issuedMs: thisUpdateMs, nextUpdateMs } = weekTimes(week);
    return simulatedCrl({ product, number: BigInt(week), thisUpdateMs, nextUpdateMs });
  });
  return {
    platform: 'sev-snp',
    product,
    hardwareId: device.hardwareId,
    collect: ({ reportData, launchDigest: measurement, image: hostData }, nowMs) => ({
      evidence: { platform: 'sev-snp', report: device.report({ reportData, measurement, hostData }) },
      endorsements: { certificates: device.certificates, crls: [crlOf(endorsedWeek(nowMs))] },
    }),
  };
}

function intelMachine(seed: Uint8Array, tee: 'sgx' | 'tdx'): SimulatedMachine {
  const device = simulatedIntelDevice({ seed, validity: VALIDITY });
  const { fmspc, pceId, components: sgx, pceSvn } = device.statement;
  const endorsementsOf = eachPeriod((week): Endorsements => {
    const collateral = simulatedCollateral({
      tee,
      ...weekTimes(week),
      crlNumber: BigInt(week),
      fmspc,
      pceId,
      tcbEvaluationDataNumber: TCB_EVALUATION_DATA_NUMBER,
      platformLevels: [{ sgx, tdx: TEE_TCB_SVN, pceSvn, status: 'UpToDate' }],
      moduleLevels: new Map([[TEE_TCB_SVN[1] ?? 0, [{ isvSvn: TEE_TCB_SVN[0] ?? 0, status: 'UpToDate' }]]]),
      qeLevels: [{ isvSvn: device.qeIsvSvn, status: 'UpToDate' }],
      pckIssuer: device.pckIssuer,
    });
    const endorsements = endorsementsOfCollateral(collateral);
    assert(endorsements.ok, 'simulated collateral is complete');
    return endorsements.value;
  });
  return {
    platform: tee,
    product: toHex(fmspc),
    hardwareId: device.hardwareId,
    collect: ({ reportData, launchDigest, image }, nowMs) => {
      const report =
        tee === 'sgx'
          ? device.quote({
              version: 3,
              tee,
              body: writeEnclaveReport({
                mrEnclave: launchDigest.subarray(0, 32),
                mrSigner: SGX_SIGNER,
                configId: image,
                reportData,
              }),
            })
          : device.quote({
              version: 5,
              tee,
              body: writeTdReport({
                teeTcbSvn: TEE_TCB_SVN,
                teeTcbSvn2: TEE_TCB_SVN,
                mrTd: launchDigest,
                mrConfigId: image,
                reportData,
              }),
            });
      return { evidence: { platform: tee, report }, endorsements: endorsementsOf(endorsedWeek(nowMs)) };
    },
  };
}

function nitroMachine(seed: Uint8Array): SimulatedMachine {
  const enclaveOf = eachPeriod((hour) => {
    const notBeforeMs = hour * HOUR_MS - NITRO_HEAD_START_MS;
    return simulatedNitroEnclave(seed, { notBeforeMs, notAfterMs: notBeforeMs + NITRO_LIFE_MS });
  });
  return {
    platform: 'nitro',
    product: 'nitro',
    hardwareId: simulatedNitroEnclave(seed, VALIDITY).hardwareId,
    collect: ({ reportData, launchDigest, image }, nowMs) => {
      const pcrs = new Map([
        [0, launchDigest],
        [NITRO_IMAGE_PCR, nitroImageRegister(image)],
      ]);
      const report = enclaveOf(Math.floor(nowMs / HOUR_MS)).document({
        pcrs,
        timestampMs: nowMs,
        userData: reportData,
      });
      return { evidence: { platform: 'nitro', report }, endorsements: { certificates: [], crls: [] } };
    },
  };
}
