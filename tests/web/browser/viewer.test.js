/* The pages in Debian's Chromium, against a signaling server and a presenter of our own. */

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { ROOM, launchBrowser, startPresenter, startServer } from './harness.js';

let browser;
let server;
let complaints;
const contexts = [];

before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  await server.close();
  assert.deepEqual(complaints, [], 'the page made the browser complain');
});

/* A server, a presenter with `streams` canvases (none: 0), and an empty page. */
async function setup({ streams = 1, audio = false, ...options } = {}) {
  complaints = [];
  server = await startServer();
  if (streams > 0) {
    contexts.push((await startPresenter(browser, server, { streams, audio })).context());
  }
  return newPage(options);
}

async function newPage(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on('pageerror', (error) => complaints.push(String(error)));
  // A socket that the test itself breaks is reported by the browser; that is no fault of the page.
  page.on('console', (message) => {
    if (message.type() === 'error' && !/WebSocket connection/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  return page;
}

const open = (page, room = ROOM) => page.goto(`${server.url}/${room}`);
const state = (page, wanted) => page.waitForFunction((name) => window.amphi?.state === name, wanted);
const text = (page, selector) => page.locator(selector).innerText();

async function play(page) {
  await open(page);
  await state(page, 'connected');
}

const decodes = (page, more = 20) => page.evaluate(async (wanted) => {
  const first = (await window.amphi.stats()).framesDecoded;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = (await window.amphi.stats())?.framesDecoded;
    if (now >= first + wanted) {
      return now;
    }
  }
}, more);

/* Looks at the middle of the visible video on every frame the browser paints, from now on. */
const watchForBlack = (page) => page.evaluate(() => {
  const context = new OffscreenCanvas(8, 8).getContext('2d', { willReadFrequently: true });
  const seen = { frames: 0, missing: 0, black: 0 };
  window.seen = seen;
  const look = () => {
    const video = document.querySelector('.stage video.front');
    seen.frames += 1;
    if (!video || video.readyState < 2) {
      seen.missing += 1;
    } else {
      context.drawImage(video, 0, 0, 8, 8);
      const pixels = context.getImageData(0, 0, 8, 8).data;
      const mean = pixels.reduce((sum, value, i) => (i % 4 === 3 ? sum : sum + value), 0) / (64 * 3);
      seen.black += mean < 60 ? 1 : 0;
    }
    requestAnimationFrame(look);
  };
  look();
});

/* What is really on the screen: the mean brightness of a screenshot's middle. */
async function brightness(page) {
  const png = (await page.screenshot({ clip: { x: 440, y: 200, width: 400, height: 300 } })).toString('base64');
  return page.evaluate(async (base64) => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const context = new OffscreenCanvas(16, 16).getContext('2d');
    context.drawImage(image, 0, 0, 16, 16);
    const pixels = context.getImageData(0, 0, 16, 16).data;
    return pixels.reduce((sum, value, i) => (i % 4 === 3 ? sum : sum + value), 0) / (256 * 3);
  }, png);
}

async function assertNeverBlack(page) {
  const seen = await page.evaluate(() => window.seen);
  assert.ok(seen.frames > 10, 'the watcher ran');
  assert.deepEqual([seen.missing, seen.black], [0, 0], `of ${seen.frames} painted frames`);
}

test('plays by itself, without a click', async (t) => {
  const page = await setup();
  await play(page);
  await decodes(page);
  const { firstFrameMs, cover, muted, buffer } = await page.evaluate(() => ({
    firstFrameMs: window.amphi.firstFrameMs,
    cover: document.querySelector('#viewer').dataset.cover,
    muted: window.amphi.player.video.muted,
    buffer: window.amphi.peerConnection.getReceivers()[0].jitterBufferTarget,
  }));
  t.diagnostic(`first frame ${firstFrameMs} ms after navigation`);
  assert.ok(firstFrameMs > 0);
  assert.deepEqual([cover, muted, buffer], ['none', true, 0]);
  assert.ok(await brightness(page) > 100);
});

test('the statistics panel tells true, non-zero figures of the watched stream', async () => {
  const page = await setup();
  await play(page);
  assert.ok(await page.locator('#stats').isHidden());
  await page.keyboard.press('i');
  const stat = (name) => page.locator(`[data-stat="${name}"]`).innerText();
  await page.waitForFunction(() => {
    const value = (name) => parseFloat(document.querySelector(`[data-stat="${name}"]`)?.textContent);
    return value('fps') > 5 && value('bitrate') > 0 && value('rtt') >= 0 && value('frames') > 30;
  });
  assert.match(await stat('resolution'), /^\d{3,} × \d{3,}$/);
  assert.equal(await stat('codec'), 'VP8');
  assert.match(await stat('connection'), /^Direct · UDP$/);
  assert.match(await stat('loss'), /^\d+\.\d\d % \(\d+ in all\)$/);
  assert.equal(await stat('first'), `${await page.evaluate(() => window.amphi.firstFrameMs)} ms`);
  const shown = Number((await stat('frames')).replace(',', ''));
  assert.ok(shown <= (await page.evaluate(() => window.amphi.stats())).framesDecoded);
  await page.keyboard.press('Escape');
  assert.ok(await page.locator('#stats').isHidden());
});

test('the server hears what the player sees', async () => {
  const page = await setup();
  await play(page);
  const told = () => server.hub.received.filter((message) => message.type === 'viewer-stats' && message.framesDecoded > 0);
  while (told().length < 2) {
    await page.waitForTimeout(50);
  }
  const [first, second] = told();
  assert.ok(second.framesDecoded > first.framesDecoded);
  assert.equal(first.peerId, 'v1');
  assert.ok(first.rttMs >= 0 && first.jitterBufferMs >= 0 && first.freezes >= 0 && first.framesDropped >= 0);
});

test('a lost WebSocket: the picture goes on, a pill says so, a new connection takes over, never black', async () => {
  const page = await setup();
  await play(page);
  await decodes(page);
  await watchForBlack(page);
  const old = await page.evaluateHandle(() => window.amphi.peerConnection);
  server.hub.refuse = true;
  server.hub.dropViewers();
  await page.waitForFunction(() => document.querySelector('#viewer').dataset.cover === 'pill');
  assert.match(await text(page, '#pill'), /^Signaling reconnecting/);
  await decodes(page);
  assert.equal(await page.evaluate(() => window.amphi.state), 'connected');
  assert.ok(await brightness(page) > 100);
  server.hub.refuse = false;
  await page.waitForFunction((before) => window.amphi.peerConnection !== before, old);
  await state(page, 'connected');
  await page.waitForFunction(() => document.querySelector('#viewer').dataset.cover === 'none');
  assert.equal(await page.evaluate((pc) => pc.connectionState, old), 'closed');
  await decodes(page);
  assert.ok(await brightness(page) > 100);
  await assertNeverBlack(page);
  await page.waitForFunction(() => document.querySelectorAll('.stage video').length === 1);
});

test('a media connection that dies is replaced, the last frame stays meanwhile', async () => {
  const page = await setup();
  await play(page);
  await decodes(page);
  await watchForBlack(page);
  const old = await page.evaluateHandle(() => window.amphi.peerConnection);
  server.hub.tell({ type: 'hang-up' });
  await page.waitForFunction((before) => window.amphi.peerConnection !== before, old);
  await state(page, 'connected');
  await decodes(page);
  await assertNeverBlack(page);
  assert.equal(server.hub.joins, 2);
});

test('frames that stop are noticed, and the words say reconnecting', async () => {
  const page = await setup();
  await play(page);
  await decodes(page);
  await watchForBlack(page);
  server.hub.tell({ type: 'drawing', on: false });
  await state(page, 'reconnecting');
  assert.match(await text(page, '#pill'), /^Reconnecting/);
  server.hub.tell({ type: 'drawing', on: true });
  await state(page, 'connected');
  await assertNeverBlack(page);
});

test('a presenter who stops is announced in words; media that flows is not touched', async () => {
  const page = await setup();
  await play(page);
  const old = await page.evaluateHandle(() => window.amphi.peerConnection);
  server.hub.broadcast({ type: 'sharer-stopped' });
  await decodes(page);
  assert.equal(await page.evaluate(() => window.amphi.state), 'connected');
  server.hub.tell({ type: 'drawing', on: false });
  await state(page, 'waiting');
  assert.equal(await text(page, '#status-title'), 'The presenter has stopped');
  server.hub.tell({ type: 'drawing', on: true });
  server.hub.broadcast({ type: 'sharer-started' });
  await state(page, 'connected');
  assert.ok(await page.evaluate((pc) => window.amphi.peerConnection === pc, old));
});

test('waits for a presenter who comes later', async () => {
  const page = await setup({ streams: 0 });
  await open(page);
  await state(page, 'waiting');
  assert.equal(await text(page, '#status-title'), 'Waiting for the presenter');
  contexts.push((await startPresenter(browser, server)).context());
  await state(page, 'connected');
});

test('a room that does not exist is told, and joined once it does', async () => {
  const page = await setup();
  server.hub.rooms.clear();
  await open(page);
  await state(page, 'not-found');
  assert.equal(await text(page, '#status-title'), 'Room not found');
  assert.match(await text(page, '#status-retry'), /next try in [1-5] s/i);
  server.hub.rooms.add(ROOM);
  await page.click('#status-action');
  await state(page, 'connected');
});

test('a server that does not answer is told, with the time of the next try', async () => {
  const page = await setup();
  server.hub.refuse = true;
  await open(page);
  await state(page, 'reconnecting');
  await page.waitForFunction(() => /Try [2-9] · next try in \d s/.test(document.querySelector('#status-retry').textContent));
  assert.ok((await text(page, '#status-detail')).length > 10);
  server.hub.refuse = false;
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await state(page, 'connected');
});

test('a browser that cannot decode the video is told so, in words and not in black', async () => {
  const page = await setup();
  await page.addInitScript(() => {
    window.RTCPeerConnection = class extends RTCPeerConnection {
      async createAnswer() {
        const answer = await super.createAnswer();
        return { type: 'answer', sdp: answer.sdp.replace(/m=video \d+/g, 'm=video 0') };
      }
    };
  });
  await open(page);
  await state(page, 'failed');
  assert.equal(await text(page, '#status-title'), 'Connection failed');
  assert.match(await text(page, '#status-detail'), /cannot decode.*VP8/);
  await page.waitForTimeout(500);
  assert.equal(await page.evaluate(() => window.amphi.state), 'failed');
  assert.equal(await page.evaluate(() => window.amphi.firstFrameMs), null);
});

test('the password dialog: wrong, right, and not asked again after a reconnect', async () => {
  const page = await setup();
  server.hub.password = 'open sesame';
  await open(page);
  await state(page, 'password');
  await page.fill('#password', 'wrong');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#password-error').textContent !== '');
  assert.equal(await text(page, '#password-error'), 'Wrong password, try again.');
  assert.equal(server.hub.received.filter((message) => message.type === 'join').length, 2);
  await page.fill('#password', 'open sesame');
  await page.keyboard.press('Enter');
  await state(page, 'connected');
  assert.ok(await page.locator('#password-dialog').isHidden());
  const old = await page.evaluateHandle(() => window.amphi.peerConnection);
  server.hub.dropViewers();
  await page.waitForFunction((before) => window.amphi.peerConnection !== before, old);
  assert.ok(await page.locator('#password-dialog').isHidden());
});

test('several streams: the focused one is shown, thumbnails choose, Follow returns', async () => {
  const page = await setup({ streams: 3 });
  await play(page);
  const [first, second, third] = server.hub.streams.map((stream) => stream.trackId);
  const shows = (id) => page.waitForFunction((wanted) => window.amphi.player.shown?.trackId === wanted, id);
  await shows(first);
  assert.equal(await page.locator('.tile').count(), 3);
  await watchForBlack(page);
  await page.click('.tile >> nth=2');
  await shows(third);
  assert.equal(await text(page, '#title'), 'Terminal');
  const streams = server.hub.streams.map((stream) => ({ ...stream, isFocused: stream.trackId === second }));
  server.hub.broadcast({ type: 'streams-info', streams });
  await page.waitForFunction(() => document.querySelectorAll('.tile')[1].classList.contains('focused'));
  await shows(third);
  await page.click('#follow');
  await shows(second);
  await decodes(page);
  await assertNeverBlack(page);
});

test('controls: keys, hiding after 3 s of calm, and coming back', async () => {
  const page = await setup();
  await play(page);
  const scale = () => page.evaluate(() => document.querySelector('#stage').dataset.scale);
  for (const [key, name] of [['2', 'fill'], ['3', 'native'], ['1', 'fit']]) {
    await page.keyboard.press(key);
    assert.equal(await scale(), name);
    assert.equal(await page.locator(`[data-command="${name}"]`).getAttribute('aria-pressed'), 'true');
  }
  await page.keyboard.press('?');
  assert.ok(await page.locator('#help').isVisible());
  await page.keyboard.press('Escape');
  assert.ok(await page.locator('#help').isHidden());
  await page.keyboard.press('f');
  await page.waitForFunction(() => document.fullscreenElement === document.documentElement);
  await page.keyboard.press('F');
  await page.waitForFunction(() => document.fullscreenElement === null);
  assert.ok(await page.locator('[data-command="mute"]').isHidden(), 'nothing to mute');
  await page.mouse.move(600, 300);
  await page.waitForFunction(() => document.querySelector('#viewer').classList.contains('calm'));
  await page.mouse.move(620, 310);
  await page.waitForFunction(() => !document.querySelector('#viewer').classList.contains('calm'));
});

test('sound: starts off, a button and a key turn it on', async () => {
  const page = await setup({ audio: true });
  await play(page);
  await page.locator('[data-command="mute"]').waitFor();
  const muted = () => page.evaluate(() => window.amphi.player.video.muted);
  const tracks = await page.evaluate(() => window.amphi.player.video.srcObject.getTracks().map((track) => track.kind));
  assert.deepEqual(tracks.sort(), ['audio', 'video']);
  assert.equal(await muted(), true);
  await page.keyboard.press('m');
  assert.equal(await muted(), false);
  await page.click('[data-command="mute"]');
  assert.equal(await muted(), true);
  await decodes(page);
});

test('native: a pixel of the picture is a pixel of the screen', async () => {
  const page = await setup({ deviceScaleFactor: 2 });
  await play(page);
  await page.keyboard.press('3');
  await page.waitForFunction(() => {
    const { video } = window.amphi.player;
    return Math.abs(video.getBoundingClientRect().width * 2 - video.videoWidth) < 1;
  });
});

test('on a phone nothing is wider than the screen, and everything is big enough for a finger', async () => {
  const page = await setup({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 3 });
  await play(page);
  await page.locator('[data-command="stats"]').tap();
  const boxes = await page.evaluate(() => {
    const all = [...document.querySelectorAll('.dock, .dock button, .stats, .bar, .live')];
    return all.filter((e) => e.offsetParent !== null).map((e) => {
      const { left, right, height } = e.getBoundingClientRect();
      return { name: e.className || e.dataset.command, left, right, height, button: e.tagName === 'BUTTON' };
    });
  });
  for (const box of boxes) {
    assert.ok(box.left >= 0 && box.right <= 360, `${box.name} fits`);
    assert.ok(!box.button || box.height >= 40, `${box.name} is big enough`);
  }
});

test('the landing page leads to the room, however the code is typed', async () => {
  const page = await setup();
  await page.goto(`${server.url}/`);
  await page.fill('#code', 'schöner otter');
  await page.click('button');
  assert.match(await text(page, '#code-error'), /letters, digits and dashes/);
  await page.fill('#code', 'swift otter 042');
  assert.equal(await text(page, '#code-error'), '');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${server.url}/${ROOM}`);
  await state(page, 'connected');
});
