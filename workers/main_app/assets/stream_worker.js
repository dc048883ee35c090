// The stream, in a thread of its own: thousands of messages a second are read here, and reach the page as
// columns of numbers, once per frame.

import { Stream } from "./stream.js";
import { Batch } from "./batch.js";

/** A frame: nobody sees what is told more often. */
const TOLD_EVERY_MS = 16;

const batch = new Batch();
let timer = 0;
let stream = null;

function flush() {
  clearTimeout(timer);
  timer = 0;
  if (batch.length > 0) postMessage({ trades: batch.take() });
}

/** In the order in which it came: first the trades before it. */
function tell(message) {
  flush();
  postMessage(message);
}

const listener = {
  state: (state) => tell({ state }),
  lost: (from, to) => tell({ lost: [from, to] }),
  message: (message) => {
    if (message.type !== "trade") return tell({ message });
    if (!batch.add(message)) return;
    if (timer === 0) timer = setTimeout(flush, TOLD_EVERY_MS);
  },
};

const orders = {
  begin: (url) => {
    stream = new Stream(url, listener);
  },
  connect: () => stream.connect(),
  tryNow: () => stream.tryNow(),
  subscribe: (symbol) => stream.subscribe(symbol),
  unsubscribe: (symbol) => stream.unsubscribe(symbol),
  askHealth: () => stream.askHealth(),
};

onmessage = ({ data: [order, argument] }) => orders[order](argument);
