/* Each codec as Chromium decodes it, over WebSocket and WHEP: whole pictures, a keyframe when the
 * player asks for one, and a late viewer. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  framesDecoded, openViewer, openWhep, readBarcode, startAmphi, startBrowser, until, watchBarcode,
} from './lib.mjs';

let browser;

before(async () => {
  browser = await startBrowser();
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
}, { timeout: 30000 });

/** Of the page's incoming picture. */
const incoming = (page) => page.evaluate(async () => {
  const pc = window.whep?.pc ?? window.amphi.peerConnection;
  const reports = [...(await pc.getStats()).values()];
  const found = reports.find((s) => s.type === 'inbound-rtp' && s.kind === 'video' && s.codecId);
  return { codec: reports.find((s) => s.id === found?.codecId)?.mimeType,
    keyframes: found?.keyFramesDecoded, plis: found?.pliCount };
});

async function assertPlays(page, codec) {
  await page.bringToFront();
  await watchBarcode(page);
  await until('20 frames are presented', async () => (await readBarcode(page)).frames >= 20);
  const code = await readBarcode(page);
  assert.ok(code.read > code.frames * 0.9, `${code.read} of ${code.frames} barcodes`);
  assert.ok(code.distinct > code.read * 0.8, 'the picture moves');
  assert.equal((await incoming(page)).codec?.toLowerCase(), `video/${codec}`);
}

/** A keyframe comes after `ask`, and the picture goes on after it. */
async function assertRecovers(page, ask) {
  const { keyframes } = await incoming(page);
  await ask();
  await until('a keyframe', async () => (await incoming(page)).keyframes > keyframes);
  const decoded = await framesDecoded(page);
  await until('frames after it', async () => await framesDecoded(page) > decoded + 5);
}

/* What a player does that cannot decode what it got, without having to lose anything. */
const sendPli = (page) => page.evaluate(async () => {
  const code = 'onrtctransform = ({ transformer }) => {' +
    '  transformer.readable.pipeTo(transformer.writable);' +
    '  onmessage = () => transformer.sendKeyFrameRequest();' +
    '};';
  const worker = new Worker(URL.createObjectURL(new Blob([code])));
  const [{ receiver }] = window.whep.pc.getTransceivers();
  receiver.transform = new RTCRtpScriptTransform(worker);
  worker.postMessage('now');
});

for (const codec of ['h264', 'vp8', 'vp9', 'av1']) {
  test(`Chromium plays ${codec}`, { timeout: 120000 }, async (t) => {
    const amphi = await startAmphi(
      ['--codec', codec, '--source', 'pattern:640x360', '--fps', '15', '--bitrate', '1500']);
    const stream = async () => (await amphi.stats()).rooms[0].streams[0];
    const pages = [];
    try {
      assert.equal((await stream()).codec, codec);
      const page = await openViewer(browser.context, amphi.url);
      pages.push(page);
      await page.waitForFunction(() => window.amphi?.firstFrameMs > 0);
      await assertPlays(page, codec);
      await assertRecovers(page, () =>
        page.evaluate(() => window.amphi.client.send({ type: 'keyframe', trackId: 'video0' })));

      const before = await stream();
      const late = await openWhep(browser.context, amphi.origin);
      pages.push(late.page);
      assert.equal(late.answer.status, 201);
      await until('the late viewer plays', async () => await framesDecoded(late.page) > 5);
      const joins = (await stream()).joins_from_cache - before.joins_from_cache;
      await assertPlays(late.page, codec);
      await assertRecovers(late.page, () => sendPli(late.page));
      assert.equal(joins, 1);
      const { encode_fps: fps, encode_us_p50: us } = await stream();
      t.diagnostic(`${fps.toFixed(1)} fps, ${us} us to encode one`);
    } finally {
      await Promise.all(pages.map((page) => page.close()));
      await amphi.stop();
    }
  });
}
