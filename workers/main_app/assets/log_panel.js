// The log of one service, or of all: its last lines, and those that come. Errors are marked.

const LINES = 200;
const MOST = 1000;
const PAUSES_MS = [1_000, 15_000];
const ALL = "";
const COLOURS = /\u001b\[[0-9;]*m/g;
const part = (id) => document.getElementById(id);

export class LogPanel {
  #names = null;
  #source = null;
  #retry = 0;
  #pause = PAUSES_MS[0];
  #waiting = [];
  #isSoon = false;
  #isFollowing = true;

  constructor() {
    part("log-panel").hidden = false;
    part("log-of").addEventListener("change", () => this.#begin());
    part("log-errors").addEventListener("change", () => this.#begin());
    part("log-follow").addEventListener("click", () => this.#follow(!this.#isFollowing));
    // A log that nobody sees costs the host what one that is seen costs.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#end() : this.#begin()));
  }

  /** The services there are: the first one, which may be in trouble, is shown first. */
  know(names) {
    const first = this.#names === null;
    const same = !first && names.length === this.#names.size && names.every((name) => this.#names.has(name));
    if (same) return;
    const chosen = first ? names[0] : part("log-of").value;
    this.#names = new Set(names);
    const options = [...names.toSorted(), "sentinel"].map((name) => new Option(name, name));
    part("log-of").replaceChildren(new Option("All services", ALL), ...options);
    part("log-of").value = this.#names.has(chosen) || chosen === "sentinel" ? chosen : ALL;
    if (first || part("log-of").value !== chosen) this.#begin();
  }

  /** Shows the log of a service, and brings it into view. */
  open(name) {
    part("log-of").value = name;
    this.#follow(true);
    this.#begin();
    const smooth = matchMedia("(prefers-reduced-motion: no-preference)").matches;
    part("log-panel").scrollIntoView({ behavior: smooth ? "smooth" : "auto", block: "start" });
    part("log").focus({ preventScroll: true });
  }

  #begin() {
    this.#end();
    if (this.#names === null || document.hidden) return;
    const query = new URLSearchParams({ lines: String(LINES), follow: "true" });
    if (part("log-of").value !== ALL) query.append("service", part("log-of").value);
    if (part("log-errors").checked) query.append("errors", "true");
    this.#say("Loading…");
    const source = new EventSource(`/v1/logs?${query}`);
    this.#source = source;
    // Each time it is live, the last lines come again.
    source.addEventListener("live", () => {
      this.#pause = PAUSES_MS[0];
      this.#waiting = [];
      part("log").replaceChildren();
      this.#say("");
    });
    source.addEventListener("line", (event) => this.#add(JSON.parse(event.data)));
    source.addEventListener("away", (event) => this.#say(JSON.parse(event.data).message));
    source.onerror = () => {
      this.#end();
      this.#say("No connection to this app");
      this.#retry = setTimeout(() => this.#begin(), this.#pause);
      this.#pause = Math.min(this.#pause * 2, PAUSES_MS[1]);
    };
  }

  #end() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #add(line) {
    this.#waiting.push(line);
    if (this.#waiting.length > MOST) this.#waiting.shift();
    if (this.#isSoon) return;
    this.#isSoon = true;
    requestAnimationFrame(() => this.#write());
  }

  #write() {
    this.#isSoon = false;
    const list = part("log");
    list.append(...this.#waiting.splice(0).map((line) => item(line, part("log-of").value === ALL)));
    while (list.childElementCount > MOST) list.firstElementChild.remove();
    if (this.#isFollowing) list.scrollTop = list.scrollHeight;
  }

  #follow(follows) {
    this.#isFollowing = follows;
    part("log-follow").setAttribute("aria-pressed", String(follows));
    if (follows) part("log").scrollTop = part("log").scrollHeight;
  }

  #say(words) {
    part("log-state").textContent = words;
  }
}

function item(line, withName) {
  const made = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = line.at === null ? "–" : new Date(line.at).toLocaleTimeString([], { hour12: false });
  if (line.at !== null) time.dateTime = line.at;
  made.append(time);
  if (withName) {
    const name = document.createElement("b");
    name.textContent = line.service;
    made.append(name);
  }
  const text = document.createElement("span");
  text.textContent = line.text.replace(COLOURS, "") + (line.cut ? " …" : "");
  if (line.error) {
    made.dataset.error = "true";
    const mark = document.createElement("span");
    mark.className = "sr-only";
    mark.textContent = "Error: ";
    text.prepend(mark);
  }
  made.append(text);
  return made;
}
