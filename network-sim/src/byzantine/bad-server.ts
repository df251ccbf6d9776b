/** A server of sync requests that is by turns silent, short, empty, wrong, garbled, or gives what nobody asked for. */
import { decodeSyncResponse, encodeSyncResponse, type SyncResponse } from '@cloister/replica';
import { garble, type MakeBehaviour } from './behaviour.ts';

export const badServer: MakeBehaviour = ({ random }) => {
  const ways: readonly ((honest: Uint8Array, answer: SyncResponse) => Uint8Array | undefined)[] = [
    () => undefined,
    () => random.bytes(400),
    (honest) => garble(random, honest),
    (_, answer) => encodeSyncResponse(shortened(answer)),
    (_, answer) => encodeSyncResponse(emptied(answer)),
    () => encodeSyncResponse({ type: 'status', finality: undefined }),
    (_, answer) => encodeSyncResponse(doubled(answer)),
  ];
  let turn = 0;
  return {
    serve(_request, honest) {
      const answer = decodeSyncResponse(honest);
      const way = ways[turn++ % ways.length];
      return answer.ok && way !== undefined ? way(honest, answer.value) : honest;
    },
  };
};

/** The first of what was asked for, and no more. */
function shortened(answer: SyncResponse): SyncResponse {
  if (answer.type === 'chain') return { type: 'chain', blocks: answer.blocks.slice(0, 1) };
  if (answer.type === 'range') return { ...answer, blocks: answer.blocks.slice(0, 1) };
  return answer.type === 'batches' ? { type: 'batches', batches: answer.batches.slice(0, 1) } : answer;
}

function emptied(answer: SyncResponse): SyncResponse {
  if (answer.type === 'batches') return { type: 'batches', batches: answer.batches.map(() => undefined) };
  if (answer.type === 'range') return { type: 'range', blocks: [], finalization: undefined };
  return { type: 'refused', code: 'NOT_FOUND' };
}

function doubled(answer: SyncResponse): SyncResponse {
  if (answer.type === 'batches') return { type: 'batches', batches: [...answer.batches, ...answer.batches] };
  return answer.type === 'chain' ? { type: 'chain', blocks: [...answer.blocks, ...answer.blocks] } : answer;
}
