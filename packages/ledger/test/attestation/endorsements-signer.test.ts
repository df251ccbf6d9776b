/** Endorsements that are genuine and odd: certified twice, signed by another key, in part, ahead of what the network goes by. */
import { type Endorsements, type SignedText, withNewerEndorsements } from '@cloister/attestation';
import { signEcdsa } from '@cloister/crypto';
import { parseUtf8, utf8 } from '@cloister/encoding';
import { eventOf, tenant, typesOf, v0, v1, v3 } from '@cloister/testkit';
import {
  eligibleNodes,
  fork,
  intelEndorsements,
  mixedChain,
  NEWER_MS,
  outOfDateLevel,
  setPolicy,
  submitEndorsements,
} from '@cloister/testkit/platforms';
import { describe, expect, test } from 'vitest';
import { writeX509 } from '../../../attestation/src/simulated/certificate-writer.ts';
import {
  deriveP256Key,
  intelAuthorityFields,
  intelAuthorityKey,
  spkiOf,
} from '../../../attestation/src/simulated/intel/intel-pki.ts';
import { projectAttestation } from '../../src/index.ts';

const { chain: mixed } = mixedChain();
const fields = intelAuthorityFields('tcb-signing');
const root = intelAuthorityKey('root');
const otherKey = deriveP256Key(utf8('another signer of Intel, SIMULATED'), 'tcb-signing');

/** The signer's key once more, certified until an instant. */
function certifiedUntil(notAfterMs: number): Uint8Array {
  const validity = { notBeforeMs: fields.validity.notBeforeMs, notAfterMs };
  return writeX509({ ...fields, serial: 99n, validity }, root);
}

function by(signer: Uint8Array, endorsements: Endorsements, statements: readonly SignedText[]): Endorsements {
  return { ...endorsements, certificates: endorsements.certificates.with(0, signer), statements };
}

function statementsOf(endorsements: Endorsements): readonly [SignedText, SignedText] {
  const [tcbInfo, qeIdentity] = endorsements.statements ?? [];
  if (tcbInfo === undefined || qeIdentity === undefined) throw new Error('Intel endorsements have two statements');
  return [tcbInfo, qeIdentity];
}

function resigned({ bytes }: SignedText): SignedText {
  const { curve, hash, secretKey } = otherKey;
  return { bytes, signature: signEcdsa({ curve, hash, secretKey, message: utf8(parseUtf8(bytes) ?? '') }) };
}

function detailOf(execution: Parameters<typeof eventOf>[0]): string {
  return eventOf(execution, 'TransactionRejected').detail;
}

describe('a signer that is certified twice', () => {
  test('hides no TCB recovery: TCB info alone reaches whom it is about', () => {
    const chain = fork(mixed);
    const recovery = intelEndorsements('tdx', { platformLevels: [outOfDateLevel()], tcbEvaluationDataNumber: 19 });
    const [tcbInfo] = statementsOf(recovery);
    const soon = certifiedUntil(chain.state.timeMs + 3_600_000);
    const execution = chain.block(submitEndorsements(chain, 'tdx', by(soon, recovery, [tcbInfo])));
    expect(eventOf(execution, 'AttestationEvicted')).toMatchObject({ node: v3.id, code: 'TCB_STATUS_NOT_ACCEPTED' });
  });

  test('costs nobody a standing, now or at the next change of policy, and shortens nobody’s validity', () => {
    const chain = fork(mixed);
    for (const tee of ['sgx', 'tdx'] as const) {
      const renewed = intelEndorsements(tee, {
        tcbEvaluationDataNumber: 19,
        crlNumber: tee === 'sgx' ? 8n ** 7n : 8n ** 8n,
      });
      const [tcbInfo] = statementsOf(renewed);
      const soon = certifiedUntil(chain.state.timeMs + 3_600_000);
      chain.block(submitEndorsements(chain, tee, by(soon, renewed, [tcbInfo])));
    }
    expect(eligibleNodes(chain)).toHaveLength(4);
    const { validUntilMs = 0 } = projectAttestation(chain.state, v3.id) ?? {};
    expect(validUntilMs - chain.state.timeMs).toBeGreaterThan(20 * 86_400_000);
    chain.block(setPolicy(chain, { maxAgeBlocks: 40 }));
    expect(eligibleNodes(chain)).toHaveLength(4);
  });
});

