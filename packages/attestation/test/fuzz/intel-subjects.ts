/** Fuzzed Intel quotes: SGX and TDX of every version and of several statuses, with the collateral as JSON text. */

import type { SeededRandom } from '@cloister/crypto';
import { assert, concatBytes, parseUtf8, toBase64, toHex, utf8 } from '@cloister/encoding';
import { stepOf } from '../../src/evidence/verification-steps.ts';
import {
  type EndorsementCache,
  type IntelCollateral,
  parseIntelCollateral,
  parseIntelQuote,
  parsePem,
  verifyIntelQuote,
} from '../../src/index.ts';
import { simulatedIntelDevice, writeEnclaveReport, writeTdReport } from '../../src/simulated/index.ts';
import { signStatement } from '../../src/simulated/intel/collateral-writer.ts';
import { ANCHORS, AT_MS, collateral, LATEST, platform, VALIDITY } from '../formats/intel-fixture.ts';
import { seedOf } from '../formats/snp-fixture.ts';
import { mutateBytes, mutateJson, mutatePem, mutateText, oneOf, pick } from './mutate.ts';
import type { Attempt, Mutation, Target } from './target.ts';

function pem(chain: readonly Uint8Array[]): string {
  return chain
    .map(
      (der) =>
        `-----BEGIN CERTIFICATE-----\n${(toBase64(der).match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`,
    )
    .join('');
}

/** The collateral as the service's JSON. */
export function collateralMembers(value: IntelCollateral): { [name: string]: string } {
  const none = new Uint8Array();
  const { tcbInfo, qeIdentity } = value;
  return {
    tcb_info: parseUtf8(tcbInfo?.bytes ?? none) ?? '',
    tcb_info_signature: toHex(tcbInfo?.signature ?? none),
    tcb_info_issuer_chain: pem(tcbInfo?.issuerChain ?? []),
    qe_identity: parseUtf8(qeIdentity?.bytes ?? none) ?? '',
    qe_identity_signature: toHex(qeIdentity?.signature ?? none),
    qe_identity_issuer_chain: pem(qeIdentity?.issuerChain ?? []),
    pck_crl: toHex(value.pckCrl ?? none),
    root_ca_crl: toHex(value.rootCrl ?? none),
    pck_crl_issuer_chain: pem(value.pckCrlIssuerChain ?? []),
  };
}

interface Subject {
  readonly quote: Uint8Array;
  readonly members: { readonly [name: string]: string };
}

const processor = simulatedIntelDevice({ seed: seedOf(71), validity: VALIDITY, pckIssuer: 'processor-ca' });
const older = simulatedIntelDevice({
  seed: seedOf(72),
  validity: VALIDITY,
  components: [3, 3, 2, 2, 3, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0],
});
const DEBUG = Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0);

function subjectsOf(tee: 'sgx' | 'tdx'): readonly Subject[] {
  const members = collateralMembers(collateral(tee));
  const forProcessor = collateralMembers(collateral(tee, { pckIssuer: 'processor-ca', tcbEvaluationDataNumber: 20 }));
  if (tee === 'sgx') {
    const body = writeEnclaveReport({ mrEnclave: new Uint8Array(32).fill(1), reportData: new Uint8Array(64).fill(3) });
    const debug = writeEnclaveReport({ mrEnclave: new Uint8Array(32).fill(2), attributes: DEBUG });
    return [
      { quote: platform.quote({ version: 3, tee, body }), members },
      {
        quote: platform.quote({ version: 3, tee, body, authData: new Uint8Array(70).fill(9), qe: { isvSvn: 3 } }),
        members,
      },
      { quote: older.quote({ version: 4, tee, body }), members },
      { quote: processor.quote({ version: 5, tee, body }), members: forProcessor },
      { quote: platform.quote({ version: 3, tee, body: debug }), members },
    ];
  }
  const body = (teeTcbSvn: readonly number[], teeTcbSvn2?: readonly number[]): Uint8Array =>
    writeTdReport({ teeTcbSvn, teeTcbSvn2, mrTd: new Uint8Array(48).fill(2), reportData: new Uint8Array(64).fill(5) });
  return [
    { quote: platform.quote({ version: 4, tee, body: body(LATEST) }), members },
    { quote: platform.quote({ version: 5, tee, body: body([4, 1, 3]) }), members },
    { quote: platform.quote({ version: 5, tee, body: body(LATEST, LATEST) }), members },
    { quote: platform.quote({ version: 5, tee, body: body([4, 1, 3], LATEST) }), members },
    { quote: processor.quote({ version: 4, tee, body: body([5, 0, 3]) }), members: forProcessor },
    { quote: older.quote({ version: 4, tee, body: body(LATEST) }), members },
  ];
}

