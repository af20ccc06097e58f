/* The pages in Debian's Chromium, against a signaling server and a presenter of our own. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ROOM, launchBrowser, startPresenter, startServer, until } from './harness.js';

const AT_ONCE = 3; // they mostly wait

let browser;

/* A server, a presenter with `streams` canvases (none: 0), and an empty page; closed when `t` ends,
 * which fails when the page has made the browser complain. */
async function setup(t, { streams = 1, audio = false, ...options } = {}) {
  const contexts = [];
  const complaints = [];
  const server = await startServer();
  const present = async (wanted) => contexts.push((await startPresenter(browser, server, wanted)).context());
  t.after(async () => {
    await Promise.all(contexts.map((context) => context.close()));
    await server.close();
    assert.deepEqual(complaints, []);
  });
  if (streams > 0) {
    await present({ streams, audio });
  }
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  contexts.push(context);
  const page = await context.newPage();
  listen(page, complaints);
  return { page, hub: server.hub, url: server.url, present };
}

function listen(page, complaints) {
  page.setDefaultTimeout(20000);
  page.on('pageerror', (error) => complaints.push(String(error)));
  // A socket that the test itself breaks is reported by the browser; that is no fault of the page.
  page.on('console', (message) => {
    if (message.type() === 'error' && !/WebSocket connection/.test(message.text())) {
      complaints.push(message.text());
    }
  });
}

const open = ({ page, url }) => page.goto(`${url}/${ROOM}`);
const state = (page, wanted) => page.waitForFunction((name) => window.amphi?.state === name, wanted);
const says = (page, selector, words) => page.locator(selector, { hasText: words }).waitFor();
const covered = (page, cover) =>
  page.waitForFunction((wanted) => document.querySelector('#viewer').dataset.cover === wanted, cover);
const replaced = (page, old) => page.waitForFunction((before) => window.amphi.peerConnection !== before, old);

async function play(stage) {
  await open(stage);
  await state(stage.page, 'connected');
}

/* Controls may have hidden meanwhile: the pointer shows them, and stays on them, before it clicks. */
async function click(page, selector) {
  const { x, y, width, height } = await page.locator(selector).boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.click(selector);
}

async function decodes(page, more = 20) {
  const decoded = () => page.evaluate(async () => (await window.amphi.stats())?.framesDecoded ?? 0);
  const first = await decoded();
  await until(`${more} more pictures`, async () => (await decoded()) >= first + more);
}

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
  await page.waitForFunction(() => window.seen.frames > 10); /* enough looks to say "never" */
  const seen = await page.evaluate(() => window.seen);
  assert.deepEqual([seen.missing, seen.black], [0, 0], `of ${seen.frames} painted frames`);
}

