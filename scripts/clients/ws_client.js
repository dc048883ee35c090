#!/usr/bin/env node
// Node's `ws`, as a browser would: with an Origin and an offer of compression, through the stream's protocol.
//
//     npm install ws
//     node scripts/clients/ws_client.js [ws://127.0.0.1:8766] [AAPL]
//
// Exits 0 only if every kind of message came, and trades have numbers that follow each other.
const WebSocket = require('ws');

const url = process.argv[2] || 'ws://127.0.0.1:8766';
const symbol = process.argv[3] || 'AAPL';
const expected = new Set(['pong', 'subscribed', 'trade', 'health', 'unsubscribed', 'error']);
const socket = new WebSocket(url, { origin: 'http://localhost:3000', perMessageDeflate: true });
const ask = (request) => socket.send(JSON.stringify(request));
const fail = (why) => {
  console.error(`ws at ${url}: ${why}`);
  process.exit(1);
};
setTimeout(() => fail(`never saw ${[...expected].join(', ')}`), 60000).unref();
let last = null;

const steps = {
  pong: () => ask({ action: 'subscribe', symbol: symbol.toLowerCase() }),
  trade: (message) => {
    if (message.symbol !== symbol || !(message.data.price > 0)) fail(JSON.stringify(message));
    if (last !== null && message.seq !== last + 1) fail(`trade ${message.seq} after ${last}`);
    last = message.seq;
    if (expected.delete('trade')) ask({ action: 'health' });
  },
  health: (message) => {
    if (!message.healthy || !message.active_symbols.includes(symbol)) fail(JSON.stringify(message));
    ask({ action: 'unsubscribe', symbol });
  },
  unsubscribed: () => ask({ action: 'nonsense' }),
  error: (message) => {
    if (message.code !== 'bad_request') fail(JSON.stringify(message));
  },
};

socket.on('open', () => ask({ action: 'ping' }));
socket.on('error', (error) => fail(error.message));
socket.on('message', (data, isBinary) => {
  if (isBinary) fail('a binary message');
  const message = JSON.parse(data);
  (steps[message.type] || (() => {}))(message);
  if (message.type !== 'trade') expected.delete(message.type);
  if (expected.size === 0) {
    socket.close(1000);
  }
});
socket.on('close', (code) => {
  if (expected.size > 0 || code !== 1000) fail(`closed with ${code}, never saw ${[...expected].join(', ')}`);
  console.log(`ws ${require('ws/package.json').version} at ${url}: all messages seen`);
  process.exit(0);
});
