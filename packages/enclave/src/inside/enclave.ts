/**
 * The calls that a validator can make of its enclave.
 *
 * Methods: `describe`; `attest-ledger` (finality), `attest-challenge` and `prove-presence` (challenge), `refresh` and `accept`
 * (facts), `provision-begin` (authority of the grant, manifest; answers with the name of a transfer, null for a model that is
 * loaded), `provision-piece` {transfer} (ciphertext), `provision-end` {transfer}; `run-inference` (authority of the request,
 * payload). Parts are the bytes in this order. The validator's word is never taken: whatever matters comes with its proof.
 */
import { imageDigest, parseImageManifest } from '@cloister/confidential';
import { fail, type JsonValue, ok, parseAccountId, type Result } from '@cloister/encoding';
import { parseGenesis } from '@cloister/ledger';
import type { LaunchMessage } from '../channel/platform-messages.ts';
import { type CallHandler, headOnly, type Payload, partsOnly } from '../channel/rpc.ts';
import { AnsweredTasks } from './answered-tasks.ts';
import { answerChallengeBytes, attestForLedger, provePresence, signOwnRefresh } from './attestation.ts';
import { EnginePool } from './engine-pool.ts';
import { type InferenceContext, ResultCache, runInference } from './inference.ts';
import { EnclaveLightClient } from './light-client.ts';
import { Models } from './models.ts';
import type { PlatformLink } from './platform-link.ts';
import { createVault } from './vault.ts';

/** Engine processes at a time: one for each model that is loaded. */
const ENGINES_MAX = 16;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** The handler of an enclave that was launched with this message, or why it cannot be one. */
export function createEnclave(
  launch: LaunchMessage,
  platform: PlatformLink,
  random: (length: number) => Uint8Array,
): Result<CallHandler, 'LAUNCH_MANIFEST' | 'LAUNCH_GENESIS' | 'LAUNCH_NODE'> {
  const manifest = parseImageManifest(launch.manifest);
  const genesis = parseGenesis(launch.genesis);
  const nodeId = parseAccountId(launch.nodeId);
  if (!manifest.ok) return fail('LAUNCH_MANIFEST');
  if (!genesis.ok) return fail('LAUNCH_GENESIS');
  if (nodeId === undefined) return fail('LAUNCH_NODE');
  const { limits, engine, name, version } = manifest.value;
  const image = imageDigest(launch.manifest);
  const vault = createVault({ chainId: genesis.value.chainId, nodeId, image }, random);
  const lightClient = new EnclaveLightClient(genesis.value, vault.identity);
  const engines = new EnginePool(platform, limits.runMsMax, ENGINES_MAX, () => performance.now());
  const models = new Models({ vault, lightClient, engines, limits, engine });
  const [results, answered] = [new ResultCache(), new AnsweredTasks()];
  const inference: InferenceContext = { vault, lightClient, models, limits, engine, results, answered };
  const attestation = { vault, lightClient, attester: platform };
  let hasAttested = false;

  function describe(): JsonValue {
    return {
      nodeId: vault.identity.nodeId,
      platform: launch.platform,
      simulated: genesis.ok && genesis.value.genesis.trustAnchors.simulated,
      isolated: launch.isolated,
      measurement: launch.measurement,
      image,
      imageName: name,
      imageVersion: version,
      keyset: vault.identity.keyset,
      hpkeKey: vault.hpkeKey,
      signKey: vault.signKey,
      phase: lightClient.current().ok ? 'serving' : hasAttested ? 'attested' : 'launched',
      trustedHeight: lightClient.height,
      models: [...models.ids],
    };
  }

  function bytesResult(result: Result<Uint8Array>): Result<Payload> {
    return result.ok ? ok(partsOnly(result.value)) : result;
  }

  return ok(async (method, { head, parts }) => {
    const [first = NO_BYTES, second = NO_BYTES] = parts;
    switch (method) {
      case 'describe':
        return ok(headOnly(describe()));
      case 'attest-ledger': {
        const evidence = await attestForLedger(attestation, first);
        hasAttested ||= evidence.ok;
        return bytesResult(evidence);
      }
      case 'attest-challenge':
        return bytesResult(await answerChallengeBytes(attestation, first));
      case 'prove-presence':
        return bytesResult(provePresence(vault, first));
      case 'refresh':
        return bytesResult(signOwnRefresh(attestation, first));
      case 'accept': {
        const shown = lightClient.show(first);
        const stands = shown.ok ? lightClient.current() : shown;
        return stands.ok ? ok(partsOnly()) : stands;
      }
      case 'provision-begin': {
        const begun = await models.begin({ authority: first, manifest: second });
        return begun.ok ? ok(headOnly(begun.value ?? null)) : begun;
      }
      case 'provision-piece': {
        const taken = await models.piece(String(head), first);
        return taken.ok ? ok(partsOnly()) : taken;
      }
      case 'provision-end': {
        const provisioned = await models.end(String(head));
        return provisioned.ok ? ok(partsOnly()) : provisioned;
      }
      case 'run-inference': {
        const result = await runInference(inference, { authority: first, payload: second });
        return result.ok ? ok(partsOnly(result.value.receipt, result.value.response)) : result;
      }
      default:
        return fail('METHOD_UNKNOWN');
    }
  });
}
