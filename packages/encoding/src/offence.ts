/**
 * An offence is something that no honest peer sends. The code that reads what peers sent names it, and the network cuts
 * peers off for it.
 *
 * FORGED: a signature that does not verify. MALFORMED: bytes that are not of their kind. UNASKED: an answer or a stream
 * that nobody asked for. LIED: content that contradicts what it was asked for or its own proof. FLOOD: more than any
 * honest peer needs. SILENT: no answer; an honest but slow peer may be silent, too, so it never cuts anybody off.
 */
export type Offence = 'FORGED' | 'MALFORMED' | 'UNASKED' | 'LIED' | 'SILENT' | 'FLOOD';
