// One symbol: its figures since it was subscribed, its card, and how numbers are written.

import { Chart, Series } from "./chart.js";

const CHART_SECONDS = 240;
const SHORTEST_CHART_SECONDS = 60;
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 4 });
const cents = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const fine = new Intl.NumberFormat("en-US", { minimumFractionDigits: 4, maximumFractionDigits: 4 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 2 });

export const price = (value) => (Math.abs(value * 100 - Math.round(value * 100)) < 1e-6 ? cents : fine).format(value);
export const quantity = (value) => whole.format(value);

/** Local time with milliseconds. */
export function clock(time) {
  const at = new Date(time);
  const two = (number) => String(number).padStart(2, "0");
  const ms = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

/** Which way the price moved, also for those who do not see colours. */
export const ARROWS = { "-1": "▼", 0: " ", 1: "▲" };

/** Whole seconds since the page was opened. */
export const pageSecond = () => Math.floor(performance.now() / 1000);

const STATES = {
  asked: "subscribing…",
  connecting: "feed is connecting…",
  subscribed: "",
  refused: "refused",
  offline: "no connection",
};

export class SymbolCard {
  element;
  symbol;
  #state = "";
  #last = null;
  #lastTime = 0;
  #first = null;
  #tick = 0;
  #volume = 0;
  #missed = 0;
  #gaps = 0;
  #perSecond = new Uint32Array(60);
  #second = 0;
  #prices = new Series(CHART_SECONDS);
  #pricesSecond = 0;
  #parts = {};
  #chart;
  #dirty = true;

  /** `on.remove(symbol)`, `on.keep(symbol, kept)`. */
  constructor(symbol, template, kept, on) {
    this.symbol = symbol;
    this.element = template.content.firstElementChild.cloneNode(true);
    for (const part of this.element.querySelectorAll("[data-part]")) this.#parts[part.dataset.part] = part;
    this.element.setAttribute("aria-label", symbol);
    this.#parts.symbol.textContent = symbol;
    this.#parts.since.textContent = `since ${clock(Date.now()).slice(0, 5)}`;
    this.#parts.remove.setAttribute("aria-label", `Unsubscribe from ${symbol}`);
    this.#parts.remove.addEventListener("click", () => on.remove(symbol));
    this.#showKept(kept);
    this.#parts.keep.addEventListener("click", () => {
      const now = this.#parts.keep.getAttribute("aria-pressed") !== "true";
      this.#showKept(now);
      on.keep(symbol, now);
    });
    this.#chart = new Chart(this.#parts.chart, () => { this.#dirty = true; });
  }

  set state(name) {
    if (this.#state === name) return;
    this.#state = name;
    this.element.dataset.state = name;
    this.#parts.state.textContent = STATES[name];
  }

  get state() {
    return this.#state;
  }

  /** Takes a trade and says which way the price moved. `second`: of the page's clock. */
  add(price, size, time, isLate, second) {
    this.#volume += size;
    this.#dirty = true;
    // What is filled in later belongs to the volume, not to the last price.
    if (isLate && time < this.#lastTime) return 0;
    if (this.#last !== null && price !== this.#last) this.#tick = price > this.#last ? 1 : -1;
    this.#first ??= price;
    this.#last = price;
    this.#lastTime = time;
    this.#count(second);
    return this.#tick;
  }

  addGap(missed) {
    this.#gaps += 1;
    this.#missed += missed;
    this.#dirty = true;
  }

  #count(second) {
    this.#advance(second);
    this.#perSecond[second % 60] += 1;
    if (this.#pricesSecond === second) return this.#prices.amend(this.#last);
    // Seconds without a trade keep the price they began with.
    const idle = Math.min(second - this.#pricesSecond - 1, CHART_SECONDS);
    if (this.#prices.length > 0) {
      const before = this.#prices.at(this.#prices.length - 1);
      for (let n = 0; n < idle; n += 1) this.#prices.push(before);
    }
    this.#prices.push(this.#last);
    this.#pricesSecond = second;
  }

  #advance(second) {
    if (second === this.#second) return;
    const passed = Math.min(second - this.#second, 60);
    for (let n = 0; n < passed; n += 1) this.#perSecond[(second - n) % 60] = 0;
    this.#second = second;
  }

  /** Writes what changed; called a few times a second, not for each trade. */
  draw() {
    this.#advance(pageSecond());
    const parts = this.#parts;
    const perMinute = this.#perSecond.reduce((sum, count) => sum + count, 0);
    set(parts.rate, quantity(perMinute));
    if (!this.#dirty) return;
    this.#dirty = false;
    this.element.dataset.tick = { "-1": "down", 0: "none", 1: "up" }[this.#tick];
    const change = (this.#last ?? 0) - (this.#first ?? 0);
    set(parts.last, this.#last === null ? "–" : `${price(this.#last)} ${ARROWS[this.#tick]}`);
    parts.change.dataset.tick = change < 0 ? "down" : change > 0 ? "up" : "none";
    set(parts.change, this.#last === null ? "" : `${change < 0 ? "−" : "+"}${price(Math.abs(change))}`);
    set(parts.volume, this.#volume < 1e6 ? quantity(this.#volume) : compact.format(this.#volume));
    const gaps = this.#gaps === 1 ? "1 gap" : `${this.#gaps} gaps`;
    set(parts.missed, this.#gaps === 0 ? "" : `${gaps}, ${this.#missed > 0 ? quantity(this.#missed) : "some"} missed`);
    this.#chart.draw(this.#prices, { capacity: Math.max(this.#prices.length, SHORTEST_CHART_SECONDS) });
  }

  #showKept(kept) {
    this.#parts.keep.setAttribute("aria-pressed", String(kept));
    this.#parts.keep.textContent = kept ? "★" : "☆";
    this.#parts.keep.title = kept ? "Subscribed on every visit" : "Only until this page is left";
    this.#parts.keep.setAttribute("aria-label", `Subscribe to ${this.symbol} on every visit`);
  }
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
