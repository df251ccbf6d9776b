import assert from 'node:assert/strict';
import { evidenceEndorsementsOf, verifyEvidence } from '@cloister/attestation';
import { SIMULATED_ANCHORS, simulatedAppraisalPolicy, simulatedMachine } from '@cloister/attestation/simulated';

// A simulated machine signs the real format under development keys that are in this repository.
const atMs = Date.UTC(2026, 0, 1);
const machine = simulatedMachine({ seed: new Uint8Array(16).fill(1), platform: 'sev-snp' });
const launch = { reportData: new Uint8Array(64), launchDigest: new Uint8Array(48), image: new Uint8Array(32) };
const { evidence, endorsements } = machine.collect(launch, atMs);

const question = {
  evidence: evidence.report,
  endorsements: evidenceEndorsementsOf(endorsements),
  requirements: simulatedAppraisalPolicy({ maxAgeBlocks: 100, refreshWindowBlocks: 50, nonceWindowBlocks: 10 }),
  trustAnchors: SIMULATED_ANCHORS,
  atMs,
};
assert.equal(verifyEvidence(question).refusal, undefined);
// A changed byte is refused by a code, and every step says what passed and what did not.
const changed = evidence.report.map((byte, index) => (index === 0x60 ? byte ^ 1 : byte));
assert.equal(verifyEvidence({ ...question, evidence: changed }).refusal?.code, 'REPORT_SIGNATURE');
