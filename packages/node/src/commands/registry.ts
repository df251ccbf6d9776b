/** Every command, in the order in which help lists them. */
import { attestConformance } from './attest-conformance.ts';
import { attestForecast } from './attest-forecast.ts';
import { attestShow } from './attest-show.ts';
import { attestVerify } from './attest-verify.ts';
import type { Command } from './command.ts';
import { configShow } from './config.ts';
import { enclaveBuild, enclaveInspect, enclaveMeasure, enclaveSign } from './enclave.ts';
import { events } from './events.ts';
import { genesisCreate, genesisShow, genesisValidate } from './genesis.ts';
import { infer } from './infer.ts';
import { init } from './init.ts';
import { keysAdd, keysList, keysShow } from './keys.ts';
import { modelGrant, modelList, modelPublish, modelRevoke, modelRevokeGrant } from './model.ts';
import { policyCheck, policyDiff } from './policy-compare.ts';
import { policyShow } from './policy-show.ts';
import { policyEndorsements, policyMeasurement, policyPropose } from './policy-submit.ts';
import { put } from './put.ts';
import { joinNetwork, start } from './start.ts';
import { status } from './status.ts';
import { testnet } from './testnet.ts';
import { unsafeAllowSigning } from './unsafe-allow-signing.ts';
import { unsafeReset } from './unsafe-reset.ts';
import { version } from './version.ts';

export const COMMANDS: readonly Command[] = [
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
