/**
 * A host that shows its enclave true proofs, and leaves out what was decided since. Everything here is what the ledger decided and
 * validators signed; only what the host shows of it, and when, is its own choice.
 */
import { appraisalPolicyToJson } from '@cloister/attestation';
import { encodeModelManifest, type Tensor } from '@cloister/confidential';
import { toBase64 } from '@cloister/encoding';
import { encodeAuthorityProof, encodeFactsProof } from '@cloister/proof';
import { Chain, type Order } from '@cloister/testkit/chain';
import { grant, type PublishedModel, publish, request, type TenantRequest, unwrap } from '@cloister/testkit/launched';
import { beforeEach, describe, expect, it } from 'vitest';
import { attest, type Call, launchInside, OWN } from './inside.ts';

let chain: Chain;
let call: Call;
let model: PublishedModel;
let tenant: TenantRequest;
/** Made before anything was taken back, and kept by the host. */
let old: { readonly facts: Uint8Array; readonly grant: Uint8Array; readonly request: Uint8Array };

const input: Tensor = { name: 'image', datatype: 'FP32', shape: [1, 784], data: new Uint8Array(784 * 4) };

beforeEach(async () => {
  chain = new Chain({ ...OWN, refreshWindowBlocks: 60 });
  chain.block();
  call = launchInside(chain, 'first');
  await attest(chain, call);
  model = await publish(chain, OWN.image);
  await grant(chain, model);
  tenant = await request(chain, model, [input], 'one');
  old = {
    facts: chain.factsBytes(),
    grant: chain.authorityOf('ModelKeyGrantAuthorised'),
    request: chain.authorityOf('InferenceRequested'),
  };
});

const manifest = (): Uint8Array => encodeModelManifest(model.manifest);
const provision = (authority: Uint8Array) => call('provision-begin', authority, manifest());
const run = (authority: Uint8Array) => call('run-inference', authority, tenant.sealed.payload);
const newest = () => ({
  grant: chain.authorityOf('ModelKeyGrantAuthorised'),
  request: chain.authorityOf('InferenceRequested'),
});

/** Expects that neither the model's key nor the request is opened, and why. */
async function refuses(shown: { readonly grant: Uint8Array; readonly request: Uint8Array }, code: string) {
  expect(await provision(shown.grant)).toMatchObject({ ok: false, code });
  expect(await run(shown.request)).toMatchObject({ ok: false, code });
}

function measurement(status: 'revoked' | 'grace-until', graceUntilHeight: number | null): Order {
  const pair = { platform: 'sev-snp', ...OWN, name: 'enclave' } as const;
  return { kind: 'set-measurement', payload: { ...pair, status, graceUntilHeight } } as Order;
}

function bar(): Order {
  const policy = chain.state.network?.appraisalPolicy;
  if (policy === undefined) throw new Error('founded');
  const { hardwareId } = chain.last('AttestationAccepted');
  return {
    kind: 'set-policy',
    payload: { policy: appraisalPolicyToJson({ ...policy, barredHardwareIds: [hardwareId] }) },
  };
}

const ofOwner = {
  'the revocation of the model': [
    'MODEL_REVOKED',
    () => chain.provable(chain.owner, { kind: 'revoke-model', payload: { model: model.id } }),
  ],
  'the revocation of the grant': [
    'MODEL_GRANT_REVOKED',
    () => {
      const { keyset } = chain.last('AttestationAccepted');
      chain.provable(chain.owner, { kind: 'revoke-grant', payload: { model: model.id, keyset } });
    },
  ],
} as const;
const ofNetwork = {
  'the revocation of its measurement': [
    'MEASUREMENT_REVOKED',
    () => chain.provable(chain.node, measurement('revoked', null)),
  ],
  'the end of its measurement’s grace': [
    'MEASUREMENT_GRACE_ENDED',
    () => {
      const until = chain.height + 3;
      chain.provable(chain.node, measurement('grace-until', until));
      while (chain.height <= until) chain.block();
    },
  ],
  'a bar on its hardware': ['EVICTED', () => chain.provable(chain.node, bar())],
  'its lapse': ['NOT_REFRESHED', () => lapse()],
} as const;

function lapse(): void {
  const { aliveUntilHeight } = chain.last('AttestationAccepted');
  while (chain.height <= aliveUntilHeight) chain.block();
}

const cases = [...Object.entries(ofNetwork), ...Object.entries(ofOwner)].map(
  ([what, [code, decide]]) => [what, code, decide] as const,
);

it('an honest host’s proofs open a model’s key and a request', async () => {
  unwrap(await call('accept', old.facts));
  expect(unwrap(await provision(old.grant)).head).toEqual({ transfer: '0' });
  // Without an engine there is no model: what is refused here was authorised.
  expect(await run(old.request)).toMatchObject({ code: 'MODEL_NOT_GRANTED' });
});

