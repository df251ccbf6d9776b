/**
 * An enclave on the machine that its platform process runs in, behind a dstack agent: SIMULATED quotes and services, the real
 * socket, process, image and enclave.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { appraise, decodeEvidenceBundle, SIMULATED_ANCHORS, tdxMeasurement } from '@cloister/attestation';
import { simulatedAppraisalPolicy, simulatedIntelDevice, writeTdReport } from '@cloister/attestation/simulated';
import { fromHex, toHex } from '@cloister/encoding';
import { Chain } from '@cloister/testkit/chain';
import { unwrap, Workshop } from '@cloister/testkit/launched';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { EndorsementSource, EndorsementStore, VENDOR_SERVICES } from '../src/attesters/index.ts';
import type { HardwareOrder } from '../src/index.ts';
import { SimulatedVendors } from './attesters/vendor-services.ts';

const MR_TD = new Uint8Array(48).fill(2);
const ZERO = new Uint8Array(48);
const policy = simulatedAppraisalPolicy({ maxAgeBlocks: 1000, refreshWindowBlocks: 100, nonceWindowBlocks: 50 });

const device = simulatedIntelDevice({
  seed: new Uint8Array(32).fill(46),
  validity: { notBeforeMs: Date.UTC(2025, 0, 1), notAfterMs: Date.UTC(2045, 0, 1) },
});

let workshop: Workshop;
let chain: Chain;
let agent: Server;
let machine: HardwareOrder;
/** The image that the machine was launched for; empty while the agent gives no quote. */
let launchedFor: Uint8Array | undefined;

function quote(reportData: Uint8Array, mrConfigId: Uint8Array): Uint8Array {
  const body = writeTdReport({ teeTcbSvn: [6, 1, 3], reportData, mrTd: MR_TD, mrConfigId });
  return device.quote({ version: 4, tee: 'tdx', body });
}

beforeAll(async () => {
  workshop = await Workshop.open();
  chain = new Chain(workshop.built);
  chain.block();
  const path = join(workshop.directory, 'agent.sock');
  agent = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (text: string) => {
      const { report_data } = JSON.parse(text) as { report_data: string };
      if (launchedFor === undefined) response.writeHead(500).end();
      else response.end(JSON.stringify({ quote: toHex(quote(fromHex(report_data), launchedFor)) }));
    });
  }).listen(path);
  await once(agent, 'listening');
  const directory = join(workshop.directory, 'endorsements');
  // What the vendors' services said, kept on disk: nothing is fetched from here on.
  const vendors = new SimulatedVendors();
  vendors.nowMs = Date.now();
  const source = new EndorsementSource({
    store: new EndorsementStore(directory),
    fetcher: vendors,
    trustAnchors: SIMULATED_ANCHORS,
  });
  const evidence = { platform: 'tdx', report: quote(new Uint8Array(64), ZERO) } as const;
  await source.endorsementsFor(evidence, Date.now());
  machine = { kind: 'dstack', path, endorsements: { directory, update: 'standard', services: VENDOR_SERVICES } };
});

afterAll(async () => {
  await workshop.close();
  agent.closeAllConnections();
  agent.close();
});

beforeEach(() => {
  launchedFor = fromHex(workshop.built.image);
});

it('attests with quotes of that machine, for the image that it was launched for', async () => {
  const enclave = await workshop.launch(chain, { machine });
  const measurement = tdxMeasurement({ mrTd: MR_TD, rtmrs: [ZERO, ZERO, ZERO, ZERO] });
  expect(enclave).toMatchObject({ measurement, image: workshop.built.image });
  expect(await enclave.port.describe()).toMatchObject({ platform: 'tdx', measurement });
  const finality = chain.finalityBytes();
  const bundle = unwrap(decodeEvidenceBundle(unwrap(await enclave.port.attest({ purpose: 'ledger', finality }))));
  const { image } = workshop.built;
  const appraised = appraise({
    bundle,
    referenceValues: [{ platform: 'tdx', measurement, image, status: 'allowed' }],
    policy,
    trustAnchors: SIMULATED_ANCHORS,
    atMs: chain.timeMs,
  });
  expect(appraised).toMatchObject({ ok: true, value: { platform: 'tdx', hardwareId: device.hardwareId } });
  launchedFor = undefined;
  expect(await enclave.port.attest({ purpose: 'ledger', finality: chain.finalityBytes() })).toMatchObject({
    code: 'PLATFORM_FAILED',
  });
});

it('is not started for an image that the machine does not name, nor where it gives no evidence', async () => {
  launchedFor = new Uint8Array(32).fill(9);
  await expect(workshop.launch(chain, { machine })).rejects.toMatchObject({ code: 'IMAGE_NOT_ENFORCED' });
  launchedFor = undefined;
  await expect(workshop.launch(chain, { machine })).rejects.toMatchObject({ code: 'ANSWER_STATUS' });
  const nobody = { ...machine, path: join(workshop.directory, 'nobody.sock') };
  await expect(workshop.launch(chain, { machine: nobody })).rejects.toMatchObject({ code: 'SOCKET_UNAVAILABLE' });
  const tsm = { ...machine, kind: 'configfs-tsm', path: join(workshop.directory, 'no-tsm') } as const;
  await expect(workshop.launch(chain, { machine: tsm })).rejects.toMatchObject({ code: 'TSM_UNAVAILABLE' });
});
