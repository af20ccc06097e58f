/* A display that dies and comes back: the stream says why it has stopped, and goes on by itself. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import {
  framesDecoded, openViewer, startAmphi, startBrowser, startDisplay, startWindows, until,
} from './lib.mjs';

const PATIENCE = { within: 30000 };
let display, windows, amphi, browser;

before(async () => {
  display = await startDisplay('640x360');
  windows = await startWindows(display);
  amphi = await startAmphi(['--source', 'screen', '--fps', '10', '--source', 'pattern:384x240'],
    { env: { DISPLAY: display.display } });
  browser = await startBrowser();
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
  await amphi?.stop();
  await windows?.stop();
  await display?.stop();
}, { timeout: 30000 });

const stream = async (i) => (await amphi.stats()).rooms[0].streams[i];

/* The colour of the window of assertShows, as three bytes; the pointer is in its middle. */
const colourOf = (page) => page.evaluate(() => {
  const { video } = window.amphi.player;
  const g = new OffscreenCanvas(1, 1).getContext('2d');
  g.drawImage(video, video.videoWidth * 0.3, video.videoHeight * 0.3, 1, 1, 0, 0, 1, 1);
  return [...g.getImageData(0, 0, 1, 1).data.slice(0, 3)];
});

const isNear = (a, b) => a.every((value, i) => Math.abs(value - b[i]) < 24);

/** The picture is seen in this colour, drawn as a window over the middle. */
async function assertShows(page, colour) {
  await windows.ask(`open 160 90 320 180 0x${Buffer.from(colour).toString('hex')} Colour`);
  await until('the colour is seen', async () => isNear(await colourOf(page), colour), PATIENCE);
}

/** An X server on the number of one that was there before. */
async function startAgain({ display: name }) {
  const x = spawn('Xvfb', [name, '-displayfd', '3', '-screen', '0', '640x360x24', '-nolisten',
    'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const exited = new Promise((resolve) => x.on('close', resolve));
  let ready = false;
  x.stdio[3].on('data', () => (ready = true));
  await until('the display is back', () => ready);
  return {
    display: name,
    stop: () => {
      x.kill('SIGTERM');
      return exited;
    },
  };
}

test('the picture comes back with the display, without a reload', { timeout: 120000 },
  async (t) => {
    const page = await openViewer(browser.context, amphi.url);
    await page.waitForFunction(() => window.amphi?.firstFrameMs > 0);
    await page.evaluate(() => {
      window.watchedPc = window.amphi.peerConnection;
    });
    await assertShows(page, [0xc0, 0x30, 0x20]);

    await display.stop();
    await windows.stop();
    const { end_reason: reason, live } = await until('the stream says why', async () => {
      const now = await stream(0);
      return now.end_reason ? now : null;
    }, PATIENCE);
    t.diagnostic(reason);
    assert.equal(live, false);
    assert.match(reason, /display/);
    await until('the viewer is told', () => page.evaluate(() =>
      window.amphi.client.streams.find((s) => s.trackId === 'video0')?.endReason), PATIENCE);
    await page.locator('#viewer', { hasText: reason }).waitFor();
    const { frames_encoded: others } = await stream(1);
    await until('the other source goes on', async () =>
      (await stream(1)).frames_encoded > others + 5, PATIENCE);
    assert.equal((await fetch(`${amphi.origin}/healthz`)).status, 200);

    const died = Date.now();
    display = await startAgain(display);
    windows = await startWindows(display);
    await until('the source is live again', async () => {
      const now = await stream(0);
      return now.live && !now.end_reason;
    }, PATIENCE);
    t.diagnostic(`live ${Date.now() - died} ms after the display was started again`);
    await until('the viewer is told', () => page.evaluate(() =>
      window.amphi.client.streams.find((s) => s.trackId === 'video0')?.endReason === ''), PATIENCE);
    await until('it is in front', () =>
      page.evaluate(() => window.amphi.player.shown?.trackId === 'video0'), PATIENCE);
    await assertShows(page, [0x20, 0x60, 0xc0]);
    const decoded = await framesDecoded(page);
    await until('frames come', async () => await framesDecoded(page) > decoded + 5, PATIENCE);
    assert.ok(await page.evaluate(() => window.amphi.peerConnection === window.watchedPc));
    assert.equal(await page.evaluate(() => window.amphi.state), 'connected');
  });
