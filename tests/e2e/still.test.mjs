/* A screen on which nothing happens: it costs almost nothing, repeats its last frame once a second,
 * and a viewer that comes late still sees it at once, without a new keyframe. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openViewer, startAmphi, startBrowser, startDisplay, until } from './lib.mjs';

let display, amphi, browser;

before(async () => {
  display = await startDisplay('1280x720');
  amphi = await startAmphi(['--source', 'screen'], { env: { DISPLAY: display.display } });
  browser = await startBrowser();
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
  await amphi?.stop();
  await display?.stop();
}, { timeout: 30000 });

const stream = async () => (await amphi.stats()).rooms[0].streams[0];

test('an idle screen repeats once a second and costs little', { timeout: 60000 }, async (t) => {
  /* the first second belongs to start-up */
  await until('two repeats', async () => (await stream()).frames_encoded >= 3);
  const first = await amphi.stats();
  const encodedFirst = first.rooms[0].streams[0].frames_encoded;
  await until('eight more repeats', async () =>
    (await stream()).frames_encoded >= encodedFirst + 8, { within: 20000, every: 500 });
  const last = await amphi.stats();
  const seconds = last.uptime_s - first.uptime_s;
  const frames = last.rooms[0].streams[0].frames_encoded - encodedFirst;
  const cpu = (last.process.cpu_us - first.process.cpu_us) / 1e6 / seconds;
  t.diagnostic(`${frames} frames in ${seconds.toFixed(1)} s, ${(cpu * 100).toFixed(2)} % of a core`);
  assert.ok(frames / seconds < 2, `${frames} frames in ${seconds} s`);
});

test('a viewer sees the still screen at once, without a keyframe', { timeout: 60000 }, async (t) => {
  const before = await stream();
  const page = await openViewer(browser.context, amphi.url);
  await page.waitForFunction(() => window.amphi?.firstFrameMs > 0);
  const after = await stream();
  t.diagnostic(`first frame ${await page.evaluate(() => window.amphi.firstFrameMs)} ms after ` +
    'the navigation began');
  assert.equal(after.joins_from_cache - before.joins_from_cache, 1);
  assert.equal(after.keyframes, before.keyframes);
  assert.equal(after.keyframe_requests, before.keyframe_requests);
});