/** Hex of everything signed in a quote and its collateral, by what it is. */
function signedParts(quote: Uint8Array, from: IntelCollateral | undefined): readonly string[] {
  const parsed = parseIntelQuote(quote);
  if (!parsed.ok) return [];
  const { signed, qeReport, qeAuthData, attestationKey, certificationData } = parsed.value;
  const text = (parseUtf8(certificationData) ?? '').replace(/\0+$/, '');
  const statements = [from?.tcbInfo, from?.qeIdentity];
  const parts: readonly (readonly [string, Uint8Array | undefined])[] = [
    ['signed', signed],
    ['QE report', qeReport.bytes],
    ['QE authentication data', qeAuthData],
    ['attestation key', attestationKey],
    ...(parsePem(text, 'CERTIFICATE') ?? [undefined]).map((der) => ['certificate', der] as const),
    ...statements.flatMap((s) => [
      ['statement', s?.bytes] as const,
      ...(s?.issuerChain ?? []).map((der) => ['certificate', der] as const),
    ]),
    ['CRL', from?.rootCrl],
    ['CRL', from?.pckCrl],
    ...(from?.pckCrlIssuerChain ?? []).map((der) => ['certificate', der] as const),
  ];
  return parts.map(([name, bytes]) => `${name} ${bytes === undefined ? 'none' : toHex(bytes)}`);
}

/** A quote and its collateral, one of them changed. */
export interface IntelInput {
  /** Index of the original that it was made from. */
  readonly index: number;
  /** Changed before it was signed. */
  readonly resigned: boolean;
  readonly quote: Uint8Array;
  /** The service's JSON. */
  readonly text: Uint8Array;
}

/** Draws changed inputs of one TEE, and holds the unchanged ones. */
export class IntelInputs {
  readonly originals: readonly IntelInput[];
  readonly #tee: 'sgx' | 'tdx';
  readonly #subjects: readonly Subject[];
  readonly #others: readonly Subject[];

