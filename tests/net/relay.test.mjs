/* The relay between real sockets: both ways, several clients, a new address, and its end. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { Relay } from './relay.mjs';

const PATIENCE = { timeout: 15000 };

async function open() {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

const received = async (socket) => {
  const [data, { port }] = await once(socket, 'message');
  return { text: data.toString(), port };
};

/** Until counters, which change only as datagrams come, say so. */
async function counted(check, within = 10000) {
  for (const end = Date.now() + within; !check() && Date.now() < end;) {
    await new Promise(setImmediate);
  }
  assert.ok(check());
}

/** A server that answers with what it got, through a relay. */
async function withEcho(settings, use) {
  const server = await open();
  const from = []; // ports the server has seen, in order
  server.on('message', (data, { port }) => {
    from.push(port);
    server.send(data, port, '127.0.0.1');
  });
  const relay = await Relay.start(server.address().port, settings);
  const client = await open();
  const ask = async (text, socket = client) => {
    socket.send(text, relay.port, '127.0.0.1');
    return received(socket);
  };
  try {
    await use({ relay, server, client, from, ask });
  } finally {
    relay.close();
    client.close();
    server.close();
  }
}

test('both ways, each client from a port of its own', PATIENCE, () =>
  withEcho({}, async ({ relay, from, ask }) => {
    assert.deepEqual(await ask('one'), { text: 'one', port: relay.port });
    const other = await open();
    assert.deepEqual(await ask('two', other), { text: 'two', port: relay.port });
    other.close();
    assert.deepEqual(from, relay.serverSidePorts);
    assert.notEqual(from[0], from[1]);
    assert.equal(relay.up.counters.out, 2);
    assert.equal(relay.down.counters.out, 2);
  }));

test('after a new address the server sees it, and what it sends to the old one is gone', PATIENCE,
  () => withEcho({}, async ({ relay, server, client, from, ask }) => {
    await ask('before');
    await relay.rebind();
    const answers = [];
    client.on('message', (data) => answers.push(data.toString()));
    server.send('to the old one', from[0], '127.0.0.1');
    await ask('after');
    assert.equal(from.length, 2);
    assert.notEqual(from[1], from[0]);
    assert.deepEqual(relay.serverSidePorts, [from[1]]);
    assert.deepEqual(answers, ['after']);
    assert.equal(relay.counters.rebinds, 1);
  }));

test('each direction has its own delay', PATIENCE, () =>
  withEcho({ up: { delay: 30 }, down: { delay: 60 } }, async ({ ask }) => {
    const begun = performance.now();
    await ask('slow');
    assert.ok(performance.now() - begun >= 89);
  }));

test('what is sent in a blackout is lost, and what follows it passes', PATIENCE, () =>
  withEcho({}, async ({ relay, client, ask }) => {
    relay.blackout(1e6);
    for (let i = 0; i < 5; i++) {
      client.send('lost', relay.port, '127.0.0.1');
    }
    await counted(() => relay.up.counters.dark === 5);
    relay.blackout(0);
    assert.equal((await ask('back')).text, 'back');
  }));

test('strangers cannot send to clients', PATIENCE, () =>
  withEcho({}, async ({ relay, ask, client }) => {
    await ask('one');
    const stranger = await open(), answers = [];
    client.on('message', (data) => answers.push(data.toString()));
    stranger.send('hello', relay.serverSidePorts[0], '127.0.0.1');
    await counted(() => relay.counters.strange === 1);
    stranger.close();
    await ask('two');
    assert.deepEqual(answers, ['two']);
  }));

test('clients with links of their own do not fill each other\'s bottleneck', PATIENCE, () =>
  withEcho({ apart: true, up: { rate: 80000, queue: 1000 } }, async ({ relay, ask, client }) => {
    const other = await open();
    for (let i = 0; i < 20; i++) {
      client.send(Buffer.alloc(900), relay.port, '127.0.0.1'); // all but one find the queue full
    }
    assert.equal((await ask('through', other)).text, 'through');
    other.close();
  }));

test('a change and a blackout reach the links of each client', PATIENCE, () =>
  withEcho({ apart: true }, async ({ relay, ask, client }) => {
    await ask('one');
    relay.set({ delay: 30 });
    const begun = performance.now();
    await ask('slow');
    assert.ok(performance.now() - begun >= 59);
    const answers = [];
    client.on('message', (data) => answers.push(data.toString()));
    relay.blackout(1e6);
    client.send('lost', relay.port, '127.0.0.1');
    const other = await open();
    relay.up.blackout(0); // who comes now has links that are not dark
    relay.down.blackout(0);
    assert.equal((await ask('new', other)).text, 'new');
    assert.deepEqual(answers, []);
    other.close();
  }));
