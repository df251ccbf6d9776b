/**
 * Proof of facts: what the ledger holds *now* about policy, attestations, models and grants (@cloister/ledger `facts.ts`), by a
 * finality proof of a header and the path from each document to the root of facts that the header commits.
 *
 * An event proof shows that something happened; only this shows that it was not taken back up to the header's lastFinal.
 * "Now" is as new as the header is: whoever relies on it compares the header's time with a clock, or its height with what it
 * knows already.
 */
import {
  acceptHeader,
  encodeFinalityProof,
  type FinalityProof,
  type Header,
  type LightClientState,
} from '@cloister/consensus';
import { KEYED_PROOF_HASHES_MAX, type KeyedTree, keyedEntry, verifyKeyedEntry } from '@cloister/crypto';
import {
  assert,
  type ByteReader,
  ByteWriter,
  DecodeError,
  decodeWith,
  equalBytes,
  fail,
  ok,
  type Result,
} from '@cloister/encoding';
import {
  FACT_BYTES_MAX,
  FACT_KEY_LENGTH_MAX,
  type Fact,
  type FactSubject,
  factKey,
  parseFact,
  parseFactKey,
  type RulesFact,
} from '@cloister/ledger';
import { FINALITY_BYTES_MAX, readFinality } from './event-proof.ts';

/** Facts of one proof: rules, a model, and attestation and grant of each of the most executors that a request can name. */
export const FACTS_MAX = 40;
/** Bytes of encoded documents: the rules once, every other document with up to 24 KiB, and the paths. */
export const DOCUMENTS_BYTES_MAX: number = FACT_BYTES_MAX + FACTS_MAX * (24 * 1024 + 32 * KEYED_PROOF_HASHES_MAX) + 64;
export const FACTS_PROOF_BYTES_MAX: number = FINALITY_BYTES_MAX + DOCUMENTS_BYTES_MAX;

export interface ProvenDocument {
  readonly subject: FactSubject;
  readonly document: Uint8Array;
  /** 32 bytes each, from the root down. */
  readonly path: readonly Uint8Array[];
}

export interface FactsProof {
  readonly finality: FinalityProof;
  readonly documents: readonly ProvenDocument[];
}

export interface VerifiedFacts {
  /** The light client after the proof's header; never behind the one that was given. */
  readonly lightClient: LightClientState;
  /** The facts hold in the state after its lastFinal. */
  readonly header: Header;
  /** In the order of the proof. */
  readonly facts: readonly Fact[];
}

export type HeaderCode =
  /** The header is not final for this light client; `detail` is the light client's code. */
  | 'FINALITY_REFUSED'
  /** The header is older than one that this light client knows: what holds now is not in it. */
  | 'HEADER_NOT_NEWEST';

export type FactCode = 'FACT_NOT_INCLUDED' | 'FACT_MALFORMED';

export type FactsProofCode = HeaderCode | FactCode;

/** The documents of subjects in a tree, those that are there. */
export function documentsOf(tree: KeyedTree, subjects: readonly FactSubject[]): readonly ProvenDocument[] {
  return subjects.flatMap((subject) => {
    const entry = keyedEntry(tree, factKey(subject));
    return entry === undefined ? [] : [{ subject, document: entry.value, path: entry.proof }];
  });
}

/** Version u8 = 1 ‖ var finality ‖ count u8 ‖ for each: str key ‖ var document ‖ count u16 ‖ hashes of 32 bytes. */
export function encodeFactsProof({ finality, documents }: FactsProof): Uint8Array {
  const encoded = encodeFinalityProof(finality);
  return writeDocuments(new ByteWriter(encoded.length + 4096).u8(1).var(encoded), documents).finish();
}

/** Count u8 ‖ for each: str key ‖ var document ‖ count u16 ‖ hashes of 32 bytes. */
export function writeDocuments(writer: ByteWriter, documents: readonly ProvenDocument[]): ByteWriter {
  assert(documents.length <= FACTS_MAX, 'encodeFactsProof: too many facts');
  writer.u8(documents.length);
  for (const { subject, document, path } of documents) {
    writer.str(factKey(subject)).var(document).u16(path.length);
    for (const hash of path) writer.fixed(hash);
  }
  return writer;
}

/** Throws `DecodeError`. */
export function readDocuments(reader: ByteReader): readonly ProvenDocument[] {
  const count = reader.u8();
  if (count > FACTS_MAX) throw new DecodeError('too many facts');
  const documents: ProvenDocument[] = [];
  for (let index = 0; index < count; index++) {
    const subject = parseFactKey(reader.str(FACT_KEY_LENGTH_MAX));
    if (subject === undefined) throw new DecodeError('no key of a fact');
    const document = reader.var(FACT_BYTES_MAX);
    const hashes = reader.u16();
    if (hashes > KEYED_PROOF_HASHES_MAX) throw new DecodeError('path too long');
    documents.push({ subject, document, path: Array.from({ length: hashes }, () => reader.fixed(32)) });
  }
  return documents;
}

/** The proof in `bytes`, within the bounds above; nothing is verified yet. Never throws. */
export function decodeFactsProof(bytes: Uint8Array): Result<FactsProof, 'PROOF_MALFORMED'> {
  const decoded = decodeWith(bytes, (reader): FactsProof => {
    if (reader.u8() !== 1) throw new DecodeError('unknown version');
    return { finality: readFinality(reader), documents: readDocuments(reader) };
  });
  return decoded.ok ? decoded : fail('PROOF_MALFORMED', decoded.detail);
}

/** Checks a proof against a light client: finality, that the header is no older than what is known, then each document. */
export function verifyFacts(lightClient: LightClientState, proof: FactsProof): Result<VerifiedFacts, FactsProofCode> {
  const { header } = proof.finality;
  const accepted = acceptNewest(lightClient, proof.finality);
  if (!accepted.ok) return accepted;
  const facts = includedFacts(header, proof.documents);
  return facts.ok ? ok({ lightClient: accepted.value, header, facts: facts.value }) : facts;
}

/** Moves a light client on to a header that is no older than what it knows: the cheap check before the signatures. */
export function acceptNewest(
  lightClient: LightClientState,
  finality: FinalityProof,
): Result<LightClientState, HeaderCode> {
  const { header } = finality;
  if (header.height < lightClient.height) {
    return fail('HEADER_NOT_NEWEST', `height ${header.height}, known is ${lightClient.height}`);
  }
  const accepted = acceptHeader(lightClient, finality);
  return accepted.ok ? accepted : fail('FINALITY_REFUSED', accepted.code);
}

/** Rules that were read before: they change seldom, and long lists take milliseconds to read. */
export interface KnownRules {
  readonly document: Uint8Array;
  readonly rules: RulesFact;
}

/** The facts of documents under a header that is known to be final, in their order. */
export function includedFacts(
  header: Header,
  documents: readonly ProvenDocument[],
  known?: KnownRules,
): Result<readonly Fact[], FactCode> {
  const facts: Fact[] = [];
  for (const { subject, document, path } of documents) {
    const key = factKey(subject);
    const root = header.lastFinal.factsRoot;
    if (!verifyKeyedEntry({ root, key, value: document, proof: path })) return fail('FACT_NOT_INCLUDED', key);
    const read = subject.about === 'rules' && known !== undefined && equalBytes(document, known.document);
    const fact = read ? ok(known.rules) : parseFact(subject, document);
    if (!fact.ok) return fact;
    facts.push(fact.value);
  }
  return ok(facts);
}
