/** Every Byzantine behaviour by name, with what a validator of that name does. */
import { badServer } from './bad-server.ts';
import { batchFlooder } from './batch-flooder.ts';
import { batchPoisoner } from './batch-poisoner.ts';
import type { MakeBehaviour } from './behaviour.ts';
import { clockStepper } from './clock-stepper.ts';
import { conflicter } from './conflicter.ts';
import { equivocator } from './equivocator.ts';
import { evidenceBomber } from './evidence-bomber.ts';
import { finalityWithholder } from './finality-withholder.ts';
import { forger } from './forger.ts';
import { forkingLeader } from './forking-leader.ts';
import { garbler } from './garbler.ts';
import { impersonator } from './impersonator.ts';
import { lateLeader } from './late-leader.ts';
import { lyingServer } from './lying-server.ts';
import { nullifyAndFinalize } from './nullify-and-finalize.ts';
import { outdated } from './outdated.ts';
import { selectiveLeader } from './selective-leader.ts';
import { silentLeader } from './silent-leader.ts';
import { withholder } from './withholder.ts';

interface NamedBehaviour {
  /** Continues the sentence "one of four validators …". */
  readonly does: string;
  readonly make: MakeBehaviour;
}

export type ByzantineName =
  | 'equivocator'
  | 'conflicter'
  | 'withholder'
  | 'nullify-and-finalize'
  | 'impersonator'
  | 'outdated'
  | 'garbler'
  | 'forking-leader'
  | 'lying-server'
  | 'forger'
  | 'silent-leader'
  | 'selective-leader'
  | 'late-leader'
  | 'finality-withholder'
  | 'batch-poisoner'
  | 'batch-flooder'
  | 'bad-server'
  | 'evidence-bomber'
  | 'clock-stepper';

export const BYZANTINE: Readonly<Record<ByzantineName, NamedBehaviour>> = {
  equivocator: { does: 'proposes two blocks in one view, to different halves', make: equivocator },
  conflicter: { does: 'votes for two blocks in one view', make: conflicter },
  withholder: { does: 'sends its proposals to one validator only and half of its votes', make: withholder },
  'nullify-and-finalize': { does: 'nullifies every view that it finalizes', make: nullifyAndFinalize },
  impersonator: { does: 'sends votes under the names of others', make: impersonator },
  outdated: { does: 'sends old messages again and again', make: outdated },
  garbler: { does: 'sends everything a second time with flipped bits', make: garbler },
  'forking-leader': { does: 'proposes beside its parent instead of on top of it', make: forkingLeader },
  'lying-server': { does: 'answers sync requests with flipped bits', make: lyingServer },
  forger: { does: 'floods the others with forged votes, certificates and proposals', make: forger },
  'silent-leader': { does: 'votes and never proposes', make: silentLeader },
  'selective-leader': { does: 'gives its proposals to some, who make no quorum', make: selectiveLeader },
  'late-leader': { does: 'proposes just before its view ends', make: lateLeader },
  'finality-withholder': { does: 'shows its finalize votes to one validator or to none', make: finalityWithholder },
  'batch-poisoner': {
    does: 'withholds batches, repeats them and slips in some that never expire',
    make: batchPoisoner,
  },
  'batch-flooder': { does: 'floods gossip with valid batches of junk', make: batchFlooder },
  'bad-server': {
    does: 'answers sync requests not, short, wrong, garbled or with what nobody asked for',
    make: badServer,
  },
  'evidence-bomber': {
    does: 'makes as much evidence as it can, against itself and against the innocent',
    make: evidenceBomber,
  },
  'clock-stepper': { does: 'has a wall clock that is hours off, and steps again and again', make: clockStepper },
};

export const BYZANTINE_NAMES: readonly ByzantineName[] = Object.keys(BYZANTINE) as ByzantineName[];
