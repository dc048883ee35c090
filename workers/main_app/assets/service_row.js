// One service in the table, with the lines of its readings.

import { Chart, Series } from "./chart.js";

const SAMPLES = 60;
/** A line that is just begun is drawn as wide as one of a minute. */
const LEAST = 30;
const LABELS = ["State", "Health", "Up", "Restarts", "CPU", "Memory", "Ports", "Pid"];

export function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class ServiceRow {
  element = document.createElement("tr");
  #cells = {};
  #service = null;
  #charts = {};
  #log = document.createElement("button");

  /** `openLog(name)` shows the log of a service. */
  constructor(name, actions, openLog) {
    const head = document.createElement("th");
    head.scope = "row";
    for (const key of ["name", "reason"]) {
      this.#cells[key] = document.createElement("span");
      this.#cells[key].className = key;
      head.append(this.#cells[key]);
    }
    this.element.append(head);
    for (const label of LABELS) this.element.append(this.#cell(label));
    this.#cells.State.className = "badge";
    for (const label of ["CPU", "Memory"]) this.#addChart(label);
    this.#log.className = "open-log";
    this.#log.addEventListener("click", () => openLog(name));
    const log = document.createElement("td");
    log.dataset.label = "Log";
    log.append(this.#log);
    this.element.append(log);
    if (actions !== null) this.element.append(actions.cell(() => this.#service));
    this.#cells.name.textContent = name;
  }

  #cell(label) {
    const cell = document.createElement("td");
    cell.dataset.label = label;
    this.#cells[label] = document.createElement("span");
    cell.append(this.#cells[label]);
    return cell;
  }

  #addChart(label) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${label} of the last minutes`);
    this.#cells[label].after(canvas);
    this.#charts[label] = new Chart(canvas, () => this.#draw());
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
    const errors = service.errors === 1 ? "1 error" : `${service.errors} errors`;
    set(this.#log, service.errors === 0 ? "Log" : errors);
    this.#log.setAttribute("aria-label", `Log of ${service.name}, ${service.errors === 0 ? "no errors" : errors}`);
    this.#log.dataset.errors = String(service.errors > 0);
    this.#draw();
  }

  #draw() {
    if (this.#service === null) return;
    const [cpu, memory] = [series(this.#service.cpu_series), series(this.#service.memory_series)];
    this.#charts.CPU?.draw(cpu, { capacity: Math.max(cpu.length, LEAST), fromZero: true, floor: 5 });
    this.#charts.Memory?.draw(memory, { capacity: Math.max(memory.length, LEAST), fromZero: true });
  }
}

/** What does not run uses nothing, which is not the same as 0: the line begins with the present run. */
function series(readings) {
  const from = readings.lastIndexOf(null) + 1;
  const drawn = new Series(SAMPLES);
  for (const reading of readings.slice(from)) drawn.push(reading);
  return drawn;
}
