import { type AppraisalPolicy, appraise, decodeEvidenceBundle } from '@cloister/attestation';
import { parseBase64 } from '@cloister/encoding';
import { GENESIS, tenant, v0, v1, v2, v3 } from '@cloister/testkit';
import {
  everyPlatform,
  fork,
  intelEndorsements,
  machineEvidence,
  mixedChain,
  NEWER_MS,
  outOfDateLevel,
  setPolicy,
  submitEndorsements,
} from '@cloister/testkit/platforms';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writeX509 } from '../../../attestation/src/simulated/certificate-writer.ts';
import { intelAuthorityFields, intelAuthorityKey } from '../../../attestation/src/simulated/intel/intel-pki.ts';
import {
  type Attestation,
  eligible,
  type LedgerState,
  referenceValuesAt,
  settingsOf,
  stateDigest,
} from '../../src/index.ts';

/** What `appraise` says of a held attestation, under the policy in force, here and now. */
function appraisedNow(state: LedgerState, attestation: Attestation) {
  const { appraisalPolicy: policy, trustAnchors } = settingsOf(state);
  const bundle = decodeEvidenceBundle(parseBase64(attestation.bundle) ?? new Uint8Array());
  if (!bundle.ok) throw new Error(bundle.code);
  return appraise({
    bundle: bundle.value,
    referenceValues: referenceValuesAt(state, state.height),
    policy,
    trustAnchors,
    atMs: state.timeMs,
    crlFloors: state.crlFloors,
    statementFloors: state.statementFloors,
  });
}

describe('whatever is decided', () => {
  const { chain: start, enclaves } = mixedChain(everyPlatform());
  const base = GENESIS.appraisalPolicy;
  const policies = fc.record({
    acceptedStatuses: fc.constantFrom<AppraisalPolicy['acceptedStatuses']>(['UpToDate'], ['OutOfDate', 'UpToDate']),
    barredHardwareIds: fc.subarray(enclaves.map(({ machine }) => machine.hardwareId)),
    maxAgeBlocks: fc.constantFrom(3, 50, 60),
    refreshWindowBlocks: fc.constantFrom(4, 20),
    nonceWindowBlocks: fc.constantFrom(2, 10, 15),
    sevSnp: fc.constantFrom(base.sevSnp, null),
    sgx: fc.constantFrom(base.sgx, base.sgx && { ...base.sgx, minimumTcbEvaluationDataNumber: 20 }),
    tdx: fc.constantFrom(base.tdx, base.tdx && { ...base.tdx, barredFmspcs: [enclaves[3]?.machine.product ?? ''] }),
    nitro: fc.constantFrom(base.nitro, { imageSigners: ['ab'.repeat(48)] }),
  });
  const doings = fc.array(fc.tuple(policies, fc.nat(4), fc.boolean()), { minLength: 1, maxLength: 3 });

  test('no attestation that appraisal refuses under the policy in force is eligible, at any height', () => {
    fc.assert(
      fc.property(doings, (decisions) => {
        const chain = fork(start);
        for (const [changes, blocks, attests] of decisions) {
          const nodes = [v0, v1, v2, v3];
          const evidence = attests ? enclaves.map((enclave, i) => machineEvidence(chain, nodes[i] ?? v0, enclave)) : [];
          chain.block([setPolicy(chain, changes), ...evidence]);
          for (let i = 0; i <= blocks; i++) {
            for (const attestation of chain.state.attestations.values()) {
              const { height, timeMs } = chain.state;
              const answer = eligible({ state: chain.state, validator: attestation.node, height, timeMs });
              const appraised = appraisedNow(chain.state, attestation);
              if (!appraised.ok) expect(answer.eligible).toBe(false);
              // Nor is anyone evicted whom the policy in force at that height took.
              if (attestation.evicted?.height === height) expect(appraised.ok).toBe(false);
            }
            chain.block();
          }
        }
        const copy = fork(chain);
        expect(stateDigest(copy.state)).toBe(stateDigest(chain.state));
      }),
      { numRuns: 25 },
    );
  });

  /** Genuine sets in every odd form: in part, dated anyhow, of another evaluation, by the signer certified once more. */
  const submissions = fc.record({
    tee: fc.constantFrom('sgx' as const, 'tdx' as const),
    taken: fc.constantFrom<readonly number[]>([0, 1], [0], [1], []),
    laterMs: fc.constantFrom(0, 60_000, 120_000),
    number: fc.constantFrom(19, 20),
    crl: fc.constantFrom(1n, 1_000_000n, 1_000_001n),
    isOutOfDate: fc.boolean(),
    isRecertified: fc.boolean(),
    sender: fc.constantFrom(tenant, v1),
  });
  const recertified = writeX509({ ...intelAuthorityFields('tcb-signing'), serial: 99n }, intelAuthorityKey('root'));

  test('nor is any that rests on endorsements older than the newest seen, whatever is submitted in whatever order', () => {
    fc.assert(
      fc.property(fc.array(submissions, { minLength: 1, maxLength: 4 }), (sent) => {
        const chain = fork(start);
        for (const { tee, taken, laterMs, number, crl, isOutOfDate, isRecertified, sender } of sent) {
          const made = intelEndorsements(tee, {
            issuedMs: NEWER_MS + laterMs,
            tcbEvaluationDataNumber: number,
            crlNumber: crl,
            ...(isOutOfDate ? { platformLevels: [outOfDateLevel()] } : {}),
          });
          const statements = taken.flatMap((index) => made.statements?.[index] ?? []);
          // TCB info stands first; an identity alone cannot be told from it by its place.
          if (taken.length === 1 && taken[0] === 1) continue;
          const certificates = isRecertified ? made.certificates.with(0, recertified) : made.certificates;
          chain.block(submitEndorsements(chain, tee, { ...made, certificates, statements }, sender));
          for (const attestation of chain.state.attestations.values()) {
            const { height, timeMs } = chain.state;
            const answer = eligible({ state: chain.state, validator: attestation.node, height, timeMs });
            expect(answer.eligible).toBe(appraisedNow(chain.state, attestation).ok && attestation.evicted === null);
          }
        }
        expect(stateDigest(fork(chain).state)).toBe(stateDigest(chain.state));
      }),
      { numRuns: 30 },
    );
  });
});
