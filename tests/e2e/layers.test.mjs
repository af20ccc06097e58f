/* One source in three sizes: viewers choose among them, and what nobody watches is not encoded. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  framesDecoded, openViewer, readBarcode, startAmphi, startBrowser, until, watchBarcode,
} from './lib.mjs';

const WIDTHS = [1280, 640, 320]; /* by layer */
const PATIENCE = { within: 20000 };
let amphi, browser, page;

before(async () => {
  amphi = await startAmphi(
    ['--source', 'pattern:1280x720', '--fps', '10', '--layers', '3', '--bitrate', '1500']);
  browser = await startBrowser();
  page = await openViewer(browser.context, amphi.url);
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
  await amphi?.stop();
}, { timeout: 30000 });

const stream = async () => (await amphi.stats()).rooms[0].streams[0];
const layers = async () => (await stream()).layers;

const select = (viewer, choice) => viewer.evaluate((wanted) => window.amphi.client.send(
  { type: 'select', streams: [{ trackId: 'video0', ...wanted }] }), choice);

const width = (viewer) => viewer.evaluate(() =>
  [...document.querySelectorAll('video')].find((v) => v.videoWidth > 0)?.videoWidth);

test('a viewer gets the layer it selects, without a pause', { timeout: 90000 }, async (t) => {
  await page.waitForFunction(() => window.amphi?.firstFrameMs > 0);
  assert.deepEqual((await layers()).map((layer) => layer.width), WIDTHS);
  assert.deepEqual(await page.evaluate(() => window.amphi.client.streams[0].layers), 3);
  await watchBarcode(page, WIDTHS[0]);
  for (const [layer, pictures] of [[2, 8], [1, 8], [0, 8], [2, 25], [0, 8]]) {
    await select(page, { layer });
    await until(`layer ${layer} is received`, async () => await width(page) === WIDTHS[layer],
      PATIENCE);
    const { frames } = await readBarcode(page);
    await until('frames of it', async () => (await readBarcode(page)).frames > frames + pictures,
      PATIENCE);
    assert.equal(await width(page), WIDTHS[layer]);
  }
  const code = await readBarcode(page);
  t.diagnostic(`longest time between two frames ${code.gapMs.toFixed(0)} ms, ` +
    `back by ${code.backMs.toFixed(0)} ms`);
  assert.ok(code.gapMs < 2000, `nothing new for ${code.gapMs} ms`);
  assert.equal(code.backwards, 0);
  assert.ok(code.backMs < 2500, `a picture ${code.backMs} ms older than one before`);
  assert.ok(code.read > code.frames * 0.8, `${code.read} of ${code.frames} barcodes`);
  const [viewer] = (await amphi.stats()).rooms[0].viewers_list;
  assert.ok(viewer.layer_switches >= 4, `${viewer.layer_switches} switches`);
});

test('a paused track sends nothing until it goes on', { timeout: 60000 }, async () => {
  const received = () => page.evaluate(async () => [...(await window.amphi.peerConnection.getStats())
    .values()].filter((s) => s.type === 'inbound-rtp').reduce((n, s) => n + s.packetsReceived, 0));
  /* how many packets came while so many pictures were captured */
  const during = async (pictures) => {
    const { frames_captured: from } = await stream();
    const before = await received();
    await until('the source goes on', async () => (await stream()).frames_captured > from + pictures);
    return await received() - before;
  };
  await select(page, { layer: 'auto', paused: true });
  await until('nothing comes', async () => await during(5) === 0);
  assert.equal(await during(10), 0);
  const decoded = await framesDecoded(page);
  await select(page, { layer: 'auto', paused: false });
  await until('frames come again', async () => await framesDecoded(page) > decoded + 5);
});

test('the large layer is encoded only while somebody has it', { timeout: 60000 }, async (t) => {
  await select(page, { layer: 2 });
  await until('only the smallest layer is encoded', async () =>
    (await layers()).map((layer) => layer.encoding).join() === 'false,false,true', PATIENCE);
  const before = await layers();
  await until('the smallest goes on', async () =>
    (await layers())[2].frames_encoded > before[2].frames_encoded + 10);
  assert.equal((await layers())[0].frames_encoded, before[0].frames_encoded);

  const other = await openViewer(browser.context, amphi.url);
  await other.waitForFunction(() => window.amphi?.firstFrameMs > 0);
  await until('it is encoded again', async () => (await layers())[0].encoding);
  await until('the new viewer has it', async () => await width(other) === WIDTHS[0], PATIENCE);
  t.diagnostic(`first frame ${await other.evaluate(() => window.amphi.firstFrameMs)} ms after ` +
    'the navigation began');
  assert.equal(await width(page), WIDTHS[2]);
  await other.close();
});
