/**
 * Real quotes with what Intel really said about them, served as its service serves it.
 *
 * Third-party data that is read from ../shared beside the repository when present; otherwise the test is skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  endorsementNeeds,
  type Platform,
  parseIntelCollateral,
  VENDOR_ANCHORS,
  verifyIntelQuote,
} from '@cloister/attestation';
import { describe, expect, it } from 'vitest';
import { EndorsementSource, EndorsementStore, type FetchedAnswer } from '../../src/attesters/index.ts';
import { answer, pem, statementBody } from './vendor-services.ts';

interface VectorCase {
  readonly id: string;
  readonly evidence: string;
  readonly collateral?: string;
  readonly at: string | null;
}

const directory = fileURLToPath(new URL('../../../../../shared/vectors/attestation/', import.meta.url));
const present = existsSync(`${directory}manifest.json`);
if (!present) console.warn('SKIPPED: real attestation vectors, as ../shared/vectors/attestation is absent');

function read(file: string): Uint8Array {
  return new Uint8Array(readFileSync(`${directory}${file}`));
}

describe('real Intel collateral through the service', () => {
  it.skipIf(!present)('verifies with its quote exactly when it does without the service', async () => {
    const { cases } = JSON.parse(readFileSync(`${directory}manifest.json`, 'utf8')) as { cases: readonly VectorCase[] };
    const outcomes: boolean[] = [];
    for (const { id, evidence, collateral: file, at } of cases) {
      if (file === undefined || at === null || !evidence.startsWith('intel/')) continue;
      const quote = read(evidence);
      const platform: Platform = evidence.includes('/sgx-') ? 'sgx' : 'tdx';
      const parsed = parseIntelCollateral(read(file));
      if (!parsed.ok || !endorsementNeeds({ platform, report: quote }).ok) continue;
      const { tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuerChain } = parsed.value;
      if (!tcbInfo || !qeIdentity || !rootCrl || !pckCrl) continue;
      const chain = (certificates: readonly Uint8Array[]): string => encodeURIComponent(pem(certificates));
      const served: readonly (readonly [string, FetchedAnswer])[] = [
        ['/tcb?', answer(statementBody('tcbInfo', tcbInfo), { 'tcb-info-issuer-chain': chain(tcbInfo.issuerChain) })],
        [
          '/qe/identity',
          answer(statementBody('enclaveIdentity', qeIdentity), {
            'sgx-enclave-identity-issuer-chain': chain(qeIdentity.issuerChain),
          }),
        ],
        ['/pckcrl', answer(pckCrl, { 'sgx-pck-crl-issuer-chain': chain(pckCrlIssuerChain ?? tcbInfo.issuerChain) })],
        ['IntelSGXRootCA', answer(rootCrl)],
      ];
      const folder = await mkdtemp(join(tmpdir(), 'cloister-vectors-'));
      try {
        const source = new EndorsementSource({
          store: new EndorsementStore(folder),
          fetcher: {
            get: async (url) => served.find(([part]) => url.includes(part))?.[1] ?? answer(new Uint8Array(), {}, 404),
          },
          trustAnchors: VENDOR_ANCHORS,
        });
        const atMs = Date.parse(at);
        const direct = verifyIntelQuote({
          quote,
          collateral: { ...parsed.value, pckCrlIssuerChain: undefined },
          trustAnchors: VENDOR_ANCHORS,
          atMs,
        });
        const held = source.endorsementsFor({ platform, report: quote }, atMs);
        const outcome = await held.then(
          ({ validUntilMs }) => validUntilMs,
          ({ code }: { code: string }) => code,
        );
        if (direct.ok) expect(outcome, id).toBe(direct.value.validUntilMs);
        else
          expect(['ENDORSEMENTS_REFUSED', 'ANSWER_NOT_CURRENT', 'ANSWER_MALFORMED'], `${id} ${direct.code}`).toContain(
            outcome,
          );
        outcomes.push(direct.ok);
      } finally {
        await rm(folder, { recursive: true });
      }
    }
    expect(outcomes.filter((accepted) => accepted).length).toBeGreaterThan(10);
    expect(outcomes).toContain(false);
  });
});
