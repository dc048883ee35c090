// The tape on the screen: only as many rows as are seen, each trade written once, at most once per
// frame; 20 times a second when more comes than anybody can read. While it is held (paused, or scrolled
// away from the newest) it stands still.

import { ARROWS, clock, price, quantity } from "./symbol_card.js";

const TICKS = { "-1": "down", 0: "none", 1: "up" };
/** Between two drawings of a flood: half the rows or more are new each time. */
const FLOOD_MS = 50;
const CELLS = ["time", "symbol", "price", "size", "exchange", "conditions"];

export class TapeRows {
  #tape;
  #viewport;
  #spacer;
  #rows = [];
  #rowHeight = 24;
  #height = 0;
  #scrollTop = 0;
  #heldAt = null;
  #paused = false;
  #follow = true;
  #onHold;
  #drawnAt = 0;
  #drawnNext = 0;
  #drawing = 0;

  /** `onHold(newer)`: how many entries are newer than what is shown; null when none is held back. */
  constructor(tape, viewport, onHold) {
    this.#tape = tape;
    this.#viewport = viewport;
    this.#onHold = onHold;
    this.#spacer = document.createElement("div");
    this.#spacer.className = "spacer";
    viewport.append(this.#spacer);
    viewport.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(viewport);
  }

  set paused(paused) {
    this.#paused = paused;
    this.#hold();
  }

  /** Whether the newest trade is brought into view again as soon as it is near. */
  set follow(follow) {
    this.#follow = follow;
    this.#hold();
  }

  toNewest() {
    this.#viewport.scrollTop = this.#scrollTop = 0;
    this.#heldAt = null;
    this.#hold();
  }

  /** After the filter changed every entry has another place. */
  reset() {
    for (const row of this.#rows) row.index = -1;
    this.#drawnAt = -Infinity;
    if (this.#heldAt !== null) this.#heldAt = this.#tape.shownNext;
  }

  /** Draws what is new, at this time of the page; false: it is a flood, and drawn a little later. */
  draw(now) {
    if (this.#rows.length === 0) return true;
    const next = this.#heldAt ?? this.#tape.shownNext;
    const isFlood = next - this.#drawnNext >= this.#rows.length / 2;
    if (isFlood && now - this.#drawnAt < FLOOD_MS) return false;
    this.#drawnAt = now;
    this.#drawnNext = next;
    this.#drawing += 1;
    const count = Math.max(0, next - this.#tape.shownFirst);
    const top = Math.floor(this.#scrollTop / this.#rowHeight);
    const seen = Math.min(this.#rows.length, count - top);
    for (let line = top; line < top + seen; line += 1) {
      const index = next - 1 - line;
      const row = this.#rows[index % this.#rows.length];
      row.drawing = this.#drawing;
      if (row.index !== index) write(row, index, this.#tape.shown(index));
      place(row, line * this.#rowHeight);
    }
    for (const row of this.#rows) if (row.drawing !== this.#drawing) place(row, null);
    this.#reserve(count * this.#rowHeight);
    if (this.#heldAt !== null) this.#onHold(this.#tape.shownNext - this.#heldAt);
    return true;
  }

  // Following, the scroll bar may lag: its length is of no use then, and costs a layout.
  #reserve(height) {
    const late = Math.abs(height - this.#spacer.reserved) > this.#height * 4;
    if (this.#spacer.reserved === height || (this.#heldAt === null && !late && this.#spacer.reserved > this.#height)) return;
    this.#spacer.reserved = height;
    this.#spacer.style.height = `${height}px`;
  }

  #scrolled() {
    this.#scrollTop = this.#viewport.scrollTop;
    this.#hold();
    requestAnimationFrame(() => this.#drawNow());
  }

  #hold() {
    const held = this.#paused || !this.#follow || this.#scrollTop > this.#rowHeight / 2;
    if (held && this.#heldAt === null) this.#heldAt = this.#tape.shownNext;
    if (!held) this.#heldAt = null;
    this.#onHold(this.#heldAt === null ? null : this.#tape.shownNext - this.#heldAt);
  }

  #resized() {
    this.#height = this.#viewport.clientHeight;
    this.#rowHeight = parseFloat(getComputedStyle(this.#viewport).getPropertyValue("--row")) *
      parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.#spacer.reserved = -1;
    for (const row of this.#rows) row.element.remove();
    const needed = Math.ceil(this.#height / this.#rowHeight) + 2;
    this.#rows = Array.from({ length: needed }, () => emptyRow(this.#viewport));
    this.#drawNow();
  }

  #drawNow() {
    this.#drawnAt = -Infinity;
    this.draw(performance.now());
  }
}

function emptyRow(viewport) {
  const element = document.createElement("div");
  element.className = "row";
  element.setAttribute("role", "row");
  const texts = {};
  for (const name of CELLS) {
    const cell = document.createElement("span");
    cell.className = name;
    cell.setAttribute("role", "cell");
    texts[name] = document.createTextNode("");
    cell.append(texts[name]);
    element.append(cell);
  }
  element.hidden = true;
  viewport.append(element);
  return { element, texts, index: -1, top: null, kind: "", tick: "", drawing: 0 };
}

function place(row, top) {
  if (row.top === top) return;
  row.top = top;
  if (top === null) {
    row.element.hidden = true;
    row.index = -1;
    return;
  }
  row.element.hidden = false;
  row.element.style.transform = `translateY(${top}px)`;
}

function write(row, index, entry) {
  row.index = index;
  const { texts, element } = row;
  const isNote = entry.note !== undefined;
  const kind = isNote ? "note" : entry.backfill ? "backfill" : "trade";
  const tick = isNote ? "none" : TICKS[entry.tick];
  // What stays costs no style.
  if (row.kind !== kind) element.dataset.kind = row.kind = kind;
  if (row.tick !== tick) element.dataset.tick = row.tick = tick;
  texts.time.data = clock(entry.time);
  texts.symbol.data = isNote ? entry.note : entry.symbol;
  texts.price.data = isNote ? "" : `${ARROWS[entry.tick]} ${price(entry.price)}`;
  texts.size.data = isNote ? "" : quantity(entry.size);
  texts.exchange.data = isNote ? "" : entry.exchange;
  texts.conditions.data = isNote ? "" : entry.backfill ? `late ${entry.conditions}` : entry.conditions;
}