test('a chain that ends sooner cannot keep out the one that lasts longer', () => {
  const chain = fork(mixed);
  const renewed = intelEndorsements('tdx', { tcbEvaluationDataNumber: 19 });
  const soon = certifiedUntil(chain.state.timeMs + 3_600_000);
  const held = by(soon, renewed, statementsOf(renewed));
  const bundle = { evidence: { platform: 'tdx', report: new Uint8Array() }, runtimeData: new Uint8Array() } as const;
  expect(withNewerEndorsements({ ...bundle, endorsements: held }, renewed)).toMatchObject({ outcome: 'merged' });
  expect(withNewerEndorsements({ ...bundle, endorsements: renewed }, held)).toEqual({ outcome: 'untouched' });
  chain.block(submitEndorsements(chain, 'tdx', held, tenant));
  expect(detailOf(chain.block(submitEndorsements(chain, 'tdx', renewed, tenant)))).toBe('');
  expect(eligibleNodes(chain)).toHaveLength(4);
});

describe('a signer with another key', () => {
  const signer = writeX509({ ...fields, serial: 98n, spki: spkiOf(otherKey) }, root);
  const renewed = intelEndorsements('tdx', { tcbEvaluationDataNumber: 19 });
  const [tcbInfo, qeIdentity] = statementsOf(renewed).map(resigned) as [SignedText, SignedText];

  test('replaces both statements at once', () => {
    const chain = fork(mixed);
    const execution = chain.block(submitEndorsements(chain, 'tdx', by(signer, renewed, [tcbInfo, qeIdentity])));
    expect(typesOf(execution)).toContain('AttestationReappraised');
    expect(eligibleNodes(chain)).toHaveLength(4);
  });

  test('is refused with one alone, and takes nobody’s standing by what it leaves out', () => {
    const chain = fork(mixed);
    const floors = new Map(chain.state.statementFloors);
    expect(detailOf(chain.block(submitEndorsements(chain, 'tdx', by(signer, renewed, [tcbInfo]))))).toBe(
      'SIGNER_CHANGED',
    );
    expect(chain.state.statementFloors).toEqual(floors);
    expect(eligibleNodes(chain)).toHaveLength(4);
  });
});

describe('a later evaluation', () => {
  const ahead = intelEndorsements('tdx', { platformLevels: [outOfDateLevel()], tcbEvaluationDataNumber: 20 });

  test('is for attested nodes and governance to bring, not for any account', () => {
    const chain = fork(mixed);
    expect(detailOf(chain.block(submitEndorsements(chain, 'tdx', ahead, tenant)))).toBe('EVALUATION_AHEAD');
    expect(eligibleNodes(chain)).toHaveLength(4);
    for (const sender of [v0, v1]) {
      const execution = fork(chain).block(submitEndorsements(chain, 'tdx', ahead, sender));
      expect(typesOf(execution)).toContain('AttestationEvicted');
    }
    // At the evaluation that the network goes by, anybody may bring what is newer.
    const same = intelEndorsements('tdx', { tcbEvaluationDataNumber: 19 });
    expect(typesOf(chain.block(submitEndorsements(chain, 'tdx', same, tenant)))).toContain('EndorsementsAccepted');
  });

  test('is not for any account to bring of a processor that nobody uses yet', () => {
    const chain = fork(mixed);
    const unseen = intelEndorsements('tdx', {
      fmspc: Uint8Array.of(0x30, 0x80, 0x6f, 0, 0, 0),
      tcbEvaluationDataNumber: 19,
    });
    expect(detailOf(chain.block(submitEndorsements(chain, 'tdx', unseen, tenant)))).toBe('EVALUATION_AHEAD');
    expect([...chain.state.statementFloors.keys()]).not.toContain('tcb-info/TDX/30806f000000');
  });

  test('is not for a node that was evicted', () => {
    const chain = fork(mixed);
    const { hardwareId } = projectAttestation(chain.state, v1.id) ?? {};
    chain.block(setPolicy(chain, { barredHardwareIds: [hardwareId ?? ''] }));
    expect(eligibleNodes(chain)).not.toContain(v1.id);
    expect(detailOf(chain.block(submitEndorsements(chain, 'tdx', ahead, v1)))).toBe('EVALUATION_AHEAD');
  });
});

test('what a merge cannot do it says, rather than leave the older statement', () => {
  const renewed = intelEndorsements('tdx', { tcbEvaluationDataNumber: 19 });
  const later = intelEndorsements('tdx', { tcbEvaluationDataNumber: 19, issuedMs: NEWER_MS + 60_000 });
  const signer = writeX509({ ...fields, serial: 97n, spki: spkiOf(otherKey) }, root);
  const [tcbInfo] = statementsOf(later).map(resigned);
  if (tcbInfo === undefined) throw new Error('a statement');
  const evidence = { platform: 'tdx', report: new Uint8Array() } as const;
  const bundle = { evidence, runtimeData: new Uint8Array(), endorsements: renewed };
  expect(withNewerEndorsements(bundle, by(signer, later, [tcbInfo]))).toEqual({ outcome: 'SIGNER_CHANGED' });
});
