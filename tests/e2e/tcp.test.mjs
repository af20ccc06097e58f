/* Viewers whose network drops UDP watch through the HTTP port (ICE over TCP). Chromium runs in a
 * network namespace of its own, joined to ours by a pair of virtual interfaces; nftables drops inside
 * of it. Needs root. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { framesDecoded, openViewer, openWhep, startAmphi, startBrowser, until } from './lib.mjs';

const NAMESPACE = `amphi-${process.pid}`;
/* a network of this run's own: what another one left behind must not be in its way */
const NETWORK = `10.213.${process.pid % 256}`;
const OURS = `${NETWORK}.1`, THEIRS = `${NETWORK}.2`;
const LINK = `am${process.pid}a`, PEER = `am${process.pid}b`;
let skip = false, folder, amphi, browser;

function run(command, ...args) {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${error ?? stderr.trim()}`);
  }
}

const inside = (...args) => run('ip', 'netns', 'exec', NAMESPACE, ...args);

function makeNetwork() {
  run('ip', 'netns', 'add', NAMESPACE);
  run('ip', 'link', 'add', LINK, 'type', 'veth', 'peer', 'name', PEER, 'netns', NAMESPACE);
  run('ip', 'addr', 'add', `${OURS}/30`, 'dev', LINK);
  run('ip', 'link', 'set', LINK, 'up');
  run('ip', '-n', NAMESPACE, 'addr', 'add', `${THEIRS}/30`, 'dev', PEER);
  run('ip', '-n', NAMESPACE, 'link', 'set', PEER, 'up');
  run('ip', '-n', NAMESPACE, 'link', 'set', 'lo', 'up');
  inside('nft', 'add', 'table', 'inet', 'wall');
}

/* Each of `hooks` drops UDP from now on, and nothing else does. */
function dropUdp(...hooks) {
  inside('nft', 'flush', 'ruleset');
  inside('nft', 'add', 'table', 'inet', 'wall');
  for (const hook of hooks) {
    inside('nft', 'add', 'chain', 'inet', 'wall', hook,
      `{ type filter hook ${hook} priority 0; policy accept; }`);
    inside('nft', 'add', 'rule', 'inet', 'wall', hook, 'meta', 'l4proto', 'udp', 'drop');
  }
}

before(async () => {
  try {
    makeNetwork();
  } catch (error) {
    skip = `no network namespace with nftables here: ${error.message}`;
    return;
  }
  folder = mkdtempSync(path.join(os.tmpdir(), 'amphi-tcp-'));
  const wrapper = path.join(folder, 'chromium');
  writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${NAMESPACE} /usr/bin/chromium "$@"\n`);
  chmodSync(wrapper, 0o755);
  amphi = await startAmphi(['--listen', `${OURS}:0`, '--advertise', OURS, '--fps', '30',
    '--source', 'pattern:640x360']);
  browser = await startBrowser({ executablePath: wrapper });
}, { timeout: 60000 });

/* A browser that does not end when it is asked is ended with its namespace. */
async function closeBrowser() {
  const closed = browser?.close().catch(() => {});
  let timer;
  await Promise.race([closed, new Promise((resolve) => (timer = setTimeout(resolve, 8000)))]);
  clearTimeout(timer);
  const { stdout } = spawnSync('ip', ['netns', 'pids', NAMESPACE], { encoding: 'utf8' });
  for (const pid of stdout?.split(/\s+/).filter(Boolean) ?? []) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      /* it has just ended */
    }
  }
  await closed;
}

after(async () => {
  await closeBrowser();
  await amphi?.stop();
  spawnSync('ip', ['netns', 'del', NAMESPACE]); /* and with it the pair of interfaces */
  if (folder) {
    rmSync(folder, { recursive: true, force: true });
  }
}, { timeout: 30000 });

/* How the page's media comes: the remote candidate of the selected pair. */
async function selected(page) {
  return page.evaluate(async () => {
    const pc = window.whep?.pc ?? window.amphi?.peerConnection;
    const stats = pc ? await pc.getStats() : new Map();
    const transport = [...stats.values()].find((s) => s.type === 'transport');
    const remote = stats.get(stats.get(transport?.selectedCandidatePairId)?.remoteCandidateId);
    return remote && { protocol: remote.protocol, port: remote.port, address: remote.address };
  });
}

async function plays(page, frames = 60) {
  const begun = await framesDecoded(page);
  await until(`${frames} frames decoded`, async () =>
    (await framesDecoded(page)) >= begun + frames, { within: 30000 });
}

const overTcp = () => ({
  protocol: 'tcp', port: Number(new URL(amphi.origin).port), address: OURS,
});

async function watchesOverTcp(t, open) {
  const begun = Date.now();
  const page = await open();
  await plays(page, 1);
  t.diagnostic(`first frame decoded ${Date.now() - begun} ms after the page was opened`);
  await plays(page);
  assert.deepEqual(await selected(page), overTcp());
  const [viewer] = (await amphi.stats()).rooms[0].viewers_list.filter((v) => v.state === 'playing');
  assert.equal(viewer.remote.split(':')[0], THEIRS);
  assert.equal(viewer.transport, 'tcp');
  await page.evaluate(() => window.whep?.pc.close()); /* the viewer page does so by itself */
  await page.close();
  await until('it is gone', async () => (await amphi.stats()).rooms[0].viewers === 0);
}

const viewerPage = () => openViewer(browser.context, amphi.url);
const whepPage = async () => {
  const { page, answer } = await openWhep(browser.context, amphi.origin);
  assert.equal(answer.status, 201);
  assert.match(answer.sdp, new RegExp(` tcp \\d+ ${OURS} \\d+ typ host tcptype passive\r\n`));
  return page;
};

test('where UDP is dropped viewers watch over the HTTP port', { timeout: 120000 }, async (t) => {
  if (skip) {
    return t.skip(skip);
  }
  dropUdp('input', 'output');
  await watchesOverTcp(t, viewerPage);
  await watchesOverTcp(t, whepPage);
});

test('and where only the answers are lost', { timeout: 90000 }, async (t) => {
  if (skip) {
    return t.skip(skip);
  }
  dropUdp('input');
  await watchesOverTcp(t, viewerPage);
});

test('where UDP passes it is used', { timeout: 90000 }, async (t) => {
  if (skip) {
    return t.skip(skip);
  }
  dropUdp();
  const page = await viewerPage();
  await plays(page);
  await until('UDP is selected', async () => (await selected(page))?.protocol === 'udp');
  await plays(page);
  assert.equal((await selected(page)).protocol, 'udp');
  await page.close();
});
