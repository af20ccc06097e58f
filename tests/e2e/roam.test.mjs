/* A presenter who is carried from one network to another, in a namespace of his own: his machine loses
 * its address and gets another one, or reaches the server over a relay alone. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { ROOM, ROOT, start, until } from './lib.mjs';

const AMPHI = process.env.AMPHI ?? path.join(ROOT, 'build/release/amphi');
const NAMESPACE = `amphi-roam-${process.pid}`;
const LINK = `ar${process.pid}`, PEER = `ap${process.pid}`;
const SERVER = '10.213.77.1', FIRST = '10.213.77.2', SECOND = '10.213.77.9';
const BEYOND = '10.213.78.1'; /* of this machine, too, but there is no way to it from there */
const TURNSERVER = '/usr/bin/turnserver', USER = 'amphi', PASSWORD = 'relay-secret';
const TOKEN = 'roam-admin-token-0123456789';
let directory, secret, running = [];

function run(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}`);
}

before(() => {
  run('ip', 'netns', 'add', NAMESPACE);
  run('ip', 'link', 'add', LINK, 'type', 'veth', 'peer', 'name', PEER, 'netns', NAMESPACE);
  run('ip', 'addr', 'add', `${SERVER}/24`, 'dev', LINK);
  run('ip', 'addr', 'add', `${BEYOND}/32`, 'dev', LINK);
  run('ip', 'link', 'set', LINK, 'up');
  run('ip', '-n', NAMESPACE, 'addr', 'add', `${FIRST}/24`, 'dev', PEER);
  run('ip', '-n', NAMESPACE, 'link', 'set', PEER, 'up');
  directory = mkdtempSync(path.join(os.tmpdir(), 'amphi-roam-'));
  secret = path.join(directory, 'secret');
  writeFileSync(secret, 'room-secret-0123456789', { mode: 0o600 });
}, { timeout: 60000 });

afterEach(async () => {
  await Promise.all(running.map((program) => program.stop('SIGKILL')));
  running = [];
});

after(() => {
  spawnSync('ip', ['netns', 'del', NAMESPACE]); /* and with it the pair of interfaces */
  if (directory) {
    rmSync(directory, { recursive: true, force: true });
  }
}, { timeout: 30000 });

function begin(...args) {
  const program = start(...args);
  running.push(program);
  return program;
}

async function serve(...args) {
  const server = begin(AMPHI, ['serve', '--listen', `${SERVER}:0`, '--udp-port', '0',
    '--room', ROOM, '--secret-file', secret, '--admin-token', TOKEN, ...args]);
  await until('the server prints its URL', () => /watch: \S+/.test(server.stdout));
  server.origin = new URL(server.stdout.match(/watch: (\S+)/)[1]).origin;
  return server;
}

/** Somebody in the namespace presents to it. */
const present = (server, ...args) => begin('ip', ['netns', 'exec', NAMESPACE, AMPHI, 'publish', '--to',
  `${server.origin}/whip/${ROOM}`, '--secret-file', secret, '--no-settings', '--source',
  'pattern:640x360', '--bitrate', '1000', ...args]);

/** Who presents there: {id, remote, packets, ...}; undefined: nobody. */
async function presenterOf(server) {
  const answer = await fetch(`${server.origin}/api/v1/stats`,
    { headers: { Authorization: `Bearer ${TOKEN}` } });
  const { publishers } = (await answer.json()).rooms[0];
  assert.ok(publishers.length <= 1, 'one session alone');
  return publishers[0];
}

const arrive = (server, check) => until('media arrives', async () => {
  const now = await presenterOf(server);
  return now && check(now) && now;
}, { within: 30000 });

function changeAddress(from, to) {
  run('ip', '-n', NAMESPACE, 'addr', 'del', `${from}/24`, 'dev', PEER);
  run('ip', '-n', NAMESPACE, 'addr', 'add', `${to}/24`, 'dev', PEER);
}

for (const [ice, from, to] of [['lite', FIRST, SECOND], ['full', SECOND, FIRST]]) {
  test(`the session goes on from another address, ice ${ice}`, { timeout: 60000 }, async () => {
    const server = await serve('--ice', ice, '--advertise', SERVER);
    const presenter = present(server);
    const first = await arrive(server, (now) => now.packets > 50);
    assert.ok(first.remote.startsWith(from), first.remote);
    changeAddress(from, to);
    await until('it has noticed', () => /another way to the server/.test(presenter.stderr));
    const second = await arrive(server, (now) => now.remote.startsWith(to));
    await arrive(server, (now) => now.packets > second.packets + 50);
    assert.equal(second.id, first.id);
    assert.equal(presenter.stderr.match(/publishing: live/g).length, 1);
    assert.doesNotMatch(server.stderr, /reconnect/);
  });
}

test('the relay that a server names is the way to it where there is no other', {
  timeout: 60000,
  skip: existsSync(TURNSERVER) ? false : `${TURNSERVER} is not there (Debian package coturn)`,
}, async () => {
  /* without a route to it agents, which know their interface, would ask for it right there */
  run('ip', '-n', NAMESPACE, 'neigh', 'add', BEYOND, 'lladdr', '02:00:00:00:00:01', 'dev', PEER, 'nud',
    'permanent');
  const port = 20000 + process.pid % 20000;
  begin(TURNSERVER, ['-n', `--listening-port=${port}`, `--listening-ip=${SERVER}`,
    `--relay-ip=${BEYOND}`, '--lt-cred-mech', '--realm=test', `--user=${USER}:${PASSWORD}`,
    '--no-cli', '--no-tls', '--no-dtls', '--log-file=stdout', `--userdb=${directory}/users`,
    `--pidfile=${directory}/pid`]);
  const server = await serve('--advertise', BEYOND, '--turn', `${SERVER}:${port}`, '--turn-user', USER,
    '--turn-pass', PASSWORD);
  const presenter = present(server);
  const { remote } = await arrive(server, (now) => now.packets > 50);
  assert.ok(remote.startsWith(BEYOND), remote);
  assert.ok(!presenter.stderr.includes(PASSWORD));
});
