/** Tells the handlers which peers are up. A member is reported once, however many nodes or connections it has. */

type Name = { readonly id: string; readonly isMember: boolean };

export class Presence {
  readonly #tell: (id: string, up: boolean, isMember: boolean) => void;
  /** By libp2p name: the name that was told. */
  readonly #names = new Map<string, Name>();

  constructor(tell: (id: string, up: boolean, isMember: boolean) => void) {
    this.#tell = tell;
  }

  /** This libp2p name is connected and goes by `id`, which changes when the peer proves itself or its membership changes. */
  up(peerId: string, id: string, isMember: boolean): void {
    const before = this.#names.get(peerId);
    if (before?.id === id && before.isMember === isMember) return;
    this.down(peerId);
    const told = this.#isTold(id);
    this.#names.set(peerId, { id, isMember });
    if (!told) this.#tell(id, true, isMember);
  }

  down(peerId: string): void {
    const name = this.#names.get(peerId);
    if (name === undefined) return;
    this.#names.delete(peerId);
    if (!this.#isTold(name.id)) this.#tell(name.id, false, name.isMember);
  }

  #isTold(id: string): boolean {
    for (const name of this.#names.values()) if (name.id === id) return true;
    return false;
  }
}
