/* Sources that come, change and go while somebody watches: by the admin's calls, and as windows that
 * are moved in, resized and closed. Whoever watches is offered everything once. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ROOM, admin, openViewer, startAmphi, startBrowser, startDisplay, startWindows, until,
} from './lib.mjs';

const PATIENCE = { within: 20000 };
const SOURCES = `/api/v1/rooms/${ROOM}/sources`;
let display, windows, amphi, browser, page, editor;

before(async () => {
  display = await startDisplay('1280x720');
  windows = await startWindows(display);
  editor = await windows.ask('open 40 40 480 300 0xc03020 Editor');
  amphi = await startAmphi(['--source', `window:${editor}`, '--source', 'pattern:640x360',
    '--fps', '10', '--bitrate', '2000'], { env: { DISPLAY: display.display } });
  browser = await startBrowser();
  page = await openViewer(browser.context, amphi.url);
  await page.waitForFunction(() => window.amphi?.firstFrameMs > 0);
  await page.evaluate(() => {
    window.offers = 0;
    window.cursors = [];
    window.watchedPc = window.amphi.peerConnection;
    window.amphi.client.addEventListener('offer', () => window.offers++);
    window.amphi.client.addEventListener('cursor', ({ detail }) => window.cursors.push(detail));
  });
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
  await amphi?.stop();
  await windows?.stop();
  await display?.stop();
}, { timeout: 30000 });

const streamOf = async (track) =>
  (await amphi.stats()).rooms[0].streams.find((s) => s.track_id === track);

const shown = (track) => page.evaluate((id) =>
  window.amphi.client.streams.find((s) => s.trackId === id), track);

const tiles = () => page.locator('#board .tile').count();

/* A pointer that rests hides the thumbnails, and what is hidden is not sent. */
let moves = 0;
const wake = () => page.mouse.move(300 + moves++ % 40, 300);

/** What came of this stream. */
const incoming = (track) => page.evaluate(async (id) => {
  const { track: media } = window.amphi.session.current.tracks.get(id);
  const found = [...(await window.amphi.peerConnection.getStats()).values()]
    .find((s) => s.type === 'inbound-rtp' && s.trackIdentifier === media.id);
  return { decoded: found?.framesDecoded ?? 0, width: found?.frameWidth, height: found?.frameHeight };
}, track);

async function assertGoesOn(track, frames = 5) {
  const { decoded } = await incoming(track);
  await until(`${track} goes on`, async () => {
    await wake();
    return (await incoming(track)).decoded > decoded + frames;
  }, PATIENCE);
}

async function assertNothingRenewed() {
  const renewed = await page.evaluate(() =>
    [window.offers, window.amphi.peerConnection === window.watchedPc]);
  assert.deepEqual(renewed, [0, true]);
}

test('two sources are two streams', { timeout: 60000 }, async () => {
  await until('two tiles', async () => await tiles() === 2);
  const names = await page.evaluate(() => window.amphi.client.streams.map((s) => s.windowName));
  assert.deepEqual(names, ['Editor', 'Test pattern']);
  await assertGoesOn('video1');
  await assertGoesOn('video0', 0); /* nothing moves in it */
  const { width, height } = await incoming('video0');
  assert.deepEqual([width, height], [480, 300]);
});

test('a third one comes and goes without a new offer', { timeout: 60000 }, async () => {
  const added = await admin(amphi, 'POST', SOURCES, { source: 'pattern:480x270', fps: 10 });
  assert.equal(added.status, 201, JSON.stringify(added.body));
  assert.equal(added.body.trackId, 'video2');
  await until('a third tile', async () => await tiles() === 3);
  await assertGoesOn('video2');
  assert.equal((await incoming('video2')).width, 480);
  await page.locator('#board .tile').nth(2).dispatchEvent('click');
  await until('it is in front', () =>
    page.evaluate(() => window.amphi.player.shown?.trackId === 'video2'), PATIENCE);

  assert.equal((await admin(amphi, 'DELETE', `${SOURCES}/video2`)).status, 204);
  await until('two tiles again', async () => await tiles() === 2);
  await until('another is in front', () =>
    page.evaluate(() => window.amphi.player.shown?.trackId !== 'video2'), PATIENCE);
  assert.equal(await streamOf('video2'), undefined);
  assert.equal((await admin(amphi, 'DELETE', `${SOURCES}/video2`)).status, 404);
  await assertGoesOn('video1');
  await assertNothingRenewed();
});

