/**
 * TCB statuses of Intel platforms and the rules by which those of several parts become one.
 *
 * Source: Intel SGX/TDX DCAP Quote Verification Library, sections 4.1.2.5.1 (evaluation) and 4.1.2.5.1.20 (relaunch).
 */

/** Statuses that TCB levels of platforms carry. */
export const PLATFORM_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;

/** Statuses that TCB levels of the quoting enclave and of the TDX module carry. */
export const COMPONENT_STATUSES = ['UpToDate', 'OutOfDate', 'Revoked'] as const;

export type PlatformStatus = (typeof PLATFORM_STATUSES)[number] | 'TcbNotSupported';
export type ComponentStatus = (typeof COMPONENT_STATUSES)[number] | 'TcbNotSupported';

/** Status of a quote as a whole. */
export type IntelTcbStatus = PlatformStatus | 'TDRelaunchAdvised' | 'TDRelaunchAdvisedConfigurationNeeded';

/** Every status, the best first. */
export const INTEL_TCB_STATUSES: readonly IntelTcbStatus[] = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
  'TcbNotSupported',
];

export function isIntelTcbStatus(value: unknown): value is IntelTcbStatus {
  return INTEL_TCB_STATUSES.some((status) => status === value);
}

/** The platform's status once that of a component (TDX module, quoting enclave) is taken into account. */
export function convergeStatus(platform: PlatformStatus, component: ComponentStatus): PlatformStatus {
  if (platform === 'TcbNotSupported' || component === 'TcbNotSupported') return 'TcbNotSupported';
  if (component === 'Revoked') return 'Revoked';
  if (component === 'UpToDate') return platform;
  switch (platform) {
    case 'UpToDate':
    case 'SWHardeningNeeded':
      return 'OutOfDate';
    case 'ConfigurationNeeded':
    case 'ConfigurationAndSWHardeningNeeded':
      return 'OutOfDateConfigurationNeeded';
    case 'OutOfDate':
    case 'OutOfDateConfigurationNeeded':
    case 'Revoked':
      return platform;
  }
}

/**
 * The status of a TD 1.5 whose module and microcode may have been updated under it: `launch` by its SVNs at launch,
 * `current` by those of now. One that was out of date and no longer is had better be launched anew.
 */
export function relaunchStatus(launch: PlatformStatus, current: PlatformStatus): IntelTcbStatus {
  if (current === 'TcbNotSupported') return 'TcbNotSupported';
  if (launch !== 'OutOfDate' && launch !== 'OutOfDateConfigurationNeeded') return launch;
  switch (current) {
    case 'UpToDate':
    case 'SWHardeningNeeded':
      return launch === 'OutOfDate' ? 'TDRelaunchAdvised' : 'TDRelaunchAdvisedConfigurationNeeded';
    case 'ConfigurationNeeded':
    case 'ConfigurationAndSWHardeningNeeded':
      return 'TDRelaunchAdvisedConfigurationNeeded';
    case 'OutOfDate':
    case 'OutOfDateConfigurationNeeded':
    case 'Revoked':
      return launch;
  }
}
