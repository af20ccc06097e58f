/* node tests/bench/browser_quality.mjs [CODEC...] - how text looks once a browser has decoded it.
 *
 * A screen of 1280x720 whose right half is lines of letters (tests/e2e/xmover), first scrolling at 15
 * frames a second, then still, at 1, 2.5 and 6 Mbit/s with each codec. What Chromium decoded is
 * compared with the very pixels that were drawn: PSNR of the luma of that half, of 24 pictures while
 * it scrolls and of the last one when it has been still for three seconds. Prints a table. */
import path from 'node:path';
import {
  ROOT, openViewer, start, startAmphi, startBrowser, startDisplay, until,
} from '../e2e/lib.mjs';

const CODECS = ['h264', 'vp8', 'vp9', 'av1'];
const RATES = [1000, 2500, 6000]; /* kbit/s */
const PICTURES = 24;

/* In the page: window.quality(n) resolves to the mean PSNR of the next n pictures, of the one that
 * is shown now if n is 0. The letters are those of xmover.c. */
function install() {
  const WIDTH = 1280, LEFT = 640, LINE = 20, LINES = 1500, TOP = 40, BOTTOM = 680;
  const POINTER = 24; /* the columns it stands in are left out */
  const luma = (rgb) => Math.round(16 + (219 / 255) *
    (0.2126 * (rgb >> 16) + 0.7152 * ((rgb >> 8) & 255) + 0.0722 * (rgb & 255)));
  const paper = luma(0xf4f2ec), ink = luma(0x202020), columns = WIDTH - LEFT;
  const strip = new Uint8Array(LINES * LINE * columns).fill(paper);
  let random = 1;
  const next = () => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return random >>> 16;
  };
  const fill = (x, y, width, height) => {
    for (let row = y; row < y + height; row++) {
      strip.fill(ink, row * columns + x - LEFT, row * columns + x - LEFT + width);
    }
  };
  for (let top = 0; top < LINES * LINE; top += LINE) {
    for (let x = LEFT + 8; x + 10 < WIDTH; x += 12) {
      const letter = next();
      if (letter % 6 === 0) continue;
      fill(x, top + 2, letter & 8 ? 10 : 2, 2);
      fill(x + (letter & 16 ? 8 : 0), top + 4, 2, 10);
      fill(x + (letter & 32 ? 4 : 2), top + 8, letter & 64 ? 6 : 2, 2);
    }
  }
  /* Mean squared error if row 0 of the picture were row `shift` of the strip. */
  const error = (y, stride, shift, rowStep, columnStep) => {
    let sum = 0, n = 0;
    for (let row = TOP; row < BOTTOM; row += rowStep) {
      for (let column = POINTER; column < columns; column += columnStep, n++) {
        const d = y[row * stride + LEFT + column] - strip[(row + shift) * columns + column];
        sum += d * d;
      }
    }
    return sum / n;
  };
  const measure = async (video) => {
    const frame = new VideoFrame(video);
    const bytes = new Uint8Array(frame.allocationSize());
    const [{ offset, stride }] = await frame.copyTo(bytes);
    frame.close();
    const y = bytes.subarray(offset);
    let best = { shift: 0, error: Infinity };
    for (let shift = -TOP; shift + BOTTOM <= LINES * LINE; shift++) {
      const e = error(y, stride, shift, 37, 7);
      if (e < best.error) best = { shift, error: e };
    }
    return 10 * Math.log10(255 * 255 / error(y, stride, best.shift, 1, 1));
  };
  window.quality = async (n) => {
    const { video } = window.amphi.player;
    let sum = n ? 0 : await measure(video);
    for (let i = 0; i < n; i++) {
      await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
      sum += await measure(video);
    }
    return sum / Math.max(n, 1);
  };
}

async function measure({ browser, display, mover }, codec, kbps) {
  const env = { DISPLAY: display.display };
  mover.child.kill('SIGCONT');
  const amphi = await startAmphi(
    ['--source', 'screen', '--fps', '15', '--codec', codec, '--bitrate', String(kbps)], { env });
  const stream = async () => (await amphi.stats()).rooms[0].streams[0];
  try {
    const page = await openViewer(browser.context, amphi.url);
    await page.evaluate(install);
    await page.waitForFunction(() => window.amphi?.firstFrameMs > 0);
    await until('three seconds of it', async () => (await stream()).frames_encoded > 45,
      { within: 60000 });
    const moving = await page.evaluate((n) => window.quality(n), PICTURES);
    const { bitrate_bps: bps, encode_fps: fps } = await stream();
    mover.child.kill('SIGSTOP');
    const begin = Date.now();
    await until('three seconds without', () => Date.now() - begin > 3000);
    const still = await page.evaluate(() => window.quality(0));
    await page.close();
    return { moving, still, bps, fps };
  } finally {
    await amphi.stop();
  }
}

/* The lines have reached the top when a window's height has been scrolled. */
async function fillScreen(display) {
  const began = Date.now();
  const mover = start(path.join(ROOT, 'build/release/tests/e2e/xmover'), ['--fps', '15'],
    { env: { DISPLAY: display.display } });
  await until('the screen is full', () => Date.now() - began > 16000, { within: 20000 });
  return mover;
}

const codecs = process.argv.length > 2 ? process.argv.slice(2) : CODECS;
const display = await startDisplay('1280x720');
const mover = await fillScreen(display);
const browser = await startBrowser();
try {
  console.log('| codec | kbit/s | scrolling, dB | used, kbit/s | frames/s | still for 3 s, dB |');
  console.log('|---|---|---|---|---|---|');
  for (const codec of codecs) {
    for (const kbps of RATES) {
      const { moving, still, bps, fps } = await measure({ browser, display, mover }, codec,
        kbps);
      console.log(`| ${codec} | ${kbps} | ${moving.toFixed(1)} | ${(bps / 1000).toFixed(0)} | ` +
        `${fps.toFixed(1)} | ${still.toFixed(1)} |`);
    }
  }
} finally {
  await browser.close();
  await mover.stop('SIGKILL');
  await display.stop();
}
