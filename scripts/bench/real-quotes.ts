/**
 * Real Intel quotes with Intel's collateral, each at its instant and under Intel's root: third-party vectors that are read
 * from `../shared/vectors/attestation` beside the repository when present. They are verified and held against requirements;
 * the runtime data and reference values that an appraisal compares besides are those of our own evidence only.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ConformanceCase, EndorsementCache, IntelCollateral } from '../../packages/attestation/src/index.ts';
import {
  CONFORMANCE_REQUIREMENTS,
  checkRequirements,
  parseConformanceManifest,
  parseIntelCollateral,
  parseIntelQuote,
  VENDOR_ANCHORS,
  verifyIntelQuote,
} from '../../packages/attestation/src/index.ts';
import { assert } from '../../packages/encoding/src/index.ts';
import { type Subject, subjectOf } from './appraisal-subject.ts';
import { type CollateralForm, dcapQvlParse, dcapQvlVerifier } from './dcap-qvl.ts';

const DIRECTORY = fileURLToPath(new URL('../../../shared/vectors/attestation/', import.meta.url));

interface Piece {
  readonly quote: Uint8Array;
  readonly json: Uint8Array;
  readonly form: CollateralForm;
  readonly collateral: IntelCollateral;
  readonly atMs: number;
}

function read(file: string): Uint8Array {
  return new Uint8Array(readFileSync(`${DIRECTORY}${file}`));
}

/** A case that a policy may accept, with one file of collateral; undefined for any other. */
function pieceOf(vector: ConformanceCase): Piece | undefined {
  const [file, ...others] = vector.endorsements;
  const { verdict } = vector.expect;
  if (vector.atMs === undefined || (verdict !== 'accept' && verdict !== 'policy')) return undefined;
  if (!vector.evidence.startsWith('intel/') || file === undefined || others.length > 0) return undefined;
  const [quote, json] = [read(vector.evidence), read(file)];
  const collateral = parseIntelCollateral(json);
  assert(collateral.ok, `${vector.id}: collateral`);
  const form = JSON.parse(new TextDecoder().decode(json)) as CollateralForm;
  return { quote, json, form, collateral: collateral.value, atMs: vector.atMs };
}

function verify(piece: Piece, collateral: IntelCollateral, cache?: EndorsementCache) {
  const { quote, atMs } = piece;
  const verified = verifyIntelQuote({ quote, collateral, trustAnchors: VENDOR_ANCHORS, atMs, cache });
  if (!verified.ok) return verified;
  const { value } = verified;
  return checkRequirements({ format: value.quote.body.tee, value }, CONFORMANCE_REQUIREMENTS);
}

/** One subject for each version of quotes among the vectors that both verifiers accept; none without the vectors. */
export function realQuoteSubjects(report: (text: string) => void): readonly Subject[] {
  if (!existsSync(`${DIRECTORY}manifest.json`)) {
    report('attestation: no real quotes, as ../shared/vectors/attestation is absent');
    return [];
  }
  const cases = parseConformanceManifest(read('manifest.json'));
  assert(cases.ok, 'the manifest of the vectors');
  const dcapQvl = dcapQvlVerifier(undefined);
  const acceptedByBoth = (piece: Piece): boolean => {
    try {
      dcapQvl(piece.quote, piece.form, piece.atMs);
      return verify(piece, piece.collateral).ok;
    } catch {
      return false;
    }
  };
  const pieces = cases.value
    .flatMap((vector) => ('unreadable' in vector ? [] : (pieceOf(vector) ?? [])))
    .filter(acceptedByBoth);
  return [
    { version: 3, name: 'SGX quotes v3' },
    { version: 4, name: 'TDX quotes v4' },
    { version: 5, name: 'TDX quotes v5' },
  ].flatMap(({ version, name }) => {
    const ofVersion = pieces.filter(({ quote }) => quote[0] === version);
    if (ofVersion.length === 0) {
      report(`attestation: no real ${name} among the vectors that dcap-qvl accepts as well`);
      return [];
    }
    return subjectOf(`${name}, real (cases: ${ofVersion.length})`, ofVersion, {
      cold: (piece) => {
        const collateral = parseIntelCollateral(piece.json);
        return collateral.ok ? verify(piece, collateral.value) : collateral;
      },
      warm: (piece, cache) => verify(piece, piece.collateral, cache),
      parse: ({ quote }) => parseIntelQuote(quote),
      dcapQvl: {
        verify: ({ quote, form, atMs }) => dcapQvl(quote, form, atMs),
        parse: ({ quote }) => dcapQvlParse(quote),
      },
    });
  });
}