describe.each(cases)('a host that hides %s', (_, code, decide) => {
  it('opens nothing under a header that knows of it', async () => {
    decide();
    await refuses(newest(), code);
  });

  it.each(['request', 'grant'] as const)('cannot go back once the proof of a %s told of it', async (by) => {
    decide();
    const open = by === 'request' ? run : provision;
    expect(await open(newest()[by])).toMatchObject({ code });
    expect(await open(old[by])).toMatchObject({ code: 'HEADER_NOT_NEWEST' });
  });

  it('cannot go back to proofs from before, once any newer header was shown', async () => {
    decide();
    expect((await call('attest-ledger', chain.finalityBytes())).ok).toBe(true);
    await refuses(old, 'HEADER_NOT_NEWEST');
    expect(await call('accept', old.facts)).toMatchObject({ code: 'HEADER_NOT_NEWEST' });
    expect(await call('refresh', old.facts)).toMatchObject({ code: 'HEADER_NOT_NEWEST' });
  });

  it('cannot show the facts from before under a newer header', async () => {
    const { documents } = chain.facts();
    decide();
    const mixed = (type: 'ModelKeyGrantAuthorised' | 'InferenceRequested') =>
      encodeAuthorityProof({ ...chain.authority(type), documents });
    // A lapse changes no fact: time alone ends an attestation.
    const expected = code === 'NOT_REFRESHED' ? code : 'FACT_NOT_INCLUDED';
    await refuses({ grant: mixed('ModelKeyGrantAuthorised'), request: mixed('InferenceRequested') }, expected);
  });
});

it.each(Object.entries(ofNetwork))(
  '%s is told to the enclave, which says that it does not serve',
  async (_, [code, decide]) => {
    const phase = async () => unwrap(await call('describe')).head;
    unwrap(await call('accept', old.facts));
    expect(await phase()).toMatchObject({ phase: 'serving' });
    decide();
    expect(await call('accept', chain.factsBytes())).toMatchObject({ code });
    expect(await phase()).toMatchObject({ phase: 'attested' });
  },
);

describe('a host that leaves out', () => {
  it.each([
    ['the rules', 'rules', 'RULES_NOT_SHOWN'],
    ['the attestation', 'attestation', 'ATTESTATION_NOT_SHOWN'],
    ['the model', 'model', 'MODEL_NOT_SHOWN'],
    ['the grant', 'grant', 'GRANT_NOT_SHOWN'],
  ])('%s opens nothing', async (_, about, code) => {
    const less = (type: 'ModelKeyGrantAuthorised' | 'InferenceRequested') => {
      const proof = chain.authority(type);
      const documents = proof.documents.filter(({ subject }) => subject.about !== about);
      return encodeAuthorityProof({ ...proof, documents });
    };
    await refuses({ grant: less('ModelKeyGrantAuthorised'), request: less('InferenceRequested') }, code);
    if (about !== 'rules' && about !== 'attestation') return;
    const { finality, documents } = chain.facts();
    const facts = encodeFactsProof({ finality, documents: documents.filter(({ subject }) => subject.about !== about) });
    expect(await call('accept', facts)).toMatchObject({ code });
    expect(await call('refresh', facts)).toMatchObject({ code });
  });
});

describe('a host with proofs that are true elsewhere', () => {
  it('gains nothing by another chain', async () => {
    const own = { ...chain.facts(), call };
    const other = new Chain({ ...OWN, refreshWindowBlocks: 61 });
    other.block();
    await attest(other, launchInside(other, 'first'));
    while (other.height < chain.height) other.block();
    const foreign = encodeFactsProof(other.facts());
    expect(await call('accept', foreign)).toMatchObject({ code: 'FINALITY_REFUSED' });
    // Its documents under the own header are in no tree of this chain.
    const { documents } = other.facts();
    const mixed = encodeFactsProof({ finality: own.finality, documents });
    expect(await call('accept', mixed)).toMatchObject({ code: 'FACT_NOT_INCLUDED' });
    await refuses(
      {
        grant: encodeAuthorityProof({ ...chain.authority('ModelKeyGrantAuthorised'), finality: other.finality() }),
        request: encodeAuthorityProof({ ...chain.authority('InferenceRequested'), finality: other.finality() }),
      },
      'FINALITY_REFUSED',
    );
  });

  it('gains nothing by facts of a height below the request', async () => {
    const height = chain.height - 1;
    const early = { ...chain.authority('InferenceRequested'), ...chain.facts(height) };
    expect(await run(encodeAuthorityProof(early))).toMatchObject({ code: 'INDEX_BEYOND_LOG' });
  });

  it('gains nothing by an older grant that the owner replaced', async () => {
    const replaced = chain.authority('ModelKeyGrantAuthorised');
    await grant(chain, model);
    const facts = chain.facts();
    const { index, recordBytes } = replaced;
    const proof = chain.pathOf(index);
    const again = encodeAuthorityProof({ ...facts, index, recordBytes, proof });
    expect(await provision(again)).toMatchObject({ code: 'GRANT_REPLACED' });
    expect((await provision(newest().grant)).ok).toBe(true);
  });

  it('gains nothing by a restart: its new keys are in no grant, no request and no attestation', async () => {
    call = launchInside(chain, 'second');
    await refuses(old, 'KEYSET_NOT_OWN');
    expect(await call('accept', old.facts)).toMatchObject({ code: 'KEYSET_NOT_OWN' });
    await attest(chain, call);
    unwrap(await call('accept', chain.factsBytes()));
    await refuses(newest(), 'KEYSET_NOT_OWN');
    await refuses(old, 'HEADER_NOT_NEWEST');
  });

  it('signs no sign of life about evidence that the ledger does not hold', async () => {
    const statement = unwrap(await call('refresh', chain.factsBytes())).parts[0] ?? new Uint8Array();
    chain.provable(chain.node, { kind: 'refresh-attestation', payload: { statement: toBase64(statement) } });
    const second = launchInside(chain, 'second');
    expect(await second('refresh', chain.factsBytes())).toMatchObject({ code: 'KEYSET_NOT_OWN' });
  });
});
