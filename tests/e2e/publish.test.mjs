/* "amphi publish" to WHIP servers elsewhere: one on aiortc, which shares nothing with ours. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import {
  ROOM, ROOT, openViewer, start, startBrowser, until, watchBarcode,
} from './lib.mjs';

const AMPHI = process.env.AMPHI ?? path.join(ROOT, 'build/release/amphi');
const SECRET = 'room-secret-0123456789';
let directory, secretFile, running = [];

before(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'amphi-publish-'));
  secretFile = path.join(directory, 'secret');
  writeFileSync(secretFile, `${SECRET}\n`, { mode: 0o600 });
});

afterEach(async () => {
  await Promise.all(running.map((run) => run.stop('SIGKILL')));
  running = [];
});

after(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** The WHIP server on a port; 0: any free one. */
async function startWhip(port = 0) {
  const run = start('/usr/bin/python3', [path.join(ROOT, 'tests/e2e/whip_server.py'), `${port}`]);
  running.push(run);
  await until('the WHIP server listens', () => /^\d+\n/.test(run.stdout));
  run.port = Number(run.stdout);
  run.origin = `http://127.0.0.1:${run.port}`;
  run.figures = async () => (await fetch(`${run.origin}/figures`)).json();
  run.order = (orders) => fetch(`${run.origin}/orders`, {
    method: 'POST', body: JSON.stringify(orders),
  });
  return run;
}

function publish(whip, ...args) {
  const run = start(AMPHI, ['publish', '--to', `${whip.origin}/whip/ROOM`, '--no-settings',
    '--source', 'pattern:640x360', '--fps', '15', '--bitrate', '500', ...args]);
  running.push(run);
  return run;
}

async function decodes(whip, more) {
  const { frames } = await whip.figures();
  return until('pictures arrive', async () => {
    const now = await whip.figures();
    return now.frames >= frames + more && now;
  }, { within: 30000 });
}

test('another implementation decodes what is published, with sound', { timeout: 60000 }, async () => {
  const whip = await startWhip();
  const run = publish(whip, '--codec', 'vp8', '--audio', 'tone', '--secret-file', secretFile);
  const { size, samples } = await decodes(whip, 20);
  assert.deepEqual(size, [640, 360]);
  assert.ok(samples > 0);
  assert.ok(!`${run.stdout}${run.stderr}`.includes(SECRET), 'no secret in what is printed');
  assert.equal((await run.stop()).code, 0);
  const { asked, sessions } = await whip.figures();
  assert.equal(asked.at(-1), 'DELETE');
  assert.equal(sessions, 0);
  await whip.stop();
});

test('comes back to a server that was away, and waits as it is told', { timeout: 90000 }, async () => {
  let whip = await startWhip();
  const run = publish(whip, '--secret-file', secretFile);
  await decodes(whip, 45); /* so that the server has reported something */
  const { port } = whip;
  await whip.stop('SIGKILL');
  whip = await startWhip(port);
  await whip.order({ refuse: [{ status: 503, retry: 1 }, { status: 404 }] });
  await decodes(whip, 5);
  const { asked } = await whip.figures();
  assert.deepEqual(asked, ['PATCH', 'POST', 'POST', 'POST']); /* no session to restart ICE of */
  await whip.order({ drop: true }); /* says goodbye, so that it comes at once */
  await decodes(whip, 5);
  assert.ok((await whip.figures()).made >= 2);
  assert.equal((await run.stop()).code, 0);
  await whip.stop();
});

/** Our own server with a room, on a port; "0": any free one. */
async function startServer(listen = '127.0.0.1:0') {
  const run = start(AMPHI, ['serve', '--listen', listen, '--udp-port', '0',
    '--advertise', '127.0.0.1', '--room', ROOM, '--secret-file', secretFile]);
  running.push(run);
  await until('the server prints its URL', () => /watch: \S+/.test(run.stdout));
  run.origin = new URL(run.stdout.match(/watch: (\S+)/)[1]).origin;
  return run;
}

const read = (page) => page.evaluate(() => {
  window.barcode.follow();
  const { read: n, bad, backwards, delaysMs } = window.barcode;
  return { n, bad, backwards, delayMs: delaysMs.slice(-20).sort((a, b) => a - b)[10] };
});

test('what is published here is watched there, also after its server began anew',
  { timeout: 120000 }, async () => {
    const browser = await startBrowser();
    try {
      let server = await startServer();
      const run = start(AMPHI, ['publish', '--to', `${server.origin}/whip/${ROOM}`, '--no-settings',
        '--secret-file', secretFile, '--source', 'pattern:640x360', '--bitrate', '1000']);
      running.push(run);
      const page = await openViewer(browser.context, `${server.origin}/${ROOM}`);
      await watchBarcode(page);
      const first = await until('pictures', async () => {
        const now = await read(page);
        return now.n >= 60 && now;
      });
      assert.equal(first.backwards, 0);
      const { streams } = await (await fetch(`${server.origin}/api/v1/rooms/${ROOM}`)).json();
      assert.equal(streams[0].windowName, 'Test pattern', 'what the source is called there');
      await server.stop('SIGKILL');
      server = await startServer(new URL(server.origin).host);
      await until('pictures again', async () => (await read(page)).n >= first.n + 60,
        { within: 60000 });
      assert.equal((await run.stop()).code, 0);
      await until('the room is dark', async () => {
        const answer = await fetch(`${server.origin}/api/v1/rooms/${ROOM}`);
        return (await answer.json()).live === false;
      });
    } finally {
      await browser.close();
    }
  });

test('a wrong secret ends it with a sentence', { timeout: 30000 }, async () => {
  const whip = await startWhip();
  const run = publish(whip, '--secret', 'not-this-one');
  const { code } = await run.exited;
  assert.equal(code, 1);
  assert.match(run.stderr, /does not accept this secret.*this secret is none of ours/);
  assert.ok(!run.stderr.includes('not-this-one'));
  await whip.stop();
});
