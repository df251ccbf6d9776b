import assert from 'node:assert/strict';
import { ed25519KeyPair, hash, sha256 } from '@cloister/crypto';
import { asValidatorId, utf8 } from '@cloister/encoding';
import { createNetwork, type Network } from '@cloister/network';

const keys = ['a', 'b'].map((name) => ed25519KeyPair(sha256(utf8(name))));
const ids = keys.map(({ id }) => asValidatorId(id));
const heard = Promise.withResolvers<string>();

/** A validator of a chain of two, on a free port of loopback. */
function start({ id, sign }: (typeof keys)[number], onUp: (id: string) => void = () => undefined): Promise<Network> {
  return createNetwork({
    chainId: hash('readme'),
    nodeKeySeed: sha256(utf8(`node key of ${id}`)),
    member: { id, sign },
    members: ids,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    handlers: {
      onConsensus: (from, bytes) => heard.resolve(`${from} says ${new TextDecoder().decode(bytes)}`),
      onBatch: () => 'accept',
      onRequest: async () => undefined,
      onPeer: (peer, up) => (up ? onUp(peer) : undefined),
    },
  });
}

const [keyOfA = assert.fail(), keyOfB = assert.fail()] = keys;
const connected = Promise.withResolvers<string>();
const a = await start(keyOfA);
const b = await start(keyOfB, (peer) => (peer === keyOfA.id ? connected.resolve(peer) : undefined));
await b.connect(a.addresses()[0] ?? assert.fail());
// A peer has its libp2p name until it proved which member it is. Nobody else is heard as that member.
await connected.promise;
b.sendConsensus(asValidatorId(keyOfA.id), utf8('hello'), 1);
assert.equal(await heard.promise, `${ids[1]} says hello`);
await Promise.all([a.stop(), b.stop()]);
