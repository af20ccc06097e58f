/* How the page comes back and how it leaves: the program killed or stopped and started again beneath
 * it, and viewers that go away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { framesDecoded, openViewer, startAmphi, startBrowser, until } from './lib.mjs';

const SMALL = ['--source', 'pattern:384x240', '--fps', '15'];
const PATIENCE = { timeout: 45000 };

const state = (page, wanted) =>
  page.waitForFunction((name) => window.amphi?.state === name, wanted, PATIENCE);

/** The program again where `amphi` was, so that the page finds it under the same address. */
async function startAgain(amphi, udpPort) {
  const { host } = new URL(amphi.origin);
  return startAmphi([...SMALL, '--listen', host, '--udp-port', String(udpPort)]);
}

/** Until frames come through a connection other than `old`, in the document that was there before. */
async function assertPlaysAgain(page, old) {
  await page.waitForFunction((before) => {
    const { peerConnection, state: now } = window.amphi;
    return peerConnection && peerConnection !== before && now === 'connected';
  }, old, PATIENCE);
  const first = await framesDecoded(page);
  await until('frames come', async () => await framesDecoded(page) > first + 5);
  assert.equal(await page.evaluate(() => window.sameDocument), true);
}

for (const [signal, words] of [['SIGKILL', /^(Signaling r|R)econnecting/], ['SIGTERM', /^Reconnecting/]]) {
  test(`after ${signal} and a new start the page plays again by itself`, { timeout: 120000 },
    async (t) => {
      let amphi = await startAmphi(SMALL);
      const browser = await startBrowser();
      try {
        const page = await openViewer(browser.context, amphi.url);
        await state(page, 'connected');
        await page.evaluate(() => (window.sameDocument = true));
        const old = await page.evaluateHandle(() => window.amphi.peerConnection);
        const { udp_port: udpPort } = await amphi.stats();
        await amphi.stop(signal);
        await page.locator('#pill-title', { hasText: words }).waitFor(PATIENCE);
        amphi = await startAgain(amphi, udpPort);
        const up = Date.now();
        await assertPlaysAgain(page, old);
        t.diagnostic(`plays ${Date.now() - up} ms after the server is back`);
        assert.equal((await amphi.stats()).rooms[0].viewers, 1);
      } finally {
        await browser.close();
        await amphi.stop('SIGKILL');
      }
    });
}

const LEAVE = {
  'closes the tab': (page) => page.close(),
  'goes elsewhere': (page) => page.goto('about:blank'),
};

test('a viewer who leaves frees the seat at once, not only when consent runs out',
  { timeout: 120000 }, async (t) => {
    const amphi = await startAmphi(SMALL);
    const browser = await startBrowser();
    const watching = async () => (await amphi.stats()).rooms[0].viewers_list.map(({ id }) => id);
    try {
      const stays = await openViewer(browser.context, amphi.url);
      await state(stays, 'connected');
      const [staying] = await watching();
      for (const [how, leave] of Object.entries(LEAVE)) {
        const page = await openViewer(browser.context, amphi.url);
        await state(page, 'connected');
        assert.equal((await watching()).length, 2);
        const left = Date.now();
        await leave(page);
        await until(`the viewer who ${how} is gone`, async () => (await watching()).length === 1,
          { within: 20000 }); // consent would take 30 s
        t.diagnostic(`${how}: gone after ${Date.now() - left} ms`);
        assert.deepEqual(await watching(), [staying]);
      }
    } finally {
      await browser.close();
      await amphi.stop();
    }
  });

test('a page that finds no server keeps trying and plays when it comes', { timeout: 120000 },
  async () => {
    let amphi = await startAmphi(SMALL);
    const browser = await startBrowser();
    try {
      const { udp_port: udpPort } = await amphi.stats();
      const page = await openViewer(browser.context, `${amphi.origin}/NOT-YET-001`);
      await state(page, 'not-found');
      await page.locator('#status-title', { hasText: 'Room not found' }).waitFor(PATIENCE);
      await amphi.stop();
      await state(page, 'reconnecting');
      const { host } = new URL(amphi.origin);
      amphi = await startAmphi([...SMALL, '--listen', host, '--udp-port', String(udpPort),
        '--room', 'NOT-YET-001']);
      await state(page, 'connected');
      await until('frames come', async () => await framesDecoded(page) > 5);
    } finally {
      await browser.close();
      await amphi.stop();
    }
  });