test('a source is changed while it plays', { timeout: 90000 }, async () => {
  const change = async (wanted) => (await admin(amphi, 'PATCH', `${SOURCES}/video1`, wanted)).status;
  await until('ten a second', async () => (await streamOf('video1')).encode_fps > 8, PATIENCE);
  assert.equal(await change({ fps: 4 }), 204);
  await until('four a second', async () => (await streamOf('video1')).encode_fps < 5, PATIENCE);
  assert.equal(await change({ fps: 10 }), 204);
  await until('ten a second', async () => (await streamOf('video1')).encode_fps > 8, PATIENCE);

  const { bitrate_bps: before } = await streamOf('video1');
  assert.equal(await change({ bitrate_kbps: 100 }), 204);
  await until('less is sent', async () => (await streamOf('video1')).bitrate_bps < before / 2,
    PATIENCE);
  assert.equal(await change({ bitrate_kbps: 2000 }), 204);

  assert.equal(await change({ paused: true }), 204);
  await until('the page knows', async () => (await shown('video1')).paused);
  const { frames_encoded: encoded } = await streamOf('video1');
  const { frames_captured: captured } = await streamOf('video1');
  await until('pictures pass', async () =>
    (await streamOf('video1')).frames_captured > captured + 8, PATIENCE);
  assert.ok((await streamOf('video1')).frames_encoded <= encoded + 1); /* one was on its way */
  assert.equal(await change({ paused: false }), 204);
  await until('the page knows', async () => !(await shown('video1')).paused);
  await assertGoesOn('video1');
  await assertNothingRenewed();
});

test('what cannot be done is said', { timeout: 30000 }, async () => {
  const bare = { origin: amphi.origin };
  const rows = [
    ['POST', SOURCES, { source: 'pattern:1x1' }, 422],
    ['POST', SOURCES, { source: 'window:0x77777777' }, 422],
    ['POST', SOURCES, { frobnicate: 1 }, 400],
    ['POST', '/api/v1/rooms/NO-ROOM-123/sources', { source: 'pattern' }, 404],
    ['PATCH', `${SOURCES}/video1`, { fps: 999 }, 400],
    ['PATCH', `${SOURCES}/video7`, { fps: 10 }, 404],
  ];
  for (const [method, path, body, status] of rows) {
    const answer = await admin(bare, method, path, body);
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(body)}: ` +
      JSON.stringify(answer.body));
    assert.ok(answer.body.detail);
  }
  assert.equal((await fetch(`${amphi.origin}${SOURCES}`, { method: 'POST', body: '{}' })).status, 401);
  assert.equal((await fetch(`${amphi.origin}/api/v1/sources`)).status, 401);
  const { body } = await admin(amphi, 'GET', '/api/v1/sources');
  assert.ok(JSON.stringify(body).includes('Editor'));
});

test('a window is resized, focused and pointed at', { timeout: 90000 }, async () => {
  const mail = await windows.ask('open 700 200 400 300 0x2050a0 Mail');
  assert.equal((await admin(amphi, 'POST', SOURCES, { source: `window:${mail}` })).status, 201);
  await until('a third tile', async () => await tiles() === 3);
  await windows.ask(`focus ${mail}`);
  await until('the page follows the focus', async () => (await shown('video2')).isFocused &&
    await page.evaluate(() => window.amphi.player.shown?.trackId === 'video2'), PATIENCE);
  await windows.ask(`focus ${editor}`);
  await until('and back', async () => (await shown('video0')).isFocused &&
    !(await shown('video2')).isFocused, PATIENCE);

  await windows.ask(`resize ${editor} 640 400`);
  await until('it is announced', async () => {
    const { width, height } = await shown('video0');
    return width === 640 && height === 400;
  }, PATIENCE);
  await until('it is seen', async () => {
    await wake();
    const { width, height } = await incoming('video0');
    return width === 640 && height === 400;
  }, PATIENCE);

  await windows.ask('warp 200 240'); /* a quarter to the right, a half down */
  const told = () => page.evaluate(() =>
    window.cursors.filter((c) => c.trackId === 'video0').at(-1) ?? {});
  await until('where the pointer is', async () => {
    const { x, y, inView } = await told();
    return inView && Math.abs(x - 25) < 1 && Math.abs(y - 50) < 1;
  }, PATIENCE);
  await windows.ask('warp 1200 700');
  await until('that it has left', async () => (await told()).inView === false, PATIENCE);
  await assertNothingRenewed();
});

test('a window that is closed says so, the others go on', { timeout: 60000 }, async (t) => {
  await windows.ask(`close ${editor}`);
  const { endReason } = await until('the reason', async () => {
    const stream = await shown('video0');
    return stream?.endReason ? stream : null;
  }, PATIENCE);
  t.diagnostic(endReason);
  assert.match(endReason, /clos/);
  const { live, end_reason: reason } = await streamOf('video0');
  assert.deepEqual([live, reason], [false, endReason]);
  assert.equal((await fetch(`${amphi.origin}/healthz`)).status, 200);
  assert.equal((await fetch(`${amphi.origin}/readyz`)).status, 200);
  await assertGoesOn('video1');
  assert.equal((await admin(amphi, 'DELETE', `${SOURCES}/video0`)).status, 204);
  await until('it is no stream any more', async () => await shown('video0') === undefined);
  await assertNothingRenewed();
});
