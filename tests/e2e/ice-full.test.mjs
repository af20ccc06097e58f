/* Every viewer through a full ICE agent of its own: directly, and with every candidate but the
 * relayed ones left out through a TURN server. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  framesDecoded, openViewer, openWhep, start, startAmphi, startBrowser, until,
} from './lib.mjs';

const SOURCE = ['--source', 'pattern:640x360', '--fps', '30'];
const TURNSERVER = '/usr/bin/turnserver';
const USER = 'amphi', PASSWORD = 'relay-secret';
let browser;

before(async () => {
  browser = await startBrowser();
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
}, { timeout: 30000 });

async function freePort() {
  const socket = dgram.createSocket('udp4');
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

/** Whether somebody answers a STUN binding request there. */
async function answersStun(port) {
  const socket = dgram.createSocket('udp4');
  const request = Buffer.from('000100002112a442616d70686920746573743031', 'hex');
  const answered = new Promise((resolve) => {
    socket.on('message', () => resolve(true));
    socket.on('error', () => resolve(false));
    setTimeout(() => resolve(false), 200);
  });
  socket.send(request, port, '127.0.0.1');
  const result = await answered;
  socket.close();
  return result;
}

/** coturn on loopback with one user. */
async function startTurn() {
  const port = await freePort();
  const directory = mkdtempSync(path.join(os.tmpdir(), 'amphi-turn-'));
  const run = start(TURNSERVER, ['-n', `--listening-port=${port}`, '--listening-ip=127.0.0.1',
    '--relay-ip=127.0.0.1', '--lt-cred-mech', '--realm=test', `--user=${USER}:${PASSWORD}`,
    '--allow-loopback-peers', '--no-cli', '--no-tls', '--no-dtls', '--log-file=stdout',
    `--userdb=${directory}/users`, `--pidfile=${directory}/pid`]);
  await until('the TURN server answers', () => answersStun(port));
  return {
    port,
    stop: async () => {
      await run.stop('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The far end of the way the page's media takes. */
async function remoteCandidate(page) {
  return page.evaluate(async () => {
    const pc = window.whep?.pc ?? window.amphi.peerConnection;
    const stats = [...(await pc.getStats()).values()];
    const pair = stats.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
    const remote = stats.find((s) => s.id === pair?.remoteCandidateId);
    return remote && { type: remote.candidateType, port: remote.port };
  });
}

/** Tells the server where the page can be reached. */
async function trickle({ page, answer }) {
  return page.evaluate(async (etag) => {
    const { pc, location } = window.whep;
    while (pc.iceGatheringState !== 'complete') {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { sdp } = pc.localDescription;
    const lines = (pattern) => sdp.match(pattern).join('\r\n');
    const body = [lines(/^a=ice-ufrag:.*$/gm), lines(/^a=ice-pwd:.*$/gm),
      'm=video 9 UDP/TLS/RTP/SAVPF 0', 'a=mid:0', lines(/^a=candidate:.*$/gm),
      'a=end-of-candidates', ''].join('\r\n');
    const response = await fetch(location, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': etag },
      body,
    });
    return response.status;
  }, answer.etag);
}

async function plays(page) {
  await until('the page has a peer connection', () =>
    page.evaluate(() => Boolean(window.whep?.pc ?? window.amphi?.peerConnection)));
  const before = await framesDecoded(page);
  await until('60 more frames are decoded', async () => (await framesDecoded(page)) >= before + 60);
}

async function everyonePlays(amphi, pages) {
  await until(`${pages.length} viewers play`, async () => {
    const list = (await amphi.stats()).rooms[0].viewers_list;
    return list.filter((v) => v.state === 'playing').length === pages.length;
  });
  for (const page of pages) {
    await plays(page);
  }
}

test('viewers watch through agents of their own', { timeout: 120000 }, async () => {
  const amphi = await startAmphi([...SOURCE, '--ice', 'full']);
  try {
    const whep = await openWhep(browser.context, amphi.origin);
    assert.equal(whep.answer.status, 201);
    assert.doesNotMatch(whep.answer.sdp, /a=ice-lite/);
    assert.match(whep.answer.sdp, /a=candidate:\S+ 1 UDP \d+ 127\.0\.0\.1 \d+ typ host/i);
    assert.match(whep.answer.sdp, /a=end-of-candidates/);
    assert.equal(await trickle(whep), 204);
    const pages = [whep.page];
    for (let i = 0; i < 2; i++) {
      pages.push(await openViewer(browser.context, amphi.url));
    }
    await everyonePlays(amphi, pages);
    const ports = (await Promise.all(pages.map(remoteCandidate))).map((c) => c.port);
    assert.equal(new Set(ports).size, pages.length, 'each has a port of its own');
    assert.equal((await amphi.stats()).workers.reduce((n, w) => n + (w.send_errors ?? 0), 0), 0);

    const status = await whep.page.evaluate(async () =>
      (await fetch(window.whep.location, { method: 'DELETE' })).status);
    assert.equal(status, 200);
    await until('the WHEP viewer is gone', async () =>
      (await amphi.stats()).rooms[0].viewers === pages.length - 1);
    await Promise.all(pages.map((page) => page.close()));
  } finally {
    await amphi.stop();
  }
});

test('viewers watch over relays only', {
  timeout: 120000,
  skip: existsSync(TURNSERVER) ? false : `${TURNSERVER} is not there (Debian package coturn)`,
}, async () => {
  const turn = await startTurn();
  const amphi = await startAmphi([...SOURCE, '--ice', 'full', '--turn', `127.0.0.1:${turn.port}`,
    '--turn-user', USER, '--turn-pass', PASSWORD, '--force-relay']);
  try {
    const whep = await openWhep(browser.context, amphi.origin);
    assert.equal(whep.answer.status, 201);
    const candidates = whep.answer.sdp.match(/^a=candidate:.*$/gm);
    assert.ok(candidates?.length > 0);
    for (const candidate of candidates) {
      assert.match(candidate, / typ relay/);
    }
    assert.match(whep.answer.link, new RegExp(`<turn:127\\.0\\.0\\.1:${turn.port}\\?transport=udp>; ` +
      `rel="ice-server"; username="${USER}"; credential="${PASSWORD}"`));
    await whep.page.evaluate(() => fetch(window.whep.location, { method: 'DELETE' }));
    await whep.page.close();

    const pages = [];
    for (let i = 0; i < 2; i++) {
      pages.push(await openViewer(browser.context, amphi.url));
    }
    await everyonePlays(amphi, pages);
    for (const page of pages) {
      assert.equal((await remoteCandidate(page)).type, 'relay');
      assert.equal(await page.evaluate(() =>
        window.amphi.peerConnection.getConfiguration().iceServers[0].username), USER);
    }
    await Promise.all(pages.map((page) => page.close()));
  } finally {
    await amphi.stop();
    await turn.stop();
  }
});
