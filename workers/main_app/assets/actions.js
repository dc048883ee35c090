// What may be done to a service, after a question that says what will happen. The token lives as
// long as the page; the server decides.

const part = (id) => document.getElementById(id);

const WORDS = {
  restart: (name) => `${name} and every process it started are stopped, then it is started again. This ends when it is ready.`,
  stop: (name) => `${name} and every process it started are stopped, and it stays stopped until somebody starts it. Services that need it keep running without it.`,
  start: (name) => `${name} is started, and before it whatever it needs.`,
};

export class Actions {
  #token = "";
  #order = null;

  constructor() {
    const head = document.createElement("th");
    head.scope = "col";
    const words = document.createElement("span");
    words.className = "sr-only";
    words.textContent = "Actions";
    head.append(words);
    document.querySelector("thead tr").append(head);
    part("confirm-yes").addEventListener("click", () => this.#act());
    part("token").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.#act();
    });
  }

  /** The buttons of a service, which `service()` returns as it is now. */
  cell(service) {
    const cell = document.createElement("td");
    cell.dataset.label = "Actions";
    for (const verb of ["start", "restart", "stop"]) {
      const button = document.createElement("button");
      button.dataset.verb = verb;
      button.textContent = verb[0].toUpperCase() + verb.slice(1);
      button.setAttribute("aria-haspopup", "dialog");
      button.addEventListener("click", () => this.#ask(verb, service()));
      cell.append(button);
    }
    return cell;
  }

  #ask(verb, service) {
    this.#order = { verb, name: service.name };
    const title = verb[0].toUpperCase() + verb.slice(1);
    part("confirm-title").textContent = `${title} ${service.name}?`;
    const clients = verb !== "start" && service.clients > 0 ? ` Connected clients: ${service.clients}; they lose this connection.` : "";
    part("confirm-words").textContent = WORDS[verb](service.name) + clients;
    part("confirm-yes").textContent = `${title} ${service.name}`;
    part("confirm-no").textContent = "Cancel";
    part("token-label").hidden = this.#token !== "";
    this.#result("", "");
    this.#busy(false);
    part("confirm").showModal();
    (this.#token === "" ? part("token") : part("confirm-no")).focus();
  }

  async #act() {
    const token = this.#token || part("token").value;
    const { verb, name } = this.#order;
    this.#busy(true);
    this.#result("", "Under way…");
    try {
      const response = await fetch(`/v1/${verb}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ services: [name] }),
      });
      if (response.status === 401) this.#token = "";
      if (!response.ok) throw new Error((await response.json()).message);
      this.#token = token;
      part("token").value = "";
      this.#finished(await response.text());
    } catch (error) {
      this.#result("bad", error instanceof TypeError ? "The connection was lost before the answer came." : error.message);
      part("token-label").hidden = this.#token !== "";
      part("confirm-yes").disabled = false;
    }
  }

  #finished(lines) {
    const end = JSON.parse(lines.trim().split("\n").at(-1));
    const outcome = end.services?.[0];
    part("confirm-no").textContent = "Close";
    if (end.ok) this.#result("good", `Done in ${((outcome?.took_ms ?? 0) / 1000).toFixed(1)} s.`);
    else this.#result("bad", outcome?.reason ?? end.error?.message ?? "It was not reached.");
  }

  #busy(busy) {
    part("confirm-yes").disabled = busy;
  }

  #result(tone, words) {
    part("confirm-result").dataset.tone = tone;
    part("confirm-result").textContent = words;
  }
}
