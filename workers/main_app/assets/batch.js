// Trades on their way from the worker to the page: columns of numbers, and each text that is new, once.

const ROOM = 256;
const MOST_NAMES = 4096;
const COLUMNS = { times: Float64Array, prices: Float64Array, sizes: Float64Array, symbols: Uint16Array, exchanges: Uint16Array, conditions: Uint16Array, backfilled: Uint8Array };

export class Batch {
  length = 0;
  #room = ROOM;
  #columns = columns(ROOM);
  #indexes = new Map([["…", 0]]);
  #fresh = [];

  /** Takes a trade; false when it is none. */
  add(message) {
    const data = message.data;
    if (typeof data?.price !== "number" || typeof message.symbol !== "string") return false;
    if (this.length === this.#room) this.#grow();
    const at = this.length;
    const to = this.#columns;
    to.times[at] = Date.parse(data.timestamp) || Date.now();
    to.prices[at] = data.price;
    to.sizes[at] = Number(data.size) || 0;
    to.symbols[at] = this.#index(message.symbol);
    to.exchanges[at] = this.#index(String(data.exchange ?? ""));
    to.conditions[at] = this.#index(Array.isArray(data.conditions) ? data.conditions.join(" ") : "");
    to.backfilled[at] = message.backfill === true || data.backfill === true ? 1 : 0;
    this.length += 1;
    return true;
  }

  /** What has come, and the texts that the page has not had before; afterwards it is empty. */
  take() {
    const taken = { length: this.length, fresh: this.#fresh };
    for (const name of Object.keys(COLUMNS)) taken[name] = this.#columns[name].slice(0, this.length);
    this.length = 0;
    this.#fresh = [];
    return taken;
  }

  #index(text) {
    const known = this.#indexes.get(text);
    if (known !== undefined) return known;
    if (this.#indexes.size >= MOST_NAMES) return 0;
    this.#indexes.set(text, this.#indexes.size);
    this.#fresh.push(text);
    return this.#indexes.size - 1;
  }

  #grow() {
    this.#room *= 2;
    const larger = columns(this.#room);
    for (const name of Object.keys(COLUMNS)) larger[name].set(this.#columns[name]);
    this.#columns = larger;
  }
}

function columns(room) {
  return Object.fromEntries(Object.entries(COLUMNS).map(([name, Column]) => [name, new Column(room)]));
}
