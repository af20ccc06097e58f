/* A file made by an encoder before is played in a loop, without an encoder, and a browser does not
 * see where it begins again. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  ROOT, framesDecoded, openViewer, openWhep, readBarcode, start, startAmphi, startBrowser, until,
  watchBarcode,
} from './lib.mjs';

const FPS = 30;
const PICTURES = 45; /* one keyframe each 1.5 seconds */
let folder, film, amphi, browser;

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'amphi-film-'));
  film = path.join(folder, 'film.h264');
  const made = await start(path.join(ROOT, 'build/release/tests/e2e/make_annexb'),
    [film, '640x360', String(FPS), String(PICTURES)]).exited;
  assert.equal(made.code, 0);
  amphi = await startAmphi(['--source', `file:${film}`, '--fps', String(FPS)]);
  browser = await startBrowser();
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
  await amphi?.stop();
  rmSync(folder, { recursive: true, force: true });
}, { timeout: 30000 });

const stream = async () => (await amphi.stats()).rooms[0].streams[0];

/** Of the page's incoming video: how often the player says it froze, and keyframes it decoded. */
const player = (page) => page.evaluate(async () => {
  const pc = window.whep?.pc ?? window.amphi?.peerConnection;
  const found = [...(await pc.getStats()).values()]
    .find((s) => s.type === 'inbound-rtp' && s.kind === 'video');
  return { freezes: found.freezeCount, keyframes: found.keyFramesDecoded, plis: found.pliCount };
});

/** What happened while the film began again that many times. */
async function watchLoops(page, loops) {
  const measure = async () => ({
    ...(await player(page)), decoded: await framesDecoded(page), stream: await stream(),
  });
  const from = await measure();
  await until(`${loops} loops`, async () =>
    (await stream()).keyframes >= from.stream.keyframes + loops, { within: 30000 });
  const to = await measure();
  return {
    freezes: to.freezes - from.freezes,
    plis: to.plis - from.plis,
    keyframesDecoded: to.keyframes - from.keyframes,
    decoded: to.decoded - from.decoded,
    published: to.stream.frames_encoded - from.stream.frames_encoded,
    keyframes: to.stream.keyframes - from.stream.keyframes,
    requests: to.stream.keyframe_requests - from.stream.keyframe_requests,
    fps: to.stream.encode_fps,
  };
}

test('a browser plays the film over its end', { timeout: 150000 }, async (t) => {
  const page = await openViewer(browser.context, amphi.url);
  await page.waitForFunction(() => window.amphi?.firstFrameMs > 0);
  await watchBarcode(page);
  const about = await stream();
  assert.deepEqual([about.width, about.height, about.codec, about.encoder, about.name],
    [640, 360, 'h264', 'none', 'film.h264']);

  /* a busy machine may freeze a player now and then, but a fault of the loop comes each time */
  let seen;
  await until('three keyframes without a freeze', async () => {
    seen = await watchLoops(page, 3);
    t.diagnostic(JSON.stringify(seen));
    return seen.freezes === 0 && seen.plis === 0;
  }, { within: 90000 });
  assert.ok(seen.keyframes >= 3 && seen.keyframesDecoded >= 2);
  /* k keyframes passed: k - 1 whole loops, and up to one more before and after */
  assert.ok(seen.published >= (seen.keyframes - 1) * PICTURES &&
    seen.published <= (seen.keyframes + 1) * PICTURES, `${seen.published} pictures`);
  assert.ok(seen.decoded >= seen.published * 0.9, `${seen.decoded} of ${seen.published} decoded`);
  assert.ok(seen.fps > FPS * 0.8 && seen.fps < FPS * 1.2, `published at ${seen.fps} fps`);
  assert.equal(seen.requests, 0);

  const code = await readBarcode(page);
  t.diagnostic(`${code.distinct} different pictures in ${code.frames} presented`);
  assert.ok(code.read > code.frames * 0.9, `read ${code.read} of ${code.frames}`);
  assert.ok(code.distinct <= PICTURES && code.distinct > PICTURES * 0.7, `${code.distinct} pictures`);
  const after = await stream();
  assert.equal(after.frames_dropped, 0);
  assert.ok(after.frames_captured - after.frames_encoded <= 1); /* the one that is on its way */
});

test('a late viewer starts in the middle of the film', { timeout: 60000 }, async (t) => {
  const before = await stream();
  const { page, answer } = await openWhep(browser.context, amphi.origin);
  assert.equal(answer.status, 201);
  const decodes = () => page.evaluate(async () => [...(await window.whep.pc.getStats()).values()]
    .some((s) => s.type === 'inbound-rtp' && s.framesDecoded > 10));
  await until('ten pictures are decoded', decodes);
  const after = await stream();
  t.diagnostic(`${after.frames_encoded - before.frames_encoded} pictures until it had ten`);
  assert.equal(after.joins_from_cache - before.joins_from_cache, 1);
  const profile = readFileSync(film).subarray(5, 8).toString('hex'); /* of the SPS, first of all */
  assert.match(answer.sdp, new RegExp(`profile-level-id=${profile}`));
});

test('a file that cannot be played is refused in one line', { timeout: 30000 }, async () => {
  const rows = [
    ['missing.h264', null, /missing\.h264 cannot be opened/],
    ['empty.h264', '', /empty\.h264 is empty/],
    ['text.h264', 'not a film', /neither an H\.264 stream/],
    ['cut.h264', readFileSync(film).subarray(0, 20), /no H\.264 keyframe/],
    ['film.ivf', Buffer.concat([Buffer.from('DKIF\0\0\x20\0XVID'), Buffer.alloc(20)]),
      /film\.ivf holds a codec that is not known/],
  ];
  for (const [name, bytes, says] of rows) {
    const file = path.join(folder, name);
    if (bytes !== null) {
      writeFileSync(file, bytes);
    }
    const run = start(path.join(ROOT, 'build/release/amphi'),
      ['--listen', '127.0.0.1:0', '--udp-port', '0', '--source', `file:${file}`]);
    const how = await run.exited;
    assert.equal(how.code, 2, `${name}: ${run.stderr}`);
    assert.equal(run.stdout, '');
    assert.equal(run.stderr.trim().split('\n').length, 1, run.stderr);
    assert.match(run.stderr, says);
  }
});
