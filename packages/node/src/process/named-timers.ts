/** Timers by name: setting one again replaces it. */
export class NamedTimers {
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  set(id: string, delayMs: number, fired: () => void): void {
    clearTimeout(this.#timers.get(id));
    const fire = (): void => {
      this.#timers.delete(id);
      fired();
    };
    this.#timers.set(id, setTimeout(fire, Math.max(0, Math.ceil(delayMs))));
  }

  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
