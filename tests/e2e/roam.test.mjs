/* A presenter who is carried from one network to another: his machine loses its address and gets
 * another one, in a namespace of its own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ROOM, ROOT, start, until } from './lib.mjs';

const AMPHI = process.env.AMPHI ?? path.join(ROOT, 'build/release/amphi');
const NAMESPACE = `amphi-roam-${process.pid}`;
const LINK = `ar${process.pid}`, PEER = `ap${process.pid}`;
const SERVER = '10.213.77.1', FIRST = '10.213.77.2', SECOND = '10.213.77.9';
let directory, server, presenter;

function run(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}`);
}

before(async () => {
  run('ip', 'netns', 'add', NAMESPACE);
  run('ip', 'link', 'add', LINK, 'type', 'veth', 'peer', 'name', PEER, 'netns', NAMESPACE);
  run('ip', 'addr', 'add', `${SERVER}/24`, 'dev', LINK);
  run('ip', 'link', 'set', LINK, 'up');
  run('ip', '-n', NAMESPACE, 'addr', 'add', `${FIRST}/24`, 'dev', PEER);
  run('ip', '-n', NAMESPACE, 'link', 'set', PEER, 'up');
  directory = mkdtempSync(path.join(os.tmpdir(), 'amphi-roam-'));
  const secret = path.join(directory, 'secret');
  writeFileSync(secret, 'room-secret-0123456789', { mode: 0o600 });
  server = start(AMPHI, ['serve', '--listen', `${SERVER}:0`, '--advertise', SERVER, '--udp-port', '0',
    '--room', ROOM, '--secret-file', secret]);
  await until('the server prints its URL', () => /watch: \S+/.test(server.stdout));
  server.origin = new URL(server.stdout.match(/watch: (\S+)/)[1]).origin;
  presenter = start('ip', ['netns', 'exec', NAMESPACE, AMPHI, 'publish', '--to',
    `${server.origin}/whip/${ROOM}`, '--secret-file', secret, '--no-settings', '--source',
    'pattern:640x360', '--bitrate', '1000']);
}, { timeout: 60000 });

after(async () => {
  await presenter?.stop();
  await server?.stop('SIGKILL');
  spawnSync('ip', ['netns', 'del', NAMESPACE]); /* and with it the pair of interfaces */
  if (directory) {
    rmSync(directory, { recursive: true, force: true });
  }
}, { timeout: 30000 });

/** What arrives at the server, in bit/s. */
async function arrives() {
  const answer = await (await fetch(`${server.origin}/api/v1/rooms/${ROOM}`)).json();
  return answer.live ? answer.streams[0].layerSizes[0].bitrate : 0;
}

test('goes on from the new address, and nobody is sent away', { timeout: 90000 }, async () => {
  await until('media arrives', async () => await arrives() > 0, { within: 30000 });
  run('ip', '-n', NAMESPACE, 'addr', 'del', `${FIRST}/24`, 'dev', PEER);
  run('ip', '-n', NAMESPACE, 'addr', 'add', `${SECOND}/24`, 'dev', PEER);
  await until('it has noticed', () => /addresses of this machine have changed/.test(presenter.stderr));
  await until('a second session is live', () =>
    presenter.stderr.match(/publishing: live/g)?.length === 2);
  await until('media arrives again', async () => await arrives() > 0);
  assert.match(server.stderr, /publisher id=2 wait-media -> live/);
});