describe('the pages', { concurrency: AT_ONCE }, () => {
  before(async () => {
    browser = await launchBrowser();
  });
  after(() => browser.close());

  test('plays by itself, without a click', async (t) => {
    const stage = await setup(t);
    const { page } = stage;
    await play(stage);
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

  test('the statistics panel tells true, non-zero figures of the watched stream', async (t) => {
    const stage = await setup(t);
    const { page } = stage;
    await play(stage);
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
    await page.locator('#stats').waitFor({ state: 'hidden' });
  });

  test('the server hears what the player sees', async (t) => {
    const stage = await setup(t);
    const { page, hub } = stage;
    await play(stage);
    const told = () => hub.received.filter((message) => message.type === 'viewer-stats' && message.framesDecoded > 0);
    await until('two reports', () => told().length >= 2);
    const [first, second] = told();
    assert.ok(second.framesDecoded > first.framesDecoded);
    assert.equal(first.peerId, 'v1');
    assert.ok(first.rttMs >= 0 && first.jitterBufferMs >= 0 && first.freezes >= 0 && first.framesDropped >= 0);
  });

  test('a lost WebSocket: the picture goes on, a pill says so, a new connection takes over, never black', async (t) => {
    const stage = await setup(t);
    const { page, hub } = stage;
    await play(stage);
    await decodes(page);
    await watchForBlack(page);
    const old = await page.evaluateHandle(() => window.amphi.peerConnection);
    hub.refuse = true;
    hub.dropViewers();
    await covered(page, 'pill');
    await says(page, '#pill-title', /^Signaling reconnecting/);
    await says(page, '#pill-reason', /./);
    await decodes(page);
    await state(page, 'connected');
    assert.ok(await brightness(page) > 100);
    hub.refuse = false;
    await replaced(page, old);
    await state(page, 'connected');
    await covered(page, 'none');
    assert.equal(await page.evaluate((pc) => pc.connectionState, old), 'closed');
    await decodes(page);
    assert.ok(await brightness(page) > 100);
    await assertNeverBlack(page);
    await page.waitForFunction(() => document.querySelectorAll('.stage video').length === 1);
  });

  test('a media connection that dies is replaced, the last frame stays meanwhile', async (t) => {
    const stage = await setup(t);
    const { page, hub } = stage;
    await play(stage);
    await decodes(page);
    await watchForBlack(page);
    const old = await page.evaluateHandle(() => window.amphi.peerConnection);
    hub.tell({ type: 'hang-up' });
    await replaced(page, old);
    await state(page, 'connected');
    await decodes(page);
    await assertNeverBlack(page);
    assert.equal(hub.joins, 2);
  });

  test('frames that stop are noticed, and the words say reconnecting', async (t) => {
    const stage = await setup(t);
    const { page, hub } = stage;
    await play(stage);
    await decodes(page);
    await watchForBlack(page);
    hub.tell({ type: 'drawing', on: false });
    await state(page, 'reconnecting');
    await says(page, '#pill-title', /^Reconnecting/);
    hub.tell({ type: 'drawing', on: true });
    await state(page, 'connected');
    await assertNeverBlack(page);
  });

  test('a presenter who stops is announced in words; media that flows is not touched', async (t) => {
    const stage = await setup(t);
    const { page, hub } = stage;
    await play(stage);
    const old = await page.evaluateHandle(() => window.amphi.peerConnection);
    hub.broadcast({ type: 'sharer-stopped' });
    await decodes(page);
    await state(page, 'connected');
    hub.tell({ type: 'drawing', on: false });
    await state(page, 'waiting');
    await says(page, '#status-title', 'The presenter has stopped');
    hub.tell({ type: 'drawing', on: true });
    hub.broadcast({ type: 'sharer-started' });
    await state(page, 'connected');
    assert.ok(await page.evaluate((pc) => window.amphi.peerConnection === pc, old));
  });

  test('waits for a presenter who comes later', async (t) => {
    const stage = await setup(t, { streams: 0 });
    const { page } = stage;
    await open(stage);
    await state(page, 'waiting');
    await says(page, '#status-title', 'Waiting for the presenter');
    await stage.present();
    await state(page, 'connected');
  });

  test('a room that does not exist is told, and joined once it does', async (t) => {
    const stage = await setup(t);
    const { page, hub } = stage;
    hub.rooms.clear();
    await open(stage);
    await state(page, 'not-found');
    await says(page, '#status-title', 'Room not found');
    await says(page, '#status-retry', /next try in [1-5] s/i);
    // The page may be asking by itself at any moment: the button is pressed while it waits.
    await page.waitForFunction(() => {
      const { client } = window.amphi;
      if (client.state !== 'waiting') {
        return false;
      }
      document.querySelector('#status-action').click();
      return client.state === 'connecting';
    });
    hub.rooms.add(ROOM);
    await state(page, 'connected');
  });

  test('a server that does not answer is told, with the time of the next try', async (t) => {
    const stage = await setup(t);
    const { page, hub } = stage;
    hub.refuse = true;
    await open(stage);
    await state(page, 'reconnecting');
    await page.waitForFunction(() => /Try [2-9] · next try in \d s/.test(document.querySelector('#status-retry').textContent));
    await says(page, '#status-detail', /.{10}/);
    hub.refuse = false;
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await state(page, 'connected');
  });

  test('a browser that cannot decode the video is told so, in words and not in black', async (t) => {
    const stage = await setup(t);
    const { page } = stage;
    await page.addInitScript(() => {
      window.RTCPeerConnection = class extends RTCPeerConnection {
        async createAnswer() {
          const answer = await super.createAnswer();
          return { type: 'answer', sdp: answer.sdp.replace(/m=video \d+/g, 'm=video 0') };
        }
      };
    });
    await open(stage);
    await state(page, 'failed');
    await says(page, '#status-title', 'Connection failed');
    await says(page, '#status-detail', /cannot decode.*VP8/);
    assert.equal(await page.evaluate(() => window.amphi.firstFrameMs), null);
  });

  test('the password dialog: wrong, right, and not asked again after a reconnect', async (t) => {
    const stage = await setup(t);
    const { page, hub } = stage;
    hub.password = 'open sesame';
    await open(stage);
    await state(page, 'password');
    await page.fill('#password', 'wrong');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('#password-error').textContent !== '');
    await says(page, '#password-error', 'Wrong password, try again.');
    assert.equal(hub.received.filter((message) => message.type === 'join').length, 2);
    await page.fill('#password', 'open sesame');
    await page.keyboard.press('Enter');
    await state(page, 'connected');
    await page.locator('#password-dialog').waitFor({ state: 'hidden' });
    const old = await page.evaluateHandle(() => window.amphi.peerConnection);
    hub.dropViewers();
    await replaced(page, old);
    assert.ok(await page.locator('#password-dialog').isHidden());
  });

  test('several streams: the focused one is shown, thumbnails choose, Follow returns', async (t) => {
    const stage = await setup(t, { streams: 3 });
    const { page, hub } = stage;
    await play(stage);
    const [first, second, third] = hub.streams.map((stream) => stream.trackId);
    const shows = (id) => page.waitForFunction((wanted) => window.amphi.player.shown?.trackId === wanted, id);
    await shows(first);
    assert.equal(await page.locator('.tile').count(), 3);
    await watchForBlack(page);
    await click(page, '.tile >> nth=2');
    await shows(third);
    await says(page, '#title', 'Terminal');
    const streams = hub.streams.map((stream) => ({ ...stream, isFocused: stream.trackId === second }));
    hub.broadcast({ type: 'streams-info', streams });
    await page.waitForFunction(() => document.querySelectorAll('.tile')[1].classList.contains('focused'));
    await shows(third);
    await click(page, '[data-command="follow"]');
    await shows(second);
    await decodes(page);
    await assertNeverBlack(page);
  });

  test('streams come and go without a new connection, and what ended says why', async (t) => {
    const stage = await setup(t, { streams: 2 });
    const { page, hub } = stage;
    await play(stage);
    const [first, second] = hub.streams;
    const shows = (id) => page.waitForFunction((wanted) => window.amphi.player.shown?.trackId === wanted, id);
    await shows(first.trackId);
    const old = await page.evaluateHandle(() => window.amphi.peerConnection);
    await watchForBlack(page);
    hub.broadcast({ type: 'stream-deactivated', streamDeactivated: first.trackId });
    hub.broadcast({
      type: 'streams-info', streams: [second], ended: [{ ...first, endReason: 'the window was closed' }],
    });
    await says(page, '#pill-title', 'Quarterly review has ended: the window was closed.');
    await shows(second.trackId);
    await decodes(page);
    assert.ok(await page.locator('#board').isHidden(), 'one stream needs no thumbnails');
    hub.broadcast({ type: 'stream-activated', streamActivated: { ...first, isFocused: false } });
    await page.locator('.tile >> nth=1').waitFor({ state: 'attached' });
    hub.broadcast({ type: 'focus-change', focusedTrack: first.trackId });
    await shows(first.trackId);
    await decodes(page);
    await assertNeverBlack(page);
    hub.broadcast({ type: 'streams-info', streams: [], ended: [{ ...first, endReason: 'the display is gone' }] });
    hub.tell({ type: 'drawing', on: false });
    await state(page, 'waiting');
    await says(page, '#status-detail', 'Quarterly review: the display is gone.');
    assert.ok(await page.evaluate((pc) => window.amphi.peerConnection === pc, old));
  });

  test('only what is seen is wanted: thumbnails small, nothing in a hidden tab', async (t) => {
    const stage = await setup(t, { streams: 2 });
    const { page, hub } = stage;
    const wanted = () => {
      const now = new Map();
      for (const { type, streams } of hub.received) {
        if (type === 'join') {
          now.clear();
        } else if (type === 'select') {
          streams.forEach(({ trackId, ...choice }) => now.set(trackId, choice));
        }
      }
      return now;
    };
    await play(stage);
    const [first, second] = hub.streams.map((stream) => stream.trackId);
    await page.mouse.move(600, 300);
    await until('a small thumbnail', () => wanted().get(second)?.maxTemporal === 0);
    assert.equal(wanted().get(second).paused, false);
    assert.ok(!wanted().has(first), 'the watched one is as good as it gets');
    await page.waitForFunction(() => document.querySelector('#viewer').classList.contains('calm'));
    await until('thumbnails that are hidden are not sent', () => wanted().get(second).paused);
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await until('a hidden page wants nothing', () => wanted().get(first)?.paused);
    await page.evaluate(() => {
      delete document.hidden;
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await until('and everything when it is seen again', () => !wanted().get(first).paused);
  });

  test('a player that is stuck asks for a keyframe before it reconnects', async (t) => {
    const stage = await setup(t);
    const { hub } = stage;
    await play(stage);
    const joins = hub.joins;
    hub.tell({ type: 'drawing', on: false });
    await until('a keyframe is asked for', () => hub.received.some(
      ({ type, trackId }) => type === 'keyframe' && trackId === hub.streams[0].trackId,
    ));
    assert.equal(hub.joins, joins);
  });

  test('controls: keys, hiding after 3 s of calm, and coming back', async (t) => {
    const stage = await setup(t);
    const { page } = stage;
    await play(stage);
    const scale = () => page.evaluate(() => document.querySelector('#stage').dataset.scale);
    for (const [key, name] of [['2', 'fill'], ['3', 'native'], ['1', 'fit']]) {
      await page.keyboard.press(key);
      assert.equal(await scale(), name);
      assert.equal(await page.locator(`[data-command="${name}"]`).getAttribute('aria-pressed'), 'true');
    }
    await page.keyboard.press('?');
    await page.locator('#help').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#help').waitFor({ state: 'hidden' });
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

  test('a key pressed in the same moment as the help closes is not lost', async (t) => {
    const stage = await setup(t, { streams: 0 });
    const { page } = stage;
    await open(stage);
    await page.keyboard.press('?');
    await page.locator('#help button').and(page.locator(':focus')).waitFor();
    const scale = await page.evaluate(() => {
      const button = document.activeElement;
      document.querySelector('#help').close();
      button.dispatchEvent(new KeyboardEvent('keydown', { key: '2', bubbles: true }));
      return document.querySelector('#stage').dataset.scale;
    });
    assert.equal(scale, 'fill');
  });

  test('sound: starts off, a button and a key turn it on', async (t) => {
    const stage = await setup(t, { audio: true });
    const { page } = stage;
    await play(stage);
    await page.locator('[data-command="mute"]:not([hidden])').waitFor({ state: 'attached' });
    const muted = () => page.evaluate(() => window.amphi.player.video.muted);
    const tracks = await page.evaluate(() => window.amphi.player.video.srcObject.getTracks().map((track) => track.kind));
    assert.deepEqual(tracks.sort(), ['audio', 'video']);
    assert.equal(await muted(), true);
    await page.keyboard.press('m');
    assert.equal(await muted(), false);
    await click(page, '[data-command="mute"]');
    assert.equal(await muted(), true);
    await page.locator('#unmute').waitFor({ state: 'hidden' }); // nobody is asked twice
    await page.locator('#volume').fill('30');
    assert.deepEqual(await page.evaluate(() => [window.amphi.player.video.volume, window.amphi.player.video.muted]), [0.3, false]);
    await page.locator('#volume').fill('0');
    assert.equal(await muted(), true);
    await decodes(page);
  });

  test('sound: a tap on the picture\'s offer turns it on', async (t) => {
    const stage = await setup(t, { audio: true });
    const { page } = stage;
    await play(stage);
    await page.click('#unmute');
    assert.equal(await page.evaluate(() => window.amphi.player.video.muted), false);
    await page.locator('#unmute').waitFor({ state: 'hidden' });
    await decodes(page);
  });

  test('native: a pixel of the picture is a pixel of the screen', async (t) => {
    const stage = await setup(t, { deviceScaleFactor: 2 });
    const { page } = stage;
    await play(stage);
    await page.keyboard.press('3');
    await page.waitForFunction(() => {
      const { video } = window.amphi.player;
      return Math.abs(video.getBoundingClientRect().width * 2 - video.videoWidth) < 1;
    });
  });

  test('on a phone nothing is wider than the screen, and everything is big enough for a finger', async (t) => {
    const stage = await setup(t, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 3 });
    const { page } = stage;
    await play(stage);
    await page.keyboard.press('Shift'); // should the controls have hidden meanwhile
    await page.locator('[data-command="more"]').focus();
    await page.locator('[data-command="more"]').tap();
    await page.locator('[data-command="stats"]').tap();
    const boxes = await page.evaluate(() => {
      const all = [...document.querySelectorAll('.dock, .extra, .dock button, .dock select, .stats, .bar, .live')];
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

  test('the landing page leads to the room, however the code is typed', async (t) => {
    const stage = await setup(t);
    const { page } = stage;
    await page.goto(`${stage.url}/`);
    await page.fill('#code', 'schöner otter');
    await page.click('button');
    await says(page, '#code-error', /letters, digits and dashes/);
    await page.fill('#code', 'swift otter 042');
    await says(page, '#code-error', /^$/);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${stage.url}/${ROOM}`);
    await state(page, 'connected');
  });
});
