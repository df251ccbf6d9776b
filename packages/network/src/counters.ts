/** What the adapter counts, from zero. */
import type { NetworkCounters } from './types.ts';

export function noCounts(): NetworkCounters {
  return {
    consensusFramesSent: 0,
    consensusFramesDropped: 0,
    consensusFramesReceived: 0,
    framesRefused: 0,
    batchesPublished: 0,
    batchesReceived: 0,
    batchesRejected: 0,
    requestsServed: 0,
    requestsRefused: 0,
    redials: 0,
    closedSilent: 0,
    closedDeaf: 0,
    offences: 0,
    cutOffs: 0,
    twinRecords: 0,
    connectionsRefused: 0,
    weightlessWorkMs: 0,
    strangerWorkMs: 0,
    arrivalWorkMs: 0,
  };
}
