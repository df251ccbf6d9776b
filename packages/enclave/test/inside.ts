/** The program of the enclave in this process, on a simulated machine and without an engine: for tests of what it refuses. */
import { simulatedMachine } from '@cloister/attestation/simulated';
import { encodeImageManifest, IMAGE_MANIFEST_SCHEMA, imageDigest, imageMeasurement } from '@cloister/confidential';
import { asMeasurement, type Digest, fromHex, type Measurement, type Result, toBase64 } from '@cloister/encoding';
import type { Chain } from '@cloister/testkit/chain';
import { seed } from '@cloister/testkit/chain';
import { unwrap } from '@cloister/testkit/launched';
import { DEFAULT_ENCLAVE_LIMITS } from '../../platform/src/index.ts';
import type { Payload } from '../src/channel/rpc.ts';
import { createEnclave } from '../src/inside/enclave.ts';
import type { PlatformLink } from '../src/inside/platform-link.ts';

const manifest = encodeImageManifest({
  schema: IMAGE_MANIFEST_SCHEMA,
  name: 'enclave',
  version: '1',
  svn: 1,
  debug: false,
  entry: 'enclave.mjs',
  node: { version: '20.0.0', sha384: asMeasurement('ab'.repeat(48)) },
  engine: { name: 'onnxruntime-node', version: '1.30.0' },
  files: [{ path: 'enclave.mjs', size: 1, sha384: asMeasurement('cd'.repeat(48)) }],
  limits: DEFAULT_ENCLAVE_LIMITS,
});

/** What a chain must allow for it. */
export const OWN: { readonly measurement: Measurement; readonly image: Digest } = {
  measurement: imageMeasurement(manifest),
  image: imageDigest(manifest),
};

export type Call = (method: string, ...parts: readonly Uint8Array[]) => Promise<Result<Payload>>;

/** Launches it with the keys of a run. */
export function launchInside(chain: Chain, run: string): Call {
  const machine = simulatedMachine({ seed: seed('device'), platform: 'sev-snp', product: 'Genoa' });
  const link = {
    describe: async () => ({ platform: 'sev-snp', product: 'Genoa', simulated: true }),
    collect: async (reportData: Uint8Array) => {
      const launch = { reportData, launchDigest: fromHex(OWN.measurement), image: fromHex(OWN.image) };
      return machine.collect(launch, chain.timeMs);
    },
    startEngine: () => Promise.reject(new Error('no engine')),
    stopEngine: () => undefined,
  } as unknown as PlatformLink;
  const said = { platform: 'sev-snp', product: 'Genoa', simulated: true, isolated: false } as const;
  const { measurement } = OWN;
  const launch = {
    type: 'launch',
    manifest,
    genesis: chain.genesis.bytes,
    nodeId: chain.node.id,
    measurement,
    ...said,
  } as const;
  const call = unwrap(createEnclave(launch, link, (length) => seed(`keys ${run} ${length}`).subarray(0, length)));
  return async (method, ...parts) => call(method, { head: {}, parts });
}

/** Evidence onto the ledger. */
export async function attest(chain: Chain, call: Call): Promise<void> {
  const [bundle = new Uint8Array()] = unwrap(await call('attest-ledger', chain.finalityBytes())).parts;
  chain.provable(chain.node, { kind: 'submit-attestation', payload: { bundle: toBase64(bundle) } });
}
