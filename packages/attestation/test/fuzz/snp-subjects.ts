/** Fuzzed SEV-SNP reports: every product line and report version, VCEK and VLEK, with certificates and CRLs. */
import type { SeededRandom } from '@cloister/crypto';
import { toHex } from '@cloister/encoding';
import { stepOf } from '../../src/evidence/verification-steps.ts';
import { type EndorsementCache, SIMULATED_ANCHORS, verifySnp } from '../../src/index.ts';
import type { SimulatedSnpDevice } from '../../src/simulated/index.ts';
import { AT_MS, FIELDS, genoa, genoaCrl, genoaVlek } from '../formats/snp-fixture.ts';
import { milan, milanCrl, turin, turinCrl } from '../formats/snp-inputs.ts';
import { mutateBytes, mutateDer, oneOf, pick } from './mutate.ts';
import type { Attempt, Mutation, Target } from './target.ts';

interface Subject {
  readonly device: SimulatedSnpDevice;
  readonly report: Uint8Array;
  readonly certificates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}

function subject(device: SimulatedSnpDevice, crl: Uint8Array, version: number): Subject {
  const { certificates } = device;
  return { device, report: device.report({ ...FIELDS, version }), certificates, crls: [crl] };
}

export function snpTarget(cache: EndorsementCache): Target {
  const subjects = [
    subject(genoa, genoaCrl, 3),
    subject(genoa, genoaCrl, 2),
    subject(genoaVlek, genoaCrl, 5),
    subject(turin, turinCrl, 4),
    subject(milan, milanCrl, 3),
  ];
  const known = new Set(subjects.flatMap(({ certificates, crls }) => [...certificates, ...crls].map(toHex)));
  const reports = new Set(subjects.map(({ report }) => toHex(report)));

  function verify(report: Uint8Array, certificates: readonly Uint8Array[], crls: readonly Uint8Array[]) {
    const endorsements = { certificates, crls };
    return verifySnp({
      report,
      endorsements,
      trustAnchors: SIMULATED_ANCHORS,
      atMs: AT_MS,
      requireCrl: true,
      allowMaskedChipId: false,
      cache,
    });
  }

  function attempt(report: Uint8Array, certificates: readonly Uint8Array[], crls: readonly Uint8Array[]): Attempt {
    const verified = verify(report, certificates, crls);
    if (!verified.ok) return { code: verified.code, step: stepOf('sev-snp', verified.code) };
    // Certificates that the chain does not need may be anything; without them the answer must be the same.
    const needed = certificates.filter((der) => known.has(toHex(der)));
    const foreign = [
      ...(reports.has(toHex(report)) ? [] : ['report']),
      ...(crls.every((der) => known.has(toHex(der))) ? [] : ['CRL']),
      ...(verify(report, needed, crls).ok ? [] : ['certificate']),
    ];
    // The same list twice is seen twice.
    const seen = new Set(verified.value.crls.map((crl) => JSON.stringify(crl)));
    return { code: undefined, print: { ...verified.value, crls: [...seen] }, foreign };
  }

  function mutatedList(list: readonly Uint8Array[], random: SeededRandom): readonly Uint8Array[] {
    const copy = [...list];
    const at = pick(random, copy.length);
    const der = copy[at] ?? new Uint8Array();
    const other = oneOf(random, subjects);
    const donor = oneOf(random, [...other.certificates, ...other.crls]);
    switch (pick(random, 8)) {
      case 0:
        copy.splice(at, 1);
        return copy;
      case 1:
        return [...copy, der];
      case 2:
        return [...copy].reverse();
      case 3:
        return [...copy, donor];
      case 4:
        copy[at] = donor;
        return copy;
      case 5:
        return [...copy, mutateDer(der, random, donor)];
      case 6:
        copy[at] = mutateBytes(der, random, donor);
        return copy;
      default:
        copy[at] = mutateDer(der, random, donor);
        return copy;
    }
  }

  function mutation(
    index: number,
    report: Uint8Array,
    certificates: readonly Uint8Array[],
    crls: readonly Uint8Array[],
    resigned = false,
  ): Mutation {
    const input = { format: 'sev-snp', report, certificates, crls } as const;
    return { index, resigned, input, run: () => attempt(report, certificates, crls) };
  }

  return {
    name: 'sev-snp',
    originals: subjects.map(({ report, certificates, crls }, index) => mutation(index, report, certificates, crls)),
    next(random) {
      const index = pick(random, subjects.length);
      const { device, report, certificates, crls } = subjects[index] as Subject;
      const kind = pick(random, 100);
      if (kind < 65) {
        let mutated = mutateBytes(report, random, oneOf(random, subjects).report);
        for (let i = pick(random, 3); i > 0; i--) mutated = mutateBytes(mutated, random, mutated);
        const resigned = kind < 3 && mutated.length === 1184;
        return mutation(index, resigned ? device.sign(mutated) : mutated, certificates, crls, resigned);
      }
      const both = pick(random, 4);
      return mutation(
        index,
        report,
        both > 0 ? mutatedList(certificates, random) : certificates,
        both < 2 ? mutatedList(crls, random) : crls,
      );
    },
  };
}