  constructor(tee: 'sgx' | 'tdx') {
    this.#tee = tee;
    this.#subjects = subjectsOf(tee);
    this.#others = subjectsOf(tee === 'sgx' ? 'tdx' : 'sgx');
    this.originals = this.#subjects.map(({ quote, members }, index) => ({
      index,
      resigned: false,
      quote,
      text: utf8(JSON.stringify(members)),
    }));
  }

  next(random: SeededRandom): IntelInput {
    const index = pick(random, this.#subjects.length);
    const original = this.originals[index] as IntelInput;
    const { quote, members } = this.#subjects[index] as Subject;
    const kind = pick(random, 100);
    if (kind < 1) {
      const parsed = parseIntelQuote(quote);
      assert(parsed.ok, 'the original is a quote');
      const { version, body } = parsed.value;
      const { bytes } = body.report;
      const changed = mutateBytes(bytes, random, bytes).slice(0, bytes.length);
      if (changed.length === bytes.length) {
        return { ...original, resigned: true, quote: platform.quote({ version, tee: this.#tee, body: changed }) };
      }
    }
    if (kind < 4) return { ...original, resigned: true, text: resignedText(members, random) };
    if (kind < 70) {
      let mutated = this.#mutatedQuote(quote, random);
      for (let i = pick(random, 3); i > 0; i--) mutated = mutateBytes(mutated, random, mutated);
      return { ...original, quote: mutated };
    }
    return { ...original, text: this.#mutatedText(members, random) };
  }

  #donor(random: SeededRandom): Subject {
    return oneOf(random, [...this.#subjects, ...this.#others]);
  }

  #mutatedQuote(quote: Uint8Array, random: SeededRandom): Uint8Array {
    const donor = this.#donor(random).quote;
    const parsed = parseIntelQuote(quote);
    if (!parsed.ok || pick(random, 4) > 0) return mutateBytes(quote, random, donor);
    const { certificationData, signed, version } = parsed.value;
    const start = quote.length - certificationData.length;
    const chain = utf8(mutatePem(parseUtf8(certificationData) ?? '', random));
    const mutated = concatBytes(quote.subarray(0, start), chain);
    if (pick(random, 2) === 0) return mutated;
    // With every length around the chain put right.
    const difference = chain.length - certificationData.length;
    const view = new DataView(mutated.buffer);
    const lengths = [start - 4, signed.length, ...(version === 3 ? [] : [signed.length + 4 + 128 + 2])];
    for (const at of lengths) view.setUint32(at, view.getUint32(at, true) + difference, true);
    return mutated;
  }

  #mutatedText(members: Subject['members'], random: SeededRandom): Uint8Array {
    const changed: { [name: string]: string } = { ...members };
    const names = Object.keys(changed);
    const name = oneOf(random, names);
    const value = changed[name] ?? '';
    const donor = this.#donor(random).members;
    switch (pick(random, 6)) {
      case 0:
        return mutateBytes(utf8(JSON.stringify(members)), random, utf8(JSON.stringify(donor)));
      case 1:
        return utf8(`${JSON.stringify(members).slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(value)}}`);
      case 2:
        changed[name] = donor[oneOf(random, [name, name, ...names])] ?? '';
        break;
      case 3:
        changed[name] = name.endsWith('chain') ? mutatePem(value, random) : mutateText(value, random).toWellFormed();
        break;
      case 4:
        if (name === 'tcb_info' || name === 'qe_identity') {
          changed[name] = JSON.stringify(mutateJson(JSON.parse(value), random));
        } else changed[name] = value.toUpperCase();
        break;
      default:
        return utf8(JSON.stringify(mutateJson(members, random)));
    }
    return utf8(JSON.stringify(changed));
  }
}

/** A statement changed and signed anew by the simulated signer, whose key is public. */
function resignedText(members: Subject['members'], random: SeededRandom): Uint8Array {
  const name = oneOf(random, ['tcb_info', 'qe_identity']);
  const text = members[name] ?? '{}';
  const isText = pick(random, 4) === 0;
  const changed = isText
    ? mutateText(text, random).toWellFormed()
    : JSON.stringify(mutateJson(JSON.parse(text), random));
  const { signature } = signStatement(changed);
  return utf8(JSON.stringify({ ...members, [name]: changed, [`${name}_signature`]: toHex(signature) }));
}

/** Quotes of one TEE as a fuzzing target. */
export function intelTarget(tee: 'sgx' | 'tdx', cache: EndorsementCache): Target {
  const inputs = new IntelInputs(tee);
  const readCollateral = (text: Uint8Array): IntelCollateral | undefined => {
    const parsed = parseIntelCollateral(text);
    return parsed.ok ? parsed.value : undefined;
  };
  // Most inputs leave the collateral alone.
  const genuine = new Map(inputs.originals.map(({ text }) => [text, readCollateral(text)]));
  const known = new Set(inputs.originals.flatMap(({ quote, text }) => signedParts(quote, genuine.get(text))));

  function attempt({ quote, text }: IntelInput): Attempt {
    const from = genuine.has(text) ? genuine.get(text) : readCollateral(text);
    const verified = verifyIntelQuote({ quote, collateral: from, trustAnchors: ANCHORS, atMs: AT_MS, cache });
    if (!verified.ok) return { code: verified.code, step: stepOf(tee, verified.code) };
    const { quote: accepted, ...rest } = verified.value;
    const { certificationData: _, ...fields } = accepted;
    return {
      code: undefined,
      print: { ...rest, quote: fields },
      foreign: signedParts(quote, from).filter((part) => !known.has(part)),
    };
  }

  const mutation = (input: IntelInput): Mutation => {
    const { index, resigned, quote, text } = input;
    return { index, resigned, input: { format: tee, quote, text }, run: () => attempt(input) };
  };
  return {
    name: tee,
    originals: inputs.originals.map(mutation),
    next: (random) => mutation(inputs.next(random)),
  };
}
