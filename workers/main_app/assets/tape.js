// The last trades in memory: columns of fixed size, so that no rate and no day makes them grow.

/** Trades kept; a power of two. */
export const CAPACITY = 1 << 16;
const MASK = CAPACITY - 1;
const MOST_NAMES = 4096;

/** A short list of texts that repeat, each kept once. Past the limit they all read "…". */
class Names {
  #indexes = new Map([["…", 0]]);
  texts = ["…"];

  index(text) {
    const known = this.#indexes.get(text);
    if (known !== undefined) return known;
    if (this.texts.length >= MOST_NAMES) return 0;
    this.texts.push(text);
    this.#indexes.set(text, this.texts.length - 1);
    return this.texts.length - 1;
  }
}

/** Numbers name entries: the first is 0, each next one more. The oldest are overwritten. */
export class Tape {
  #times = new Float64Array(CAPACITY);
  #prices = new Float64Array(CAPACITY);
  #sizes = new Float64Array(CAPACITY);
  #symbols = new Uint16Array(CAPACITY);
  #exchanges = new Uint16Array(CAPACITY);
  #conditions = new Uint16Array(CAPACITY);
  #ticks = new Int8Array(CAPACITY);
  #backfilled = new Uint8Array(CAPACITY);
  #names = new Names();
  #notes = new Map();
  #next = 0;
  // The numbers of the entries that pass the filter, in order.
  #shown = new Float64Array(CAPACITY);
  #shownNext = 0;
  #minSize = 0;
  #only = null;

  /** How many entries have ever passed the filter: the number after the newest shown one. */
  get shownNext() {
    return this.#shownNext;
  }

  /** The oldest shown entry that is still there. */
  get shownFirst() {
    let first = Math.max(0, this.#shownNext - CAPACITY);
    const oldest = this.#next - CAPACITY;
    // Entries leave in order, so the place where they begin to exist can be halved to.
    let end = this.#shownNext;
    while (first < end) {
      const middle = Math.floor((first + end) / 2);
      if (this.#shown[middle & MASK] < oldest) first = middle + 1;
      else end = middle;
    }
    return first;
  }

  /** The number of a text, for `addTrade`. */
  name(text) {
    return this.#names.index(text);
  }

  /** The trade at a place of a batch; `names` turns the batch's numbers of texts into those of here. */
  addTrade(batch, place, names, tick) {
    const at = this.#claim();
    this.#times[at] = batch.times[place];
    this.#prices[at] = batch.prices[place];
    this.#sizes[at] = batch.sizes[place];
    this.#symbols[at] = names[batch.symbols[place]];
    this.#exchanges[at] = names[batch.exchanges[place]];
    this.#conditions[at] = names[batch.conditions[place]];
    this.#ticks[at] = tick;
    this.#backfilled[at] = batch.backfilled[place];
    this.#show(this.#next - 1);
  }

  /** A sentence between the trades, such as a gap. It passes every filter. */
  addNote(text, time) {
    this.#times[this.#claim()] = time;
    this.#notes.set(this.#next - 1, text);
    this.#show(this.#next - 1);
  }

  filter(minSize, only) {
    this.#minSize = minSize;
    this.#only = only === null ? null : this.#names.index(only);
    this.#shownNext = 0;
    for (let number = Math.max(0, this.#next - CAPACITY); number < this.#next; number += 1) this.#show(number);
  }

  clear() {
    this.#next = this.#shownNext = 0;
    this.#notes.clear();
  }

  /** A shown entry: a note, or a trade. */
  shown(index) {
    const number = this.#shown[index & MASK];
    const at = number & MASK;
    const texts = this.#names.texts;
    return {
      note: this.#notes.get(number),
      time: this.#times[at],
      price: this.#prices[at],
      size: this.#sizes[at],
      symbol: texts[this.#symbols[at]],
      exchange: texts[this.#exchanges[at]],
      conditions: texts[this.#conditions[at]],
      tick: this.#ticks[at],
      backfill: this.#backfilled[at] === 1,
    };
  }

  #claim() {
    if (this.#notes.size > 0) this.#notes.delete(this.#next - CAPACITY);
    this.#next += 1;
    return (this.#next - 1) & MASK;
  }

  #show(number) {
    const at = number & MASK;
    const passes =
      (this.#notes.size > 0 && this.#notes.has(number)) ||
      (this.#sizes[at] >= this.#minSize &&
        (this.#only === null || this.#symbols[at] === this.#only));
    if (!passes) return;
    this.#shown[this.#shownNext & MASK] = number;
    this.#shownNext += 1;
  }
}
