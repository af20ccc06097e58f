/* The codecs that Firefox decodes without a download: VP8, VP9 and AV1, over WebSocket and WHEP; and what it
 * sends from the presenter page. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import {
  framesDecoded, openViewer, openWhep, readBarcode, startAmphi, until, watchBarcode,
} from './lib.mjs';

const PATIENCE = { within: 40000 };
const PREFERENCES = {
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'permissions.default.camera': 1, /* without it only the address of the default route is used */
  'permissions.default.microphone': 1,
  'media.autoplay.default': 0,
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};
let browser;

before(async () => {
  browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    headless: true,
    extraPrefsFirefox: PREFERENCES,
  });
}, { timeout: 90000 });

after(async () => {
  await browser?.close();
}, { timeout: 30000 });

async function assertPlays(page) {
  await until('frames are decoded', async () => await framesDecoded(page) > 5, PATIENCE);
  await page.bringToFront();
  await watchBarcode(page);
  await until('20 frames are presented', async () => (await readBarcode(page)).frames >= 20,
    PATIENCE);
  const code = await readBarcode(page);
  assert.ok(code.read > code.frames * 0.9, `${code.read} of ${code.frames} barcodes`);
  assert.ok(code.distinct > code.read * 0.8, 'the picture moves');
}

for (const codec of ['vp8', 'vp9', 'av1']) {
  test(`Firefox plays ${codec}`, { timeout: 180000 }, async () => {
    const amphi = await startAmphi(
      ['--codec', codec, '--source', 'pattern:640x360', '--fps', '15', '--bitrate', '1500']);
    const stream = async () => (await amphi.stats()).rooms[0].streams[0];
    const pages = [];
    try {
      const page = await openViewer(browser, amphi.url);
      pages.push(page);
      await assertPlays(page);

      const { keyframes } = await stream();
      assert.ok(await page.evaluate(() =>
        window.amphi.client.send({ type: 'keyframe', trackId: 'video0' })));
      await until('a keyframe', async () => (await stream()).keyframes > keyframes);
      const decoded = await framesDecoded(page);
      await until('frames after it', async () => await framesDecoded(page) > decoded + 5);

      const { page: late, answer } = await openWhep(browser, amphi.origin);
      pages.push(late);
      assert.equal(answer.status, 201);
      await assertPlays(late);
    } finally {
      await Promise.all(pages.map((page) => page.close()));
      await amphi.stop();
    }
  });
}

test('Firefox presents', { timeout: 120000 }, async () => {
  const amphi = await startAmphi([], { empty: true });
  const pages = [];
  try {
    const presenter = await openViewer(browser, `${amphi.origin}/present`);
    pages.push(presenter);
    assert.equal(await presenter.$eval('#codec', (select) => select.value), 'vp8'); /* H.264 would be a download */
    await presenter.click('#add-camera');
    await until('it is live', () => presenter.evaluate(() => window.amphi.state === 'live'), PATIENCE);
    const room = await presenter.evaluate(() => window.amphi.room);
    const viewer = await openViewer(browser, `${amphi.origin}/${room}`);
    pages.push(viewer);
    await until('frames are decoded', async () => await framesDecoded(viewer) > 20, PATIENCE);
    assert.equal(await viewer.evaluate(() => window.amphi.client.streams[0].codec), 'vp8');
  } finally {
    await Promise.all(pages.map((page) => page.close()));
    await amphi.stop();
  }
});
