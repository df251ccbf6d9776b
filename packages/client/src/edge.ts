/** Clock, waiting and randomness. */
export interface Edge {
  nowMs(): number;
  sleep(delayMs: number): Promise<void>;
  /** Cryptographically random bytes. */
  randomBytes(length: number): Uint8Array;
}

/** The runtime's own clock and randomness (Web Crypto, in Node and in browsers). */
export const RUNTIME_EDGE: Edge = {
  nowMs: () => Date.now(),
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
  randomBytes: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)),
};
