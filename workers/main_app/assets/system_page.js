// The system page, kept live: events say that something changed, one look says what. All words come
// from the server (/v1/system); here they are only put in their places, as text.

import { Actions } from "./actions.js";
import { Chart, Series } from "./chart.js";

const SAMPLES = 60;
const LOOK_EVERY_MS = 5_000;
const PAUSES_MS = [500, 15_000];
const MOST_CHANGES = 200;
const part = (id) => document.getElementById(id);

const rows = new Map();
const actions = document.documentElement.dataset.actions === "on" ? new Actions() : null;
let isLive = false;
let isLooking = false;
let isStale = false;
let pause = PAUSES_MS[0];
let lastLook = Date.now();

// ---- events

function follow() {
  const source = new EventSource("/v1/events");
  source.addEventListener("live", () => {
    pause = PAUSES_MS[0];
    isLive = true;
    link("good", "Live");
    look();
  });
  source.addEventListener("change", (event) => {
    changed(JSON.parse(event.data));
    look();
  });
  source.addEventListener("away", (event) => {
    const away = JSON.parse(event.data);
    isLive = false;
    if (away.supported) link("bad", `Not live: ${away.message}`);
    else link("warn", "Not live: this supervisor does not tell its changes");
    look();
  });
  source.onerror = () => {
    // EventSource gives up on some errors and hurries on others: one pause for all of them.
    source.close();
    isLive = false;
    link("bad", `No connection to this app. Trying again in ${Math.round(pause / 1000) || 1} s`);
    setTimeout(follow, pause);
    pause = Math.min(pause * 2, PAUSES_MS[1]);
  };
}

const TONES = {
  RUNNING: "good", FATAL: "bad", BACKOFF: "bad", STARTING: "busy", STOPPING: "busy", STOPPED: "warn",
  healthy: "good", unhealthy: "bad", starting: "busy",
};

function changed(event) {
  const word = { service: event.state, health: event.status }[event.event];
  if (word === undefined) return;
  const why = event.reason ?? event.error;
  part("changes-panel").hidden = false;
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  const badge = document.createElement("span");
  badge.className = "badge";
  badge.dataset.tone = TONES[word] ?? "idle";
  badge.textContent = word;
  const what = document.createElement("span");
  what.className = "what";
  what.textContent = why ? `${event.name}: ${why}` : event.name;
  item.append(time, badge, what);
  part("changes").prepend(item);
  while (part("changes").childElementCount > MOST_CHANGES) part("changes").lastElementChild.remove();
}

function link(tone, words) {
  part("link").dataset.tone = tone;
  part("link-words").textContent = words;
}

// ---- a look at the whole; those that come while one is under way become one more

async function look() {
  if (isLooking) {
    isStale = true;
    return;
  }
  isLooking = true;
  try {
    const response = await fetch("/v1/system", { signal: AbortSignal.timeout(5_000) });
    if (response.ok) show(await response.json());
  } catch {
    // The events say that the app is gone, and when it is back.
  }
  isLooking = false;
  if (isStale) {
    isStale = false;
    look();
  }
}

function show(view) {
  lastLook = Date.now();
  part("headline").dataset.tone = view.tone;
  set(part("headline-words"), view.headline);
  set(part("headline-detail"), view.detail);
  document.title = view.tone === "bad" ? `⚠ ${view.headline}` : "System";
  const names = new Set(view.services.map((service) => service.name));
  for (const [name, row] of rows) if (!names.has(name)) { row.element.remove(); rows.delete(name); }
  view.services.forEach((service, place) => {
    if (!rows.has(service.name)) rows.set(service.name, new Row(service.name));
    const row = rows.get(service.name);
    row.show(service);
    const there = part("services").children[place];
    if (there !== row.element) part("services").insertBefore(row.element, there ?? null);
  });
  showFigures(view.stream);
}

function showFigures(figures) {
  const list = part("figures");
  list.replaceChildren(...figures.map((figure) => {
    const group = document.createElement("div");
    if (figure.alarm) group.dataset.tone = "bad";
    for (const [name, text] of [["dt", figure.label], ["dd", figure.value]]) {
      const element = document.createElement(name);
      element.textContent = text;
      group.append(element);
    }
    return group;
  }));
}

// ---- one service

class Row {
  element = document.createElement("tr");
  #cells = {};
  #service = null;
  #cpu = new Series(SAMPLES);
  #memory = new Series(SAMPLES);
  #charts = {};

  constructor(name) {
    const head = document.createElement("th");
    head.scope = "row";
    for (const key of ["name", "reason"]) {
      this.#cells[key] = document.createElement("span");
      this.#cells[key].className = key;
      head.append(this.#cells[key]);
    }
    this.element.append(head);
    for (const label of ["State", "Health", "Up", "Restarts", "CPU", "Memory", "Ports", "Pid"]) {
      const cell = document.createElement("td");
      cell.dataset.label = label;
      this.#cells[label] = document.createElement("span");
      cell.append(this.#cells[label]);
      this.element.append(cell);
    }
    this.#cells.State.className = "badge";
    for (const label of ["CPU", "Memory"]) {
      const canvas = document.createElement("canvas");
      canvas.setAttribute("aria-hidden", "true");
      this.#cells[label].after(canvas);
      this.#charts[label] = new Chart(canvas, () => this.#draw());
    }
    if (actions !== null) this.element.append(actions.cell(() => this.#service));
    this.#cells.name.textContent = name;
  }

  show(service) {
    this.#service = service;
    const texts = {
      reason: service.reason ?? "", State: service.state, Health: service.health, Up: service.uptime,
      Restarts: String(service.restarts), CPU: service.cpu, Memory: service.memory, Ports: service.ports,
      Pid: service.pid === null ? "–" : String(service.pid),
    };
    for (const [key, text] of Object.entries(texts)) set(this.#cells[key], text);
    this.element.dataset.state = service.state;
    this.element.dataset.tone = this.#cells.State.dataset.tone = service.tone;
    // What does not run uses nothing, which is not the same as 0: the line begins anew with the next run.
    this.#cpu = extended(this.#cpu, service.cpu_percent);
    this.#memory = extended(this.#memory, service.memory_bytes);
    this.#draw();
  }

  #draw() {
    this.#charts.CPU?.draw(this.#cpu, { capacity: SAMPLES, fromZero: true, floor: 5 });
    this.#charts.Memory?.draw(this.#memory, { capacity: SAMPLES, fromZero: true });
  }
}

function extended(series, value) {
  if (value === null) return new Series(SAMPLES);
  series.push(value);
  return series;
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// ---- begin

// The rows of the server are replaced by rows that can be kept live.
part("services").replaceChildren();
look();
follow();
addEventListener("focus", () => look());
// Load and the stream's figures are readings, which no event announces: taken while somebody looks.
setInterval(() => {
  if (isLive && !document.hidden && Date.now() - lastLook >= LOOK_EVERY_MS - 100) look();
}, LOOK_EVERY_MS);
