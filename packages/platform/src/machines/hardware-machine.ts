/**
 * The machine that this process runs in, as a platform for one enclave: its evidence, with endorsements of its vendor.
 *
 * Nothing here measures: the machine's base did, when it was launched for an image, and its evidence says for which. An image
 * that the evidence does not name is not started, since no quote would ever speak for it.
 */

import { parseReportedSoftware, type TrustAnchors } from '@cloister/attestation';
import { imageDigest } from '@cloister/confidential';
import { CodedError } from '@cloister/encoding';
import { AttesterError } from '../attesters/attester-error.ts';
import { configfsTsmSource } from '../attesters/configfs-tsm.ts';
import { dstackSource } from '../attesters/dstack-socket.ts';
import { EndorsingAttester } from '../attesters/endorsing-attester.ts';
import { type EvidenceSource, productOf, REPORT_DATA_BYTES } from '../attesters/evidence-source.ts';
import { EndorsementSource, serviceHosts } from '../endorsements/endorsement-source.ts';
import { EndorsementStore } from '../endorsements/endorsement-store.ts';
import { httpsFetcher } from '../endorsements/fetcher.ts';
import type { LaunchedDevice } from './launched-device.ts';
import type { HardwareOrder } from './machine-order.ts';

function sourceOf({ kind, path }: HardwareOrder): EvidenceSource {
  return kind === 'configfs-tsm' ? configfsTsmSource({ directory: path }) : dstackSource({ socketPath: path });
}

/**
 * The machine as it was launched, for the image that has this manifest. Rejects with `AttesterError` when it gives no evidence,
 * with `IMAGE_NOT_ENFORCED` when it was launched for another image.
 */
export async function launchOnHardware(
  order: HardwareOrder,
  trustAnchors: TrustAnchors,
  manifest: Uint8Array,
): Promise<LaunchedDevice> {
  const { directory, services, update: intelUpdate } = order.endorsements;
  const source = sourceOf(order);
  // Over zeros: such evidence binds no keys, and is good for nothing but to look at.
  const raw = await source.evidence(new Uint8Array(REPORT_DATA_BYTES));
  const software = parseReportedSoftware(raw.evidence);
  if (!software.ok) throw new AttesterError('EVIDENCE_MALFORMED', software.code);
  const image = imageDigest(manifest);
  const enforced = software.value.imageFor(image);
  if (enforced !== image) {
    throw new CodedError(
      'IMAGE_NOT_ENFORCED',
      `the machine was launched for image ${enforced ?? '(none)'}, not for ${image}`,
    );
  }
  const endorsements = new EndorsementSource({
    store: new EndorsementStore(directory),
    fetcher: httpsFetcher({ hosts: serviceHosts(services) }),
    services,
    trustAnchors,
    intelUpdate,
    onNotice: ({ code, detail }) => process.stderr.write(`endorsements: ${code} ${detail}\n`),
  });
  const attester = new EndorsingAttester({ source, endorsements });
  return {
    platform: raw.evidence.platform,
    product: productOf(raw),
    measurement: software.value.measurement,
    image,
    collect: (reportData) => attester.collect(reportData),
  };
}
