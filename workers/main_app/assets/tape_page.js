// Time and Sales: joins the stream, the tape and the symbols' cards, and remembers the choices.

import { RemoteStream, streamAddress } from "./remote_stream.js";
import { SymbolCard, clock, pageSecond, quantity } from "./symbol_card.js";
import { Tape } from "./tape.js";
import { TapeRows } from "./tape_rows.js";

const KEY = "tape";
const DRAW_CARDS_EVERY_MS = 250;
const MOST_SYMBOLS = 100;
const part = (id) => document.getElementById(id);

const choices = load();
const cards = new Map();
const tape = new Tape();
const rows = new TapeRows(tape, part("rows"), showHeld);
let drawn = false;
let feed = null;
let feedConnected = null;
let connection = { name: "connecting", attempt: 0, retryAt: null, since: Date.now() };
let lastTradeAt = null;
// Symbols of which it is not known yet whether trades are missing, and since when.
let unaccounted = new Map();
let isPaused = false;

// The worker's numbers of texts, as the tape knows them, and the texts themselves.
const names = [0];
const texts = ["…"];

const stream = new RemoteStream(streamAddress(document.documentElement.dataset, location), {
  state: changed,
  message: received,
  trades: traded,
  lost: (from, to) => {
    if (cards.size > 0) note(`Connection lost for ${seconds(to - from)}, from ${clock(from)}`);
    unaccounted = new Map([...cards.keys()].map((symbol) => [symbol, from]));
  },
});

// ---- from the stream

const KNOWN = {
  subscribed,
  connecting: (m) => { feedConnected = false; mark(m.symbol, "connecting"); showLink(); },
  gap: missed,
  pong: (m) => { feedConnected = m.alpaca_connected === true; showLink(); },
  health: (m) => { feed = m; feedConnected = m.alpaca_connected === true; showLink(); showFeed(); },
  error: refused,
};

function received(message) {
  if (Object.hasOwn(KNOWN, message.type)) KNOWN[message.type](message);
}

function subscribed(message) {
  mark(message.symbol, "subscribed");
  stream.askHealth();
  const since = unaccounted.get(message.symbol);
  if (since === undefined) return;
  unaccounted.delete(message.symbol);
  if (message.recovered === true) note(`${message.symbol}: nothing is missing, the trades in between follow`);
  // A backend that says false tells the gap itself.
  else if (message.recovered !== false) note(`${message.symbol}: trades since ${clock(since)} are missing here`);
}

function mark(symbol, state) {
  const card = cards.get(symbol);
  if (card !== undefined) card.state = state;
}

function traded(batch) {
  for (const text of batch.fresh) {
    names.push(tape.name(text));
    texts.push(text);
  }
  const second = pageSecond();
  let heard = false;
  for (let at = 0; at < batch.length; at += 1) {
    const card = cards.get(texts[batch.symbols[at]]);
    if (card === undefined) continue;
    const tick = card.add(batch.prices[at], batch.sizes[at], batch.times[at], batch.backfilled[at] === 1, second);
    tape.addTrade(batch, at, names, tick);
    if (card.state !== "subscribed") heard = true, card.state = "subscribed";
  }
  lastTradeAt = Date.now();
  if (heard || feedConnected !== true) {
    feedConnected = true;
    showLink();
  }
  soon();
}

function missed(message) {
  const many = Number(message.missed) || 0;
  cards.get(message.symbol)?.addGap(many);
  const [from, to] = [Date.parse(message.since), Date.parse(message.until)];
  const when = from && to ? ` from ${clock(from)} to ${clock(to)}` : "";
  const why = { slow: ": this page was too slow", upstream: ": the feed was interrupted" }[message.reason] ?? "";
  note(`Gap: ${many > 0 ? quantity(many) : "some"} ${message.symbol} trades missed${when}${why}`);
}

function refused(message) {
  const words = String(message.message ?? message.code ?? "The stream refused a request.");
  for (const card of cards.values()) {
    const named = new RegExp(`(^|[^A-Z0-9./-])${RegExp.escape?.(card.symbol) ?? card.symbol.replace(/\W/g, "\\$&")}($|[^A-Z0-9/-])`).test(words);
    if (named && card.state === "asked") card.state = "refused";
  }
  notice(words);
}

function changed(state) {
  connection = state;
  if (state.name !== "open") feedConnected = null;
  for (const card of cards.values()) card.state = state.name === "open" ? "asked" : "offline";
  showLink();
  showFeed();
}

// ---- what the person does

function subscribe(text, kept = true) {
  for (const raw of text.toUpperCase().split(/[\s,;]+/)) {
    const symbol = raw.trim();
    if (symbol === "" || cards.has(symbol)) continue;
    if (cards.size >= MOST_SYMBOLS) return notice(`${MOST_SYMBOLS} symbols are the most a page takes.`);
    const card = new SymbolCard(symbol, part("card"), kept, { remove, keep });
    cards.set(symbol, card);
    part("cards").append(card.element);
    part("only").append(new Option(symbol, symbol));
    card.state = connection.name === "open" ? "asked" : "offline";
    stream.subscribe(symbol);
    if (kept) keep(symbol, true);
  }
  showStart();
}

function remove(symbol) {
  stream.unsubscribe(symbol);
  cards.get(symbol).element.remove();
  cards.delete(symbol);
  [...part("only").options].find((option) => option.value === symbol)?.remove();
  keep(symbol, false);
  refilter();
  showStart();
}

