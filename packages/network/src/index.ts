/** The libp2p adapter: gossip of batches, direct streams for what consensus sends, requests and answers, peer exchange, own liveness. */
export { createNetwork } from './create-network.ts';
export { DEFAULT_LIMITS } from './limits.ts';

export {
  decodePeerRecord,
  encodePeerRecord,
  type PeerRecordCode,
  type PeerRecordFields,
  signPeerRecord,
} from './peers/peer-record.ts';
export {
  type BatchVerdict,
  type CutOff,
  type Network,
  type NetworkCounters,
  NetworkError,
  type NetworkErrorCode,
  type NetworkHandlers,
  type NetworkLimits,
  type NetworkOptions,
  type PeerInfo,
  type PeerRecord,
  type PeerRecordStore,
  type Priority,
  type Requester,
  type RequestProtocol,
  type TwinSeen,
} from './types.ts';
