/**
 * Simulated machines of every platform on a test chain, and endorsements that their vendors issue later.
 */
import {
  type AppraisalPolicy,
  appraisalPolicyToJson,
  type Endorsements,
  type Evidence,
  encodeEndorsements,
  encodeEvidenceBundle,
  endorsementsOfCollateral,
  PLATFORMS,
  type Platform,
  reportDataFor,
} from '@cloister/attestation';
import {
  type SimulatedCollateral,
  type SimulatedCrl,
  type SimulatedMachine,
  type SimulatedPlatformLevel,
  simulatedCollateral,
  simulatedCrl,
  simulatedIntelDevice,
  simulatedMachine,
  simulatedMeasurement,
} from '@cloister/attestation/simulated';
import { type Ed25519KeyPair, x25519KeyPair } from '@cloister/crypto';
import { assert, fromHex, toBase64, toHex } from '@cloister/encoding';
import { decodeState, eligible, encodeState, type ParsedGenesis, type Transaction } from '@cloister/ledger';
import {
  Chain,
  deviceOf,
  type EnclaveKeys,
  GENESIS,
  genesisWith,
  IMAGE,
  keyOf,
  MEASUREMENT,
  seed,
  v0,
  v1,
  v2,
  v3,
  validators,
} from './index.ts';

const DAY_MS = 86_400_000;
/** Of the simulated machines' own endorsements: some days before the genesis. */
export const NEWER_MS: number = GENESIS.timeMs - DAY_MS / 2;
const DEVICE_VALIDITY = { notBeforeMs: 1_735_689_600_000, notAfterMs: 2_366_841_600_000 };

export interface MachineEnclave extends EnclaveKeys {
  readonly machine: SimulatedMachine;
}

function machineSeed(node: Ed25519KeyPair): Uint8Array {
  return seed(`machine ${node.id}`);
}

export function machineEnclave(node: Ed25519KeyPair, platform: Platform): MachineEnclave {
  return {
    node: node.id,
    machine: simulatedMachine({ seed: machineSeed(node), platform }),
    sign: keyOf(`sign ${platform} ${node.id}`),
    hpkeKey: toHex(x25519KeyPair(seed(`hpke ${platform} ${node.id}`)).publicKey),
    image: IMAGE,
    measurement: simulatedMeasurement(platform, MEASUREMENT),
  };
}

/** A submit-attestation of a machine with the newest block as its nonce; with other endorsements on request. */
export function machineEvidence(
  chain: Chain,
  node: Ed25519KeyPair,
  enclave: MachineEnclave,
  endorsements?: (own: Endorsements, evidence: Evidence) => Endorsements,
): Transaction {
  const runtimeData = chain.runtimeData(enclave);
  const launch = {
    reportData: reportDataFor(runtimeData),
    launchDigest: fromHex(MEASUREMENT),
    image: fromHex(enclave.image),
  };
  const collected = enclave.machine.collect(launch, chain.state.timeMs);
  const { evidence } = collected;
  const bundle = encodeEvidenceBundle({
    evidence,
    runtimeData,
    endorsements: endorsements?.(collected.endorsements, evidence) ?? collected.endorsements,
  });
  return chain.transaction(node, 'submit-attestation', { bundle: toBase64(bundle) });
}

/** One image on every platform, decided by v0 alone; changes of the policy and of parameters wait three blocks. */
export function everyPlatform(changes: Parameters<typeof genesisWith>[0] = {}): ParsedGenesis {
  return genesisWith({
    params: { ...GENESIS.params, measurementDelay: 3 },
    governance: { members: [v0.id], threshold: 1 },
    referenceValues: PLATFORMS.map((platform) => ({
      platform,
      measurement: simulatedMeasurement(platform, MEASUREMENT),
      image: IMAGE,
      name: platform,
    })),
    ...changes,
  });
}

export interface MixedChain {
  readonly chain: Chain;
  /** By the platforms in ascending order: v0 is on nitro, v1 on sev-snp, v2 on sgx, v3 on tdx. */
  readonly enclaves: readonly MachineEnclave[];
}

