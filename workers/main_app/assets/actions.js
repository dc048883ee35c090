// What may be done to a service or to the whole, after a question that says what will happen. The token
// lives as long as the page; the server decides.

const LONG_AWAY_MS = 60_000;
const part = (id) => document.getElementById(id);
const title = (word) => word[0].toUpperCase() + word.slice(1);

const OF_ONE = {
  restart: (name) => `${name} and every process it started are stopped, then it is started again. This ends when it is ready.`,
  stop: (name) => `${name} and every process it started are stopped, and it stays stopped until somebody starts it. Services that need it keep running without it.`,
  start: (name) => `${name} is started, and before it whatever it needs.`,
};

const OF_ALL = {
  flush: {
    title: "Flush ports",
    path: "/v1/flush",
    words: (view) => `Whatever listens on an assigned port and is no running service of ours is ended: SIGTERM, after 3 s SIGKILL. Running services go on. ${held(view)}`,
  },
  quick: {
    title: "Quick restart",
    path: "/v1/restart/quick",
    words: (view) => `All ${view.services.length} services and the supervisor are stopped and started again; no port is flushed. The app behind this page is one of them: the page stays, comes back by itself and tells how it went.`,
  },
  emergency: {
    title: "Emergency restart",
    path: "/v1/restart/emergency",
    words: (view) => `Everything of ours is ended at once with SIGKILL: no service can finish what it is at. All assigned ports are freed without grace, whoever holds them, and all ${view.services.length} services are started anew. For when nothing else works. The app behind this page dies too: the page stays, comes back by itself and tells how it went.`,
  },
};

/** What a flush would meet. */
function held(view) {
  const wrong = view.ports.filter((port) => port.tone === "bad" && port.cells[3] !== "–");
  if (wrong.length === 0) return "Now no stranger and no stray holds one: nothing would be ended.";
  return `Now: ${wrong.map((port) => `${port.cells[0]} is held by ${port.cells[3]}`).join("; ")}.`;
}

export class Actions {
  #token = "";
  #order = null;
  #view = null;
  // A restart of the whole under way: since when, and under which supervisor it was asked for.
  #whole = null;
  #timer = 0;

  constructor() {
    const head = document.createElement("th");
    head.scope = "col";
    const words = document.createElement("span");
    words.className = "sr-only";
    words.textContent = "Actions";
    head.append(words);
    document.querySelector("#services-table thead tr").append(head);
    for (const button of part("whole").children) {
      button.addEventListener("click", () => this.#askWhole(button.dataset.order));
    }
    part("confirm-yes").addEventListener("click", () => this.#act());
    part("token").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.#act();
    });
  }

  /** Whether the app itself is being restarted. */
  get isWaiting() {
    return this.#whole !== null;
  }

  /** The buttons of a service, which `service()` returns as it is now. */
  cell(service) {
    const cell = document.createElement("td");
    cell.dataset.label = "Actions";
    for (const verb of ["start", "restart", "stop"]) {
      const button = document.createElement("button");
      button.dataset.verb = verb;
      button.textContent = title(verb);
      button.setAttribute("aria-haspopup", "dialog");
      button.addEventListener("click", () => this.#askOne(verb, service()));
      cell.append(button);
    }
    return cell;
  }

  /** What the page shows now: another supervisor, settled, ends a restart of the whole. */
  see(view) {
    this.#view = view;
    // Before there is something to ask about, nothing is offered.
    part("whole").hidden = false;
    if (this.#whole === null || view.supervisor === null || view.supervisor === this.#whole.supervisor) return;
    if (view.tone === "busy" || view.services.some((service) => service.tone === "busy")) return;
    const took = ((performance.now() - this.#whole.began) / 1000).toFixed(1);
    const good = view.tone === "good";
    this.#finish(good ? "good" : "bad", `Back after ${took} s under a new supervisor (pid ${view.supervisor}). ${view.headline}.`);
  }

  #askOne(verb, service) {
    this.#order = { path: `/v1/${verb}`, body: { services: [service.name] } };
    const clients = verb !== "start" && service.clients > 0 ? ` Connected clients: ${service.clients}; they lose this connection.` : "";
    const ownApp = verb !== "start" && service.name === "main_app" ? " It serves this page, which comes back by itself if it is started again." : "";
    this.#ask(`${title(verb)} ${service.name}`, OF_ONE[verb](service.name) + clients + ownApp);
  }

  #askWhole(order) {
    if (this.#view === null) return;
    const { title: name, path, words } = OF_ALL[order];
    this.#order = { path, body: {}, isWhole: order !== "flush" };
    this.#ask(name, words(this.#view));
  }

  #ask(name, words) {
    part("confirm-title").textContent = `${name}?`;
    part("confirm-words").textContent = words;
    part("confirm-yes").textContent = name;
    part("confirm-yes").hidden = false;
    part("confirm-no").textContent = "Cancel";
    part("token-label").hidden = this.#token !== "";
    this.#result("", "");
    part("confirm-yes").disabled = false;
    part("confirm").showModal();
    (this.#token === "" ? part("token") : part("confirm-no")).focus();
  }

  async #act() {
    if (part("confirm-yes").disabled) return;
    const token = this.#token || part("token").value;
    const { path, body, isWhole } = this.#order;
    part("confirm-yes").disabled = true;
    this.#result("", "Under way…");
    if (isWhole) this.#wait();
    try {
      const response = await fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
      if (response.status === 401) this.#token = "";
      if (!response.ok) throw new Error((await response.json()).message);
      this.#token = token;
      part("token").value = "";
      part("token-label").hidden = true;
      this.#ended(await response.text());
    } catch (error) {
      // A restart of the whole ends the app that would answer: what comes next is seen, not told.
      const lost = error instanceof TypeError || error instanceof SyntaxError;
      if (lost && this.#whole !== null) return;
      this.#finish("bad", lost ? "The connection was lost before the answer came." : error.message);
      part("token-label").hidden = this.#token !== "";
      part("confirm-yes").disabled = false;
    }
  }

  #ended(lines) {
    const said = lines.trim().split("\n").map((line) => JSON.parse(line));
    const end = said.at(-1);
    if (end?.event !== "end") {
      if (this.#whole === null) this.#finish("bad", "The answer broke off.");
      return;
    }
    // The command dies with the app that began it; what it began goes on.
    if (this.#whole !== null && end.exit_code === null) return;
    const outcome = end.services?.[0];
    if (!end.ok) return this.#finish("bad", outcome?.reason ?? end.error?.message ?? "It was not reached.");
    if (this.#whole !== null) return;
    const told = said.filter((line) => line.event === "line").map((line) => line.text).join("\n");
    this.#finish("good", told || `Done in ${((outcome?.took_ms ?? 0) / 1000).toFixed(1)} s.`);
  }

  #wait() {
    this.#whole = { began: performance.now(), supervisor: this.#view.supervisor };
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      const ms = performance.now() - this.#whole.began;
      const seconds = Math.round(ms / 1000);
      const late = ms > LONG_AWAY_MS ? " That is long. On the host: sentinel status" : "";
      this.#result("", `Under way for ${seconds} s; this page waits for the app to come back.${late}`);
    }, 1000);
  }

  #finish(tone, words) {
    clearInterval(this.#timer);
    this.#whole = null;
    part("confirm-no").textContent = "Close";
    part("confirm-yes").hidden = tone === "good";
    this.#result(tone, words);
  }

  #result(tone, words) {
    part("confirm-result").dataset.tone = tone;
    part("confirm-result").textContent = words;
  }
}
