/** A process that stands for an enclave and answers its platform's first message with the attester's description. */
import { PlatformLink } from '../../enclave/src/inside/platform-link.ts';

const { link } = await PlatformLink.open();
process.send?.(await link.describe());
