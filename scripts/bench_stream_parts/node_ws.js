// The same work on Node and `ws`, well written: each trade is written once, as one buffer for all.
//   node node_ws.js PORT UPSTREAM_PORT
const { WebSocketServer, WebSocket } = require('ws');
const [port, upstreamPort] = process.argv.slice(2).map(Number);
const names = { V: 'IEX', Q: 'NASDAQ' };
const topics = new Map();
let upstream, ready = false;

function connect() {
  upstream = new WebSocket(`ws://127.0.0.1:${upstreamPort}/v2/iex`, { perMessageDeflate: false });
  upstream.on('message', (bytes) => {
    for (const one of JSON.parse(bytes)) {
      if (one.T === 't') trade(one);
      else if (one.msg === 'connected') upstream.send('{"action":"auth","key":"k","secret":"s"}');
      else if (one.msg === 'authenticated') { ready = true; want([...topics.keys()]); }
    }
  });
  upstream.on('close', () => process.exit(0));
}
function want(symbols) {
  if (ready) upstream.send(JSON.stringify({ action: 'subscribe', trades: symbols }));
}
function trade({ S, t, p, s, x, c }) {
  const topic = topics.get(S);
  if (!topic) return;
  topic.seq += 1;
  const text = Buffer.from(JSON.stringify({ type: 'trade', symbol: S,
    data: { timestamp: t, price: p, size: s, exchange: names[x] ?? x, conditions: c }, seq: topic.seq }));
  for (const client of topic.clients) client.send(text, { binary: false });
}
new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false, backlog: 4096 }).on('connection', (client) => {
  client.on('message', (bytes) => {
    const { action, symbol } = JSON.parse(bytes);
    if (action !== 'subscribe') return;
    let topic = topics.get(symbol);
    if (!topic) {
      topics.set(symbol, topic = { seq: 0, clients: new Set() });
      if (!upstream) connect(); else want([symbol]);
    }
    topic.clients.add(client);
    client.on('close', () => topic.clients.delete(client));
    client.send(JSON.stringify({ type: 'subscribed', symbol, message: `Subscribed to ${symbol} trades` }));
  });
});
