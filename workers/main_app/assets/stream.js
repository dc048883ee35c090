// The connection to the stream: kept up for as long as the page is open, and honest about itself.
// No part of the page, it runs in a worker; it tells its listener what happens.

const PING_EVERY_MS = 30_000;
const PONG_WITHIN_MS = 10_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * `listener.state({name, attempt, retryAt, since})` with the names `connecting`, `open`, `waiting`;
 * `listener.message(object)` for each message; `listener.lost(from, to)` once it is known for how
 * long nothing could come.
 */
export class Stream {
  #url;
  #listener;
  #wanted = new Set();
  // Where each symbol's numbering is, for backends that number trades and keep the last of them.
  #positions = new Map();
  #socket = null;
  #attempt = 0;
  #retryTimer = 0;
  #pingTimer = 0;
  #pongTimer = 0;
  #lostAt = null;

  constructor(url, listener) {
    this.#url = url;
    this.#listener = listener;
    // The network is back, or the laptop is open again: no reason to wait any longer.
    addEventListener("online", () => this.tryNow());
  }

  /** Connects, and does not stop trying. */
  connect() {
    clearTimeout(this.#retryTimer);
    this.#attempt += 1;
    this.#tell("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = () => this.#closed(socket);
  }

  /** Ends the pause between two attempts. */
  tryNow() {
    if (this.#socket === null && this.#attempt > 0) this.connect();
  }

  subscribe(symbol) {
    this.#wanted.add(symbol);
    this.#send({ action: "subscribe", symbol });
  }

  unsubscribe(symbol) {
    this.#wanted.delete(symbol);
    this.#positions.delete(symbol);
    this.#send({ action: "unsubscribe", symbol });
  }

  askHealth() {
    this.#send({ action: "health" });
  }

  #opened() {
    this.#tell("open");
    if (this.#lostAt !== null) this.#listener.lost(this.#lostAt, Date.now());
    this.#lostAt = null;
    for (const symbol of this.#wanted) this.#send({ action: "subscribe", symbol, since: this.#positions.get(symbol) });
    this.askHealth();
    this.#pingTimer = setInterval(() => this.#ping(), PING_EVERY_MS);
  }

  #ping() {
    this.#send({ action: "ping" });
    this.askHealth();
    const socket = this.#socket;
    // A dead connection may stay open for minutes; one that answers nothing is dead.
    clearTimeout(this.#pongTimer);
    this.#pongTimer = setTimeout(() => this.#closed(socket), PONG_WITHIN_MS);
  }

  #received(text) {
    this.#attempt = 0;
    if (this.#pongTimer !== 0) {
      clearTimeout(this.#pongTimer);
      this.#pongTimer = 0;
    }
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message === null || typeof message !== "object") return;
    this.#number(message);
    this.#listener.message(message);
  }

  /** Keeps up with the numbering, so that a lost connection can be taken up where it broke. */
  #number(message) {
    const known = this.#positions.get(message.symbol);
    if (message.type === "subscribed" && typeof message.epoch === "string") {
      // What is replayed comes next, and counts up from where this page was.
      const seq = message.recovered === true && known ? known.seq : message.seq;
      this.#positions.set(message.symbol, { epoch: message.epoch, seq });
    } else if (known !== undefined && (message.type === "trade" || message.type === "gap")) {
      known.seq = Math.max(known.seq, message.seq ?? message.to ?? 0);
    }
  }

  #closed(socket) {
    if (socket !== this.#socket) return;
    socket.onclose = socket.onmessage = socket.onopen = null;
    socket.close();
    this.#socket = null;
    clearInterval(this.#pingTimer);
    clearTimeout(this.#pongTimer);
    if (this.#lostAt === null) this.#lostAt = Date.now();
    this.#attempt = Math.max(this.#attempt, 1);
    const pause = pauseBefore(this.#attempt);
    this.#retryTimer = setTimeout(() => this.connect(), pause);
    this.#tell("waiting", Date.now() + pause);
  }

  #tell(name, retryAt = null) {
    this.#listener.state({ name, attempt: this.#attempt, retryAt, since: Date.now() });
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

/** 1 s, doubling to 60 s, shortened by chance so that many pages do not come back as one. */
function pauseBefore(attempt) {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
  return longest * (0.75 + Math.random() / 4);
}
