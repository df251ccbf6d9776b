/** The page's script: puts the verifier where the test can call it. */
import { conformanceOutcome, verifyRequest } from './verifier.ts';

declare global {
  var cloister: {
    readonly verifyRequest: typeof verifyRequest;
    readonly conformanceOutcome: typeof conformanceOutcome;
  };
}

globalThis.cloister = { verifyRequest, conformanceOutcome };