/** A chain of four validators, one on each platform, all accepted at height 2. */
export function mixedChain(genesis: ParsedGenesis = everyPlatform()): MixedChain {
  const chain = new Chain(genesis);
  chain.block();
  const enclaves = PLATFORMS.map((platform, index) => machineEnclave(validators[index] ?? v0, platform));
  chain.block(enclaves.map((enclave, index) => machineEvidence(chain, validators[index] ?? v0, enclave)));
  assert(chain.state.attestations.size === PLATFORMS.length, 'every platform is accepted');
  return { chain, enclaves };
}

/** Another chain in the same state, which goes its own way. */
export function fork(chain: Chain): Chain {
  const copy = new Chain(chain.genesis);
  const state = decodeState(encodeState(chain.state));
  assert(state.ok, 'a state decodes');
  copy.state = state.value;
  copy.log.length = 0;
  copy.log.push(...chain.log);
  return copy;
}

/** An approval of the policy in force with some members changed. */
export function setPolicy(chain: Chain, changes: Partial<AppraisalPolicy>, sender: Ed25519KeyPair = v0): Transaction {
  const current = chain.state.network?.appraisalPolicy;
  assert(current !== undefined, 'founded');
  return chain.transaction(sender, 'set-policy', { policy: appraisalPolicyToJson({ ...current, ...changes }) });
}

export function submitEndorsements(
  chain: Chain,
  platform: 'sev-snp' | 'sgx' | 'tdx',
  endorsements: Endorsements,
  sender: Ed25519KeyPair = v1,
): Transaction {
  const bytes = encodeEndorsements(endorsements);
  return chain.transaction(sender, 'submit-endorsements', { platform, endorsements: toBase64(bytes) });
}

const lists = new Map<string, Endorsements>();

/** AMD's newer revocation list of Genoa, with its root; made once, as signing it takes long. */
export function snpEndorsements(changes: Partial<SimulatedCrl> = {}): Endorsements {
  const key = JSON.stringify(changes, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  const made = lists.get(key) ?? makeSnpEndorsements(changes);
  lists.set(key, made);
  return made;
}

function makeSnpEndorsements(changes: Partial<SimulatedCrl>): Endorsements {
  const crl = simulatedCrl({
    product: 'Genoa',
    number: 1_000_000n,
    thisUpdateMs: NEWER_MS,
    nextUpdateMs: NEWER_MS + 90 * DAY_MS,
    ...changes,
  });
  return { certificates: deviceOf('any').certificates.slice(1), crls: [crl] };
}

/** Intel's newer collateral for the simulated line, which stands alone. */
export function intelEndorsements(tee: 'sgx' | 'tdx', changes: Partial<SimulatedCollateral> = {}): Endorsements {
  const device = simulatedIntelDevice({ seed: machineSeed(v0), validity: DEVICE_VALIDITY });
  const { fmspc, pceId, components, pceSvn } = device.statement;
  const made = endorsementsOfCollateral(
    simulatedCollateral({
      tee,
      issuedMs: NEWER_MS,
      nextUpdateMs: NEWER_MS + 90 * DAY_MS,
      crlNumber: 1_000_000n,
      fmspc,
      pceId,
      tcbEvaluationDataNumber: 20,
      platformLevels: [{ sgx: components, tdx: [6, 1, 3], pceSvn, status: 'UpToDate' }],
      moduleLevels: new Map([[1, [{ isvSvn: 6, status: 'UpToDate' }]]]),
      qeLevels: [{ isvSvn: device.qeIsvSvn, status: 'UpToDate' }],
      pckIssuer: device.pckIssuer,
      ...changes,
    }),
  );
  assert(made.ok, 'collateral is complete');
  const issuer = device.certificates[1];
  assert(issuer !== undefined, 'a chain of three');
  return { ...made.value, certificates: [...made.value.certificates, issuer] };
}

/** Serial number of the PCK certificate of a node's machine. */
export function pckSerialOf(node: Ed25519KeyPair): bigint {
  return simulatedIntelDevice({ seed: machineSeed(node), validity: DEVICE_VALIDITY }).serial;
}

/** Which of the four validators may execute now. */
export function eligibleNodes(chain: Chain): readonly string[] {
  const { height, timeMs } = chain.state;
  return [v0, v1, v2, v3]
    .map(({ id }) => id)
    .filter((validator) => eligible({ state: chain.state, validator, height, timeMs }).eligible);
}

/** A level that every platform reaches, and that is out of date. */
export function outOfDateLevel(): SimulatedPlatformLevel {
  return { sgx: [0], tdx: [0], pceSvn: 0, status: 'OutOfDate' };
}
