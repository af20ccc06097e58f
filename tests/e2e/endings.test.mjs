/* How things end: a viewer that vanishes, the program under sanitizers with viewers connected, and
 * what is refused at the start. */
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import {
  ROOT, openViewer, openWhep, start, startAmphi, startBrowser, until,
} from './lib.mjs';

const SMALL = ['--source', 'pattern:384x240', '--fps', '15'];
const playing = async (amphi) =>
  (await amphi.stats()).rooms[0].viewers_list.filter((v) => v.state === 'playing').length;

test('a viewer killed without goodbye is gone within its consent time', { timeout: 90000 },
  async (t) => {
    const amphi = await startAmphi(SMALL);
    const server = await chromium.launchServer({
      executablePath: '/usr/bin/chromium',
      headless: false,
      args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
        '--disable-features=WebRtcHideLocalIpsWithMdns', '--allow-loopback-in-peer-connection'],
    });
    try {
      const browser = await chromium.connect(server.wsEndpoint());
      await openViewer(browser, amphi.url);
      await until('the viewer plays', async () => (await playing(amphi)) === 1);
      const killed = Date.now();
      await server.kill();
      await until('the viewer is gone', async () => (await amphi.stats()).rooms[0].viewers === 0,
        { within: 40000, every: 200 });
      const seconds = (Date.now() - killed) / 1000;
      t.diagnostic(`gone after ${seconds.toFixed(1)} s`);
      assert.ok(seconds <= 36, `took ${seconds} s`);
    } finally {
      await server.close();
      await amphi.stop();
    }
  });

for (const build of ['asan', 'tsan']) {
  test(`the ${build} build serves viewers and ends cleanly under them`, { timeout: 120000 },
    async () => {
      const amphi = await startAmphi(SMALL, { build });
      const browser = await startBrowser();
      try {
        await openViewer(browser.context, amphi.url);
        const whep = await openWhep(browser.context, amphi.origin);
        assert.equal(whep.answer.status, 201);
        await until('both play', async () => (await playing(amphi)) === 2, { within: 40000 });
        const how = await amphi.stop('SIGTERM');
        assert.equal(how.code, 0, amphi.stderr.slice(-4000));
        assert.doesNotMatch(amphi.stderr, /Sanitizer|runtime error/);
      } finally {
        await amphi.stop('SIGKILL');
        await browser.close();
      }
    });
}

/** Runs the program to its end; {code, stdout, stderr}. */
async function refused(args, env) {
  const run = start(path.join(ROOT, 'build/release/amphi'), args, { env });
  const how = await run.exited;
  return { code: how.code, stdout: run.stdout, stderr: run.stderr };
}

function assertRefused(result, pattern) {
  assert.equal(result.code, 2, result.stderr);
  assert.equal(result.stdout, '');
  assert.equal(result.stderr.trim().split('\n').length, 1, result.stderr);
  assert.match(result.stderr, pattern);
}

test('what cannot be had is said in one line, with status 2', { timeout: 30000 }, async () => {
  const free = ['--listen', '127.0.0.1:0', '--udp-port', '0'];
  assertRefused(await refused(['--fps', '999']), /--fps/);
  assertRefused(await refused(['--frobnicate']), /--frobnicate/);
  assertRefused(await refused([...free, '--source', 'screen'], { DISPLAY: ':973' }), /:973/);
  assertRefused(await refused([...free, '--source', 'screen'], { DISPLAY: '' }), /DISPLAY/);
  assertRefused(await refused([...free, '--source', 'pattern:1x1']), /--source pattern/);

  const tcp = net.createServer().listen(0, '127.0.0.1');
  await until('a taken port', () => tcp.listening);
  const { port } = tcp.address();
  assertRefused(await refused(['--listen', `127.0.0.1:${port}`, '--udp-port', '0']),
    new RegExp(`${port}`));
  tcp.close();

  const other = await startAmphi(SMALL);
  const udp = (await other.stats()).udp_port;
  assertRefused(await refused(['--listen', '127.0.0.1:0', '--udp-port', String(udp)]),
    new RegExp(`${udp}`));
  await other.stop();
});
