// The stream as the page knows it: what it is asked goes to the worker, what that tells comes back.

const WORKER = "/assets/stream_worker.js";

/** The address of the stream: the page's own host, unless the server names another. */
export function streamAddress(dataset, location) {
  if (dataset.streamUrl) return dataset.streamUrl;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.hostname}:${dataset.streamPort}`;
}

/** The one script that the page's policy lets a worker be made of. */
function workerUrl() {
  const policy = globalThis.trustedTypes?.createPolicy("stream-worker", { createScriptURL: () => WORKER });
  return policy === undefined ? WORKER : policy.createScriptURL("");
}

export class RemoteStream {
  #worker = new Worker(workerUrl(), { type: "module" });

  /** `listener` is one of `Stream`, and has `trades(batch)` besides. */
  constructor(url, listener) {
    this.#worker.onmessage = ({ data }) => {
      if (data.trades !== undefined) listener.trades(data.trades);
      else if (data.message !== undefined) listener.message(data.message);
      else if (data.state !== undefined) listener.state(data.state);
      else listener.lost(...data.lost);
    };
    this.#worker.postMessage(["begin", url]);
  }

  connect() {
    this.#worker.postMessage(["connect"]);
  }

  tryNow() {
    this.#worker.postMessage(["tryNow"]);
  }

  subscribe(symbol) {
    this.#worker.postMessage(["subscribe", symbol]);
  }

  unsubscribe(symbol) {
    this.#worker.postMessage(["unsubscribe", symbol]);
  }

  askHealth() {
    this.#worker.postMessage(["askHealth"]);
  }
}
