/** Every command, in the order in which help lists them. */
import { attestConformance } from './attest/attest-conformance.ts';
import { attestForecast } from './attest/attest-forecast.ts';
import { attestShow } from './attest/attest-show.ts';
import { attestVerify } from './attest/attest-verify.ts';
import type { CliCommand } from './command.ts';
import { events } from './network/events.ts';
import { genesisCreate, genesisShow, genesisValidate } from './network/genesis.ts';
import { infer } from './network/infer.ts';
import { modelGrant, modelList, modelPublish, modelRevoke, modelRevokeGrant } from './network/model.ts';
import { put } from './network/put.ts';
import { status } from './network/status.ts';
import { policyCheck, policyDiff } from './policy/policy-compare.ts';
import { policyShow } from './policy/policy-show.ts';
import { policyEndorsements, policyMeasurement, policyPropose } from './policy/policy-submit.ts';
import { configShow } from './process/config.ts';
import { enclaveBuild, enclaveInspect, enclaveMeasure, enclaveSign } from './process/enclave.ts';
import { init } from './process/init.ts';
import { keysAdd, keysList, keysShow } from './process/keys.ts';
import { joinNetwork, start } from './process/start.ts';
import { testnet } from './process/testnet.ts';
import { unsafeAllowSigning } from './process/unsafe-allow-signing.ts';
import { unsafeReset } from './process/unsafe-reset.ts';
import { version } from './process/version.ts';

export const COMMANDS: readonly CliCommand[] = [
  testnet,
  init,
  start,
  joinNetwork,
  status,
  events,
  put,
  infer,
  modelPublish,
  modelGrant,
  modelRevoke,
  modelRevokeGrant,
  modelList,
  keysAdd,
  keysList,
  keysShow,
  genesisCreate,
  genesisValidate,
  genesisShow,
  enclaveBuild,
  enclaveSign,
  enclaveMeasure,
  enclaveInspect,
  attestShow,
  attestVerify,
  attestForecast,
  attestConformance,
  policyShow,
  policyCheck,
  policyDiff,
  policyPropose,
  policyMeasurement,
  policyEndorsements,
  configShow,
  unsafeReset,
  unsafeAllowSigning,
  version,
];
