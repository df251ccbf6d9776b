/** `cloister attest verify`: appraises an SEV-SNP report against the vendor's roots, without a network and without a node. */
import { readFile } from 'node:fs/promises';
import { parsePem, VENDOR_ANCHORS, verifySnp } from '@cloister/attestation';
import type { JsonValue } from '@cloister/crypto';
import { type Command, listFlag, positional, textFlag, UsageError } from './command.ts';

async function readCertificates(paths: readonly string[]): Promise<Uint8Array[]> {
  const files = await Promise.all(paths.map(async (path) => ({ path, bytes: await readFile(path) })));
  return files.flatMap(({ path, bytes }) => {
    if (bytes[0] === 0x30) return [new Uint8Array(bytes)];
    const blocks = parsePem(bytes.toString('latin1'), 'CERTIFICATE');
    if (blocks === undefined) throw new UsageError(`${path} is neither DER nor PEM`);
    return [...blocks];
  });
}

export const attestVerify: Command = {
  name: 'attest verify',
  summary: "Verify an AMD SEV-SNP report against AMD's roots; exit 3 when it does not stand.",
  usage: '<report> --certificate FILE… [--crl FILE…] [--at TIME]',
  flags: {
    certificate: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      about: 'VCEK or VLEK, ASK or ASVK, ARK; DER or PEM.',
    },
    crl: { type: 'string', multiple: true, value: 'FILE', about: "AMD's revocation list of the product line, DER." },
    at: { type: 'string', value: 'TIME', about: 'Instant of the appraisal, ISO 8601; now.' },
  },
  positionals: { min: 1, max: 1 },
  async run(invocation) {
    const at = textFlag(invocation, 'at');
    const atMs = at === undefined ? Date.now() : Date.parse(at);
    if (Number.isNaN(atMs)) throw new UsageError('--at is an instant such as 2026-01-31T00:00:00Z');
    const crls = await Promise.all(
      listFlag(invocation, 'crl').map(async (path) => new Uint8Array(await readFile(path))),
    );
    const verified = verifySnp({
      report: new Uint8Array(await readFile(positional(invocation, 0))),
      endorsements: { certificates: await readCertificates(listFlag(invocation, 'certificate')), crls },
      trustAnchors: VENDOR_ANCHORS,
      atMs,
      requireCrl: crls.length > 0,
      allowMaskedChipId: true,
    });
    if (!verified.ok) {
      const { code, detail = '' } = verified;
      invocation.output.result({ verified: false, code, detail }, `refused: ${code} ${detail}`.trimEnd());
      return 3;
    }
    const revocation = crls.length > 0 ? 'checked' : 'NOT CHECKED: no --crl given';
    const report: JsonValue = JSON.parse(JSON.stringify(verified.value, toPlain));
    invocation.output.result(
      { verified: true, revocation, report },
      `verified: signature, certificate chain to AMD's root, and their binding\nrevocation: ${revocation}\n${JSON.stringify(report, null, 2)}`,
    );
    return 0;
  },
};

function toPlain(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}
