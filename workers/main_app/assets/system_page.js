// The system page, kept live by one stream of events (/v1/live). All words come from the server; here they
// are only put in their places, as text.

import { Actions } from "./actions.js";
import { LogPanel } from "./log_panel.js";
import { ServiceRow, set } from "./service_row.js";

const PAUSES_MS = [500, 15_000];
const part = (id) => document.getElementById(id);

const rows = new Map();
const log = new LogPanel();
const actions = document.documentElement.dataset.actions === "on" ? new Actions() : null;
let pause = PAUSES_MS[0];
let isFirst = true;

// ---- events

function follow() {
  const source = new EventSource("/v1/live");
  source.addEventListener("picture", (event) => {
    pause = PAUSES_MS[0];
    const { view, link: told } = JSON.parse(event.data);
    document.body.dataset.stale = String(told.tone === "bad");
    link(told.tone, told.words);
    show(view);
  });
  source.addEventListener("ledger", (event) => showEvents(JSON.parse(event.data)));
  source.onerror = () => {
    // EventSource gives up on some errors and hurries on others: one pause for all of them.
    source.close();
    document.body.dataset.stale = "true";
    link("bad", `No connection to this app. Trying again in ${Math.round(pause / 1000) || 1} s`);
    setTimeout(follow, pause);
    // Whoever restarts the whole waits for this app too.
    pause = actions?.isWaiting ? PAUSES_MS[0] : Math.min(pause * 2, PAUSES_MS[1]);
  };
}

function link(tone, words) {
  part("link").dataset.tone = tone;
  set(part("link-words"), words);
}

// ---- what is shown

function show(view) {
  part("headline").dataset.tone = view.tone;
  set(part("headline-words"), view.headline);
  set(part("headline-detail"), view.detail);
  document.title = view.tone === "bad" ? `⚠ ${view.headline}` : "System";
  if (isFirst) part("services").replaceChildren();
  isFirst = false;
  const names = new Set(view.services.map((service) => service.name));
  for (const [name, row] of rows) if (!names.has(name)) { row.element.remove(); rows.delete(name); }
  view.services.forEach((service, place) => {
    if (!rows.has(service.name)) rows.set(service.name, new ServiceRow(service.name, actions, (name) => log.open(name)));
    const row = rows.get(service.name);
    row.show(service);
    const there = part("services").children[place];
    if (there !== row.element) part("services").insertBefore(row.element, there ?? null);
  });
  log.know([...names]);
  showFigures(view.stream);
  showPlain("ports", view.ports);
  showPlain("schedules", view.schedules);
  actions?.see(view);
}

function showFigures(figures) {
  const list = part("figures");
  figures.forEach((figure, place) => {
    const group = list.children[place] ?? list.appendChild(element("div", element("dt"), element("dd")));
    group.dataset.tone = figure.alarm ? "bad" : "";
    set(group.children[0], figure.label);
    set(group.children[1], figure.value);
  });
  while (list.childElementCount > figures.length) list.lastElementChild.remove();
}

/** A table that is only read; its columns are named in its head. */
function showPlain(id, told) {
  const body = part(id);
  const labels = [...body.parentElement.tHead.rows[0].cells].map((cell) => cell.textContent);
  told.forEach((row, place) => {
    const line = body.rows[place] ?? body.appendChild(element("tr", ...labels.map((_, n) => element(n === 0 ? "th" : "td"))));
    line.dataset.tone = row.tone;
    row.cells.forEach((text, n) => {
      if (n === 0) line.cells[n].scope = "row";
      else line.cells[n].dataset.label = labels[n];
      set(line.cells[n], text);
    });
  });
  while (body.rows.length > told.length) body.rows[told.length].remove();
}

const known = new Map();

function showEvents(facts) {
  const items = facts.map((fact) => {
    const item = known.get(fact.seq) ?? eventItem(fact);
    known.set(fact.seq, item);
    return item;
  });
  if (known.size > facts.length * 2) {
    const kept = new Set(facts.map((fact) => fact.seq));
    for (const seq of known.keys()) if (!kept.has(seq)) known.delete(seq);
  }
  part("events").replaceChildren(...items);
}

function eventItem(fact) {
  const time = element("time");
  const at = new Date(fact.at);
  const today = at.toDateString() === new Date().toDateString();
  time.dateTime = fact.at;
  time.title = at.toLocaleString();
  time.textContent = today ? at.toLocaleTimeString([], { hour12: false }) : at.toLocaleDateString([], { month: "short", day: "numeric" });
  const badge = element("span");
  badge.className = "badge";
  badge.dataset.tone = fact.tone;
  badge.textContent = fact.what;
  const service = element("b");
  service.textContent = fact.service ?? "";
  const what = element("span", service, ` ${fact.words}`);
  what.className = "what";
  return element("li", time, badge, what);
}

function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

follow();
