/** What has been said and still holds is not said again. */
export class StandingNotices {
  #said: ReadonlySet<string> = new Set();

  /** Those of which the round before said nothing. */
  fresh<Item>(items: readonly Item[], keyOf: (item: Item) => string): readonly Item[] {
    const before = this.#said;
    this.#said = new Set(items.map(keyOf));
    return items.filter((item) => !before.has(keyOf(item)));
  }
}
