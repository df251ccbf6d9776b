/**
 * Quotes as the enclave makes and verifies them, against a platform that answers wrongly.
 */
import { type Attester, type CollectedEvidence, decodeEvidenceBundle, parseRuntimeData } from '@cloister/attestation';
import { simulatedCrl, simulatedSnpDevice } from '@cloister/attestation/simulated';
import { hash } from '@cloister/crypto';
import { asDigest, asMeasurement, fromHex } from '@cloister/encoding';
import { Chain, seed } from '@cloister/testkit/chain';
import { unwrap } from '@cloister/testkit/launched';
import { expect, it } from 'vitest';
import { attestForLedger, verifyQuote } from '../src/inside/attestation.ts';
import { EnclaveLightClient } from '../src/inside/light-client.ts';
import { createVault, type Vault } from '../src/inside/vault.ts';

const measurement = asMeasurement('5a'.repeat(48));
const launchDigest = fromHex(measurement);
const image = hash('test/image');
const now = Date.now();
const DAY_MS = 86_400_000;
const device = simulatedSnpDevice({
  seed: seed('device'),
  product: 'Genoa',
  validity: { notBeforeMs: now - 10 * DAY_MS, notAfterMs: now + 10 * DAY_MS },
});
const crl = simulatedCrl({
  product: 'Genoa',
  number: 1n,
  thisUpdateMs: now - DAY_MS,
  nextUpdateMs: now + DAY_MS,
});

const chain = new Chain({ measurement, image });
chain.block();
let drawn = 0;
const vault: Vault = createVault({ chainId: chain.chainId, nodeId: chain.node.id, image }, () =>
  seed(`key ${drawn++}`),
);
const lightClient = new EnclaveLightClient(chain.genesis, vault.identity);

/** A platform that gives what `change` makes of its honest answer. */
function platform(change: (honest: CollectedEvidence, reportData: Uint8Array) => CollectedEvidence): Attester {
  return {
    describe: async () => ({ platform: 'sev-snp', product: 'Genoa', simulated: true }),
    collect: async (reportData) => {
      const report = device.report({ reportData, measurement: launchDigest, hostData: fromHex(image) });
      const endorsements = { certificates: device.certificates, crls: [crl] };
      return change({ evidence: { platform: 'sev-snp', report }, endorsements }, reportData);
    },
  };
}

const attest = (attester: Attester): ReturnType<typeof attestForLedger> =>
  attestForLedger({ vault, lightClient, attester }, chain.finalityBytes());
const withReport = (honest: CollectedEvidence, report: Uint8Array): CollectedEvidence => ({
  ...honest,
  evidence: { platform: 'sev-snp', report },
});

it('says what it is, for the block that its light client proved', async () => {
  const bundle = unwrap(decodeEvidenceBundle(unwrap(await attest(platform((honest) => honest)))));
  expect(unwrap(parseRuntimeData(bundle.runtimeData))).toEqual({
    chain_id: chain.chainId,
    domain: 'cloister/report-data/v1',
    purpose: 'ledger',
    hpke_key: vault.hpkeKey,
    sign_key: vault.signKey,
    image,
    node_id: chain.node.id,
    nonce: chain.finality().certificate.proposition.blockHash,
    nonce_height: 1,
  });
  expect(verifyQuote(lightClient, bundle)).toMatchObject({ ok: true, value: { image } });
});

it.each<[string, Attester, string]>([
  [
    'over other data',
    platform((honest) =>
      withReport(
        honest,
        device.report({ reportData: new Uint8Array(64), measurement: launchDigest, hostData: fromHex(image) }),
      ),
    ),
    'QUOTE_DATA_MISMATCH',
  ],
  [
    'for another image',
    platform((honest, reportData) =>
      withReport(honest, device.report({ reportData, measurement: launchDigest, hostData: fromHex(hash('other')) })),
    ),
    'QUOTE_IMAGE_MISMATCH',
  ],
  ['that is no report', platform((honest) => withReport(honest, new Uint8Array(3))), 'QUOTE_MALFORMED'],
  [
    'changed after it was signed',
    platform((honest) => withReport(honest, flipped(honest.evidence.report, 0x90))),
    'QUOTE_NOT_TRUSTED',
  ],
  [
    'without a revocation list',
    platform((honest) => ({ ...honest, endorsements: { ...honest.endorsements, crls: [] } })),
    'QUOTE_NOT_TRUSTED',
  ],
])('does not hand on a quote %s', async (_, attester, code) => {
  expect(await attest(attester)).toMatchObject({ ok: false, code });
});

it('answers with a code when the platform fails', async () => {
  const failing: Attester = { ...platform((honest) => honest), collect: () => Promise.reject(new Error('no')) };
  expect(await attest(failing)).toEqual({ ok: false, code: 'PLATFORM_FAILED' });
});

it('has other keys and another keyset at every launch', () => {
  const other = createVault({ chainId: chain.chainId, nodeId: chain.node.id, image }, () => seed(`key ${drawn++}`));
  expect(other.identity.keyset).not.toBe(vault.identity.keyset);
  expect(asDigest(other.signKey)).not.toBe(vault.signKey);
});

function flipped(report: Uint8Array, at: number): Uint8Array {
  const changed = report.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}