function keep(symbol, kept) {
  choices.symbols = choices.symbols.filter((one) => one !== symbol);
  if (kept) choices.symbols.push(symbol);
  save();
}

function refilter() {
  choices.minSize = Math.max(0, Number(part("min-size").value) || 0);
  save();
  tape.filter(choices.minSize, part("only").value || null);
  rows.reset();
  soon();
}

function pause(paused) {
  isPaused = paused;
  part("pause").setAttribute("aria-pressed", String(paused));
  part("pause").textContent = paused ? "Resume" : "Pause";
  rows.paused = paused;
  soon();
}

function follow(followed) {
  choices.follow = followed;
  save();
  part("follow").setAttribute("aria-pressed", String(followed));
  rows.follow = followed;
  soon();
}

// ---- what is shown

function soon() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame((now) => {
    drawn = false;
    if (part("empty").hidden !== tape.shownNext > 0) part("empty").hidden = tape.shownNext > 0;
    if (!rows.draw(now)) soon();
  });
}

function note(text) {
  tape.addNote(text, Date.now());
  soon();
}

function showHeld(newer) {
  const button = part("newest");
  button.hidden = newer === null || newer === 0;
  if (!button.hidden) button.textContent = `${quantity(newer)} newer ↑`;
}

function showStart() {
  part("start").hidden = cards.size > 0;
}

let noticeTimer = 0;
function notice(text) {
  part("notice").textContent = text;
  part("notice").hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { part("notice").hidden = true; }, 10_000);
}

function showLink() {
  const [tone, words] = linkWords();
  part("link").dataset.tone = tone;
  if (part("link-words").textContent !== words) part("link-words").textContent = words;
  part("try-now").hidden = connection.name !== "waiting";
}

function linkWords() {
  if (connection.name === "connecting") {
    const attempt = connection.attempt > 1 ? `, attempt ${connection.attempt}` : "";
    return ["busy", `Connecting to the stream${attempt}…`];
  }
  if (connection.name === "waiting") {
    const left = Math.max(0, Math.ceil((connection.retryAt - Date.now()) / 1000));
    return ["bad", `No connection to the stream. Trying again in ${left} s`];
  }
  if (cards.size === 0) return ["good", "Connected"];
  if (feedConnected === false && feed?.alpaca_task_status === "dead") return ["bad", "The feed has given up: see System"];
  if (feedConnected === false) return ["warn", "The feed is connecting; trades come by themselves"];
  const quiet = lastTradeAt === null ? 0 : Date.now() - lastTradeAt;
  if (quiet > 10_000) return ["warn", `Connected, no trade for ${seconds(quiet)}`];
  return ["good", lastTradeAt === null ? "Connected" : "Live"];
}

function showFeed() {
  const words = [];
  if (connection.name === "open" && feed !== null) {
    if (typeof feed.feed === "string") words.push(`Feed ${feed.feed}`);
    if (feed.market === "open" || feed.market === "closed") words.push(`market ${feed.market}`);
    if (feed.reconnects > 0) words.push(`reconnected ${quantity(feed.reconnects)} times`);
    if (feed.healthy === false && typeof feed.reason === "string") words.push(feed.reason);
  }
  part("feed").textContent = words.join(" · ");
}

function seconds(ms) {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

// ---- between visits

function load() {
  const none = { symbols: [], minSize: 0, follow: true };
  try {
    const stored = JSON.parse(localStorage.getItem(KEY)) ?? {};
    return {
      symbols: Array.isArray(stored.symbols) ? stored.symbols.filter((s) => typeof s === "string").slice(0, MOST_SYMBOLS) : [],
      minSize: Number(stored.minSize) || 0,
      follow: stored.follow !== false,
    };
  } catch {
    return none;
  }
}

function save() {
  try {
    localStorage.setItem(KEY, JSON.stringify(choices));
  } catch {
    // A browser that keeps nothing: the choices hold until the page is left.
  }
}

// ---- begin

part("add").addEventListener("submit", (event) => {
  event.preventDefault();
  subscribe(part("symbol").value);
  part("symbol").value = "";
});
for (const button of part("start").querySelectorAll("button")) button.addEventListener("click", () => subscribe(button.textContent));
part("min-size").addEventListener("input", refilter);
part("only").addEventListener("change", refilter);
part("pause").addEventListener("click", () => pause(!isPaused));
part("follow").addEventListener("click", () => follow(!choices.follow));
part("newest").addEventListener("click", () => {
  pause(false);
  follow(true);
  rows.toNewest();
  soon();
});
part("clear").addEventListener("click", () => {
  tape.clear();
  rows.reset();
  part("empty").hidden = false;
  soon();
});
part("try-now").addEventListener("click", () => stream.tryNow());
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey;
  if (!typing && event.key === "p") pause(!isPaused);
  if (!typing && event.key === "/") {
    event.preventDefault();
    part("symbol").focus();
  }
});
setInterval(() => {
  if (document.hidden) return;
  for (const card of cards.values()) card.draw();
}, DRAW_CARDS_EVERY_MS);
setInterval(showLink, 1000);
addEventListener("visibilitychange", showLink);

part("min-size").value = String(choices.minSize);
tape.filter(choices.minSize, null);
follow(choices.follow);
for (const symbol of [...choices.symbols]) subscribe(symbol);
showStart();
stream.connect();
