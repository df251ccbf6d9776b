/** What answers the calls of a validator, as `calls.ts` lists them. */
import { type EnclaveDescription, imageDigest, parseImageManifest } from '@cloister/confidential';
import { fail, mapResult, ok, parseAccountId, type Result } from '@cloister/encoding';
import { parseGenesis } from '@cloister/ledger';
import { ENCLAVE_CALLS } from '../calls.ts';
import { answersTo, nothing } from '../channel/call-table.ts';
import type { LaunchMessage } from '../channel/platform-messages.ts';
import type { CallHandler } from '../channel/rpc.ts';
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

  function describe(): EnclaveDescription {
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

  return ok(
    answersTo(ENCLAVE_CALLS, {
      describe: () => ok(describe()),
      'attest-ledger': async ({ finality }) => {
        const bundle = await attestForLedger(attestation, finality);
        hasAttested ||= bundle.ok;
        return mapResult(bundle, (bytes) => ({ bundle: bytes }));
      },
      'attest-challenge': async ({ challenge }) =>
        mapResult(await answerChallengeBytes(attestation, challenge), (answer) => ({ answer })),
      'prove-presence': ({ challenge }) => mapResult(provePresence(vault, challenge), (signature) => ({ signature })),
      refresh: ({ facts }) => mapResult(signOwnRefresh(attestation, facts), (statement) => ({ statement })),
      accept: ({ facts }) => {
        const shown = lightClient.show(facts);
        return mapResult(shown.ok ? lightClient.current() : shown, nothing);
      },
      'provision-begin': async (request) =>
        mapResult(await models.begin(request), (transfer) => ({ transfer: transfer ?? null })),
      'provision-piece': async ({ transfer, ciphertext }) =>
        mapResult(await models.piece(transfer, ciphertext), nothing),
      'provision-end': async ({ transfer }) => mapResult(await models.end(transfer), nothing),
      'run-inference': (request) => runInference(inference, request),
    }),
  );
}
