/** Which volumes have a step under way, so that nobody takes what it has just begun for something left over. */
export class StepsUnderWay {
  readonly #counts = new Map<string, number>();
  readonly #clearing = new Map<string, Promise<void>>();

  /** Acts once nothing of the volume is being cleared away. */
  async take(volumeId: string, act: () => Promise<void>): Promise<void> {
    this.#count(volumeId, 1);
    try {
      await this.#clearing.get(volumeId);
      await act();
    } finally {
      this.#count(volumeId, -1);
    }
  }

  /** Clears away what is left over of the volume, unless a step is under way; whether it did. Asked twice at once it is done once. */
  async clear(volumeId: string, act: () => Promise<void>): Promise<boolean> {
    if (this.#counts.has(volumeId)) return false;
    let clearing = this.#clearing.get(volumeId);
    if (clearing === undefined) {
      // What cannot be cleared now is what the next step meets: that tells why.
      clearing = act()
        .catch(() => undefined)
        .finally(() => this.#clearing.delete(volumeId));
      this.#clearing.set(volumeId, clearing);
    }
    await clearing;
    return true;
  }

  #count(volumeId: string, change: 1 | -1): void {
    const count = (this.#counts.get(volumeId) ?? 0) + change;
    if (count === 0) this.#counts.delete(volumeId);
    else this.#counts.set(volumeId, count);
  }
}
