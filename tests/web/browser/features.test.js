/* Everything a person can do on the viewer page, on a desktop and on a phone. One server, one presenter with
 * three streams, and one page for each of the two: a test leaves the page as it found it. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { ROOM, launchBrowser, startPresenter, startServer, until } from './harness.js';

const PHONE = { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

const complaints = [];
let browser;
let server;
let hub;
let page;
let phone;

async function openPage(options = {}, prepare = () => {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  const opened = await context.newPage();
  opened.setDefaultTimeout(15000);
  opened.on('pageerror', (error) => complaints.push(String(error)));
  opened.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await prepare(opened);
  await opened.goto(`${server.url}/${ROOM}${options.hash ?? ''}`);
  return opened;
}

const state = (at, wanted) => at.waitForFunction((name) => window.amphi?.state === name, wanted);
const wake = (at) => at.keyboard.press('Shift');
const inPage = (expression) => page.evaluate(expression);
const pressed = (command) => page.locator(`.dock [data-command="${command}"]`).getAttribute('aria-pressed');
const layout = (at, name) => at.waitForFunction((wanted) => document.querySelector('#viewer').dataset.layout === wanted, name);
const boxes = (at) => at.$$eval('.tile', (tiles) => tiles.map((tile) => {
  const { left, top, width, height } = tile.getBoundingClientRect();
  return { left, top, width, height };
}));
const front = (at) => at.evaluate(() => {
  const { left, top, width, height } = window.amphi.player.video.getBoundingClientRect();
  return { left, top, width, height };
});
const shows = (id, at = page) => at.waitForFunction((wanted) => window.amphi.player.shown?.trackId === wanted, id);
const ids = () => hub.streams.map(({ trackId }) => trackId);
const decoded = (at) => at.evaluate(async () => (await window.amphi.stats()).framesDecoded);
const zoom = (at) => at.evaluate(() => window.amphi.camera.zoom);

/* What the page of the last join wants, all its messages taken together. */
function wanted() {
  const now = new Map();
  for (const { type, streams } of hub.received) {
    if (type === 'join') {
      now.clear();
    } else if (type === 'select') {
      streams.forEach(({ trackId, ...choice }) => now.set(trackId, choice));
    }
  }
  return now;
}

async function moves(at) {
  const before = await decoded(at);
  await until('pictures come', async () => await decoded(at) > before + 3);
}

before(async () => {
  browser = await launchBrowser();
  server = await startServer();
  hub = server.hub;
  await startPresenter(browser, server, { streams: 3, audio: true });
  phone = await openPage(PHONE);
  await state(phone, 'connected');
  page = await openPage();
  await state(page, 'connected');
}, { timeout: 60000 });

after(async () => {
  await browser.close();
  await server.close();
  assert.deepEqual(complaints, []);
});

beforeEach(() => page.bringToFront());

test('layouts: Focus, Grid and Row, by key and by button', async () => {
  await wake(page);
  assert.deepEqual((await boxes(page)).map(({ width, height }) => [width, height]), [[142, 80], [142, 80], [142, 80]]);
  await page.keyboard.press('g');
  await layout(page, 'grid');
  assert.equal(await pressed('grid'), 'true');
  const [first, second, third] = await boxes(page);
  assert.ok(first.width >= 0.39 * 1280 && first.height > 690, 'the big one of three');
  assert.ok(second.left > first.left + first.width && third.top > second.top + second.height, 'side by side');
  assert.ok(Math.abs(second.height - third.height) < 1);
  await page.keyboard.press('e');
  assert.equal(await pressed('equal'), 'true');
  await page.keyboard.press('e');
  await page.keyboard.press('g');
  await layout(page, 'row');
  const row = await boxes(page);
  assert.deepEqual([row[0].width, row[0].height], [640, 360], 'its own size');
  assert.ok(row[2].left + row[2].width > 1280, 'further than the window');
  await page.locator('#row-map').waitFor();
  await page.click('[data-command="focus"]');
  await layout(page, 'focus');
});

test('Grid: arrows go to the neighbour, Enter opens it; a double click does both', async () => {
  const [first, second, third] = ids();
  await shows(first);
  await page.keyboard.press('g');
  await page.keyboard.press('ArrowRight');
  await shows(second);
  await page.keyboard.press('ArrowDown');
  await shows(third);
  await page.keyboard.press('Enter');
  await layout(page, 'focus');
  await shows(third);
  await page.keyboard.press('g');
  await page.dblclick('.tile >> nth=0', { position: { x: 200, y: 300 } });
  await layout(page, 'focus');
  await shows(first);
  await page.keyboard.press('c');
  assert.equal(await pressed('follow'), 'true');
});

test('Row: a drag scrolls, the map shows where, and what is out of sight is not sent', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('g');
  await layout(page, 'row');
  const [first, , third] = ids();
  await until('the last one is out of sight', () => wanted().get(third)?.paused === true);
  await page.mouse.move(900, 300);
  await page.mouse.down();
  await page.mouse.move(500, 300, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => document.querySelector('#board').scrollLeft >= 550);
  await until('now the last one is in sight', () => wanted().get(third)?.paused === false);
  assert.equal(await page.evaluate(() => window.amphi.player.shown.trackId), first, 'a drag is no click');
  await page.click('#row-map', { position: { x: 2, y: 10 } });
  await page.waitForFunction(() => document.querySelector('#board').scrollLeft === 0);
  hub.broadcast({ type: 'cursor-position', trackId: third, cursorX: 90, cursorY: 50, cursorInView: true });
  await page.waitForFunction(() => document.querySelector('#board').scrollLeft > 600);
  await page.keyboard.press('g');
  await layout(page, 'focus');
});

test('zoom: the wheel around the pointer, keys around the middle; a drag pans, the map leads', async () => {
  await page.keyboard.press('1');
  assert.deepEqual(await front(page), { left: 0, top: 0, width: 1280, height: 720 });
  await page.mouse.move(320, 180);
  await page.mouse.wheel(0, -400);
  await page.waitForFunction(() => window.amphi.camera.zoom > 1.5);
  const factor = await zoom(page);
  let box = await front(page);
  assert.ok(Math.abs(box.width - 1280 * factor) < 1);
  assert.ok(Math.abs((320 - box.left) / box.width - 0.25) < 0.01, 'what is under the pointer stays');
  await page.locator('#map').waitFor();
  await page.mouse.down();
  await page.mouse.move(220, 120, { steps: 4 });
  await page.mouse.up();
  const dragged = await front(page);
  assert.ok(Math.abs(dragged.left - (box.left - 100)) < 12 && Math.abs(dragged.top - (box.top - 60)) < 12);
  const map = await page.locator('#map').boundingBox();
  await page.mouse.click(map.x + map.width - 3, map.y + map.height - 3);
  box = await front(page);
  assert.ok(Math.abs(box.left + box.width - 1280) < 1 && Math.abs(box.top + box.height - 720) < 1, 'no border');
  await page.keyboard.press('+');
  assert.ok(await zoom(page) > factor);
  await page.keyboard.press('0');
  assert.equal(await zoom(page), 1);
  await page.locator('#map').waitFor({ state: 'hidden' });
  await page.keyboard.press('-');
  assert.equal(await zoom(page), 1, 'no smaller than the whole picture');
});

test('Native follows the presenter\'s cursor, unless told not to', async () => {
  const [first] = ids();
  await page.setViewportSize({ width: 400, height: 300 });
  await page.keyboard.press('3');
  const left = () => front(page).then((box) => box.left);
  const middle = await left();
  const point = (cursorX) => hub.broadcast({ type: 'cursor-position', trackId: first, cursorX, cursorY: 50, cursorInView: true });
  point(95);
  await until('it goes along', async () => await left() < middle - 60);
  await page.keyboard.press('c');
  const stays = await left();
  point(5);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  assert.equal(await left(), stays);
  await page.keyboard.press('c');
  point(5);
  await until('and again', async () => await left() > stays + 60);
  await page.keyboard.press('1');
  await page.setViewportSize({ width: 1280, height: 720 });
});

test('pause holds the picture, and nothing is sent meanwhile', async () => {
  await page.keyboard.press(' ');
  await state(page, 'paused');
  await until('nothing is wanted', () => [...wanted().values()].every(({ paused }) => paused) && wanted().size === 3);
  assert.equal(await pressed('pause'), 'true');
  assert.ok(await inPage(() => window.amphi.player.video.paused));
  await page.click('#resume');
  await state(page, 'connected');
  await moves(page);
  assert.ok(!await inPage(() => window.amphi.player.video.paused));
});

test('quality: what the stream comes in can be chosen, and is asked for', async () => {
  const layerSizes = [{ width: 640, height: 360, bitrate: 9e5 }, { width: 320, height: 180, bitrate: 2e5 }];
  const before = hub.streams;
  hub.broadcast({ type: 'streams-info', streams: before.map((s, i) => (i ? s : { ...s, layers: 2, layerSizes })) });
  await page.locator('#quality').waitFor();
  assert.deepEqual(await page.locator('#quality option').allInnerTexts(), ['Auto', '640 × 360 · 900 kbit/s', '320 × 180 · 200 kbit/s']);
  await page.selectOption('#quality', '1');
  await until('the smaller one is asked for', () => wanted().get(ids()[0])?.layer === 1);
  await page.selectOption('#quality', 'auto');
  await until('and the best one again', () => wanted().get(ids()[0])?.layer === 'auto');
  hub.broadcast({ type: 'streams-info', streams: before });
  await page.locator('#quality').waitFor({ state: 'hidden' });
});

test('a snapshot is the picture in its own pixels', async () => {
  const download = page.waitForEvent('download');
  await page.keyboard.press('s');
  const file = await download;
  assert.match(file.suggestedFilename(), /^SWIFT-OTTER-042-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.png$/);
  const png = readFileSync(await file.path());
  const { width, height } = await inPage(() => window.amphi.player.size);
  assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [width, height]);
  await page.locator('#toast', { hasText: `${width} × ${height}` }).waitFor();
});

test('skip to live plays on in a new element', async () => {
  const old = await page.evaluateHandle(() => window.amphi.player.video);
  await page.keyboard.press('l');
  await page.waitForFunction((before) => window.amphi.player.video !== before, old);
  await moves(page);
});

test('picture in picture and its end', async () => {
  await inPage(() => {
    window.asked = [];
    HTMLVideoElement.prototype.requestPictureInPicture = async function request() {
      window.asked.push(this === window.amphi.player.video);
    };
  });
  await page.keyboard.press('p');
  assert.deepEqual(await inPage(() => window.asked), [true]);
});

test('every control has a name, every picture a description', async () => {
  await page.keyboard.press('i');
  const unnamed = await page.$$eval('button, input, select, a, video, canvas, [role="group"]', (all) => all
    .filter((e) => !e.closest('[aria-hidden="true"], [hidden]') && !(e.getAttribute('aria-label') || e.textContent.trim()
      || e.labels?.length || e.getAttribute('aria-labelledby')) && e.getAttribute('aria-hidden') !== 'true')
    .map((e) => e.outerHTML.slice(0, 80)));
  assert.deepEqual(unnamed, []);
  await page.keyboard.press('Escape');
});

test('who wants no motion gets none, and who wants light gets light', async () => {
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: 'light' });
  assert.equal(await inPage(() => document.getAnimations().length), 0);
  const light = await inPage(() => getComputedStyle(document.querySelector('.dock button')).color);
  await page.emulateMedia({ reducedMotion: 'no-preference', colorScheme: 'dark' });
  assert.notEqual(await inPage(() => getComputedStyle(document.querySelector('.dock button')).color), light);
});

test('a server that is about to stop says so for a while', async () => {
  hub.broadcast({ type: 'draining', endsInS: 240 });
  await page.locator('#pill-title', { hasText: 'stops within 4 minutes' }).waitFor();
  hub.broadcast({ type: 'streams-info', streams: hub.streams.map((s) => ({ ...s, windowName: 'Renamed' })) });
  await page.locator('#title', { hasText: 'Renamed' }).waitFor();
  assert.match(await page.textContent('#pill-title'), /stops within 4 minutes/);
  hub.broadcast({ type: 'streams-info', streams: hub.streams });
  await state(page, 'connected');
  await page.locator('#viewer:not([data-cover="pill"])').waitFor();
});

test('a button has one name, pressed or not', async () => {
  for (const command of ['pause', 'mute']) {
    const button = page.locator(`.dock [data-command="${command}"]`);
    const before = [await button.getAttribute('aria-label'), await pressed(command)];
    await wake(page);
    await button.click();
    assert.deepEqual([await button.getAttribute('aria-label'), await pressed(command)], [before[0], before[1] === 'true' ? 'false' : 'true']);
    await button.click();
    assert.equal(await pressed(command), before[1]);
  }
});

test('a presenter who has gone without a word is said to be reconnecting', async () => {
  hub.broadcast({ type: 'streams-info', streams: hub.streams, reconnecting: true });
  hub.tell({ type: 'drawing', on: false });
  await page.locator('#pill-title', { hasText: 'The presenter is reconnecting' }).waitFor();
  hub.tell({ type: 'drawing', on: true });
  hub.broadcast({ type: 'streams-info', streams: hub.streams });
  await state(page, 'connected');
});

test('choices are remembered', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('2');
  await page.keyboard.press('i');
  await page.locator('#volume').fill('40');
  await page.reload();
  await state(page, 'connected');
  await layout(page, 'grid');
  assert.deepEqual([await pressed('fill'), await pressed('stats'), await page.inputValue('#volume')], ['true', 'true', '40']);
  await inPage(() => localStorage.clear());
  await page.reload();
  await state(page, 'connected');
});

test('a browser that wants a tap before it plays gets one', async () => {
  const other = await openPage({}, (opened) => opened.addInitScript(() => {
    const { play } = HTMLMediaElement.prototype;
    let tapped = false; // navigator.userActivation counts what a test evaluates
    addEventListener('pointerdown', () => (tapped = true), true);
    HTMLMediaElement.prototype.play = function refuse() {
      if (tapped) {
        return play.call(this);
      }
      this.autoplay = false;
      return Promise.reject(new DOMException('no gesture', 'NotAllowedError'));
    };
  }));
  await state(other, 'blocked');
  await other.click('#status-action');
  await state(other, 'connected');
  await other.context().close();
});

test('a link may carry a token, which is shown to the server', async () => {
  hub.password = 'x';
  const other = await openPage({ hash: '#token=a.b.c' });
  await until('the token is shown', () => hub.received.some(({ type, token }) => type === 'join' && token === 'a.b.c'));
  await state(other, 'password');
  hub.password = '';
  await other.context().close();
});

test('an iPhone, which fills its screen with a video only', async () => {
  const other = await openPage({}, (opened) => opened.addInitScript(() => {
    delete Element.prototype.requestFullscreen;
    delete Element.prototype.webkitRequestFullscreen;
    HTMLVideoElement.prototype.webkitEnterFullscreen = function enter() {
      window.filled = this === window.amphi.player.video;
    };
  }));
  await state(other, 'connected');
  await other.keyboard.press('f');
  assert.ok(await other.evaluate(() => window.filled));
  await other.context().close();
});

test('the screen stays awake while a picture plays', async () => {
  const other = await openPage({}, (opened) => opened.addInitScript(() => {
    window.locks = 0;
    Object.defineProperty(navigator, 'wakeLock', { value: { request: async () => (window.locks += 1, new EventTarget()) } });
  }));
  await state(other, 'connected');
  await other.waitForFunction(() => window.locks === 1);
  await other.context().close();
});

/* ---- a phone ---- */

async function touch(points) {
  const session = await phone.context().newCDPSession(phone);
  const send = (type, touchPoints) => session.send('Input.dispatchTouchEvent', { type, touchPoints });
  await send('touchStart', points[0]);
  for (const at of points.slice(1)) {
    await send('touchMove', at);
  }
  await send('touchEnd', []);
}

test('phone: a tap shows the controls and puts them away', async () => {
  await phone.bringToFront();
  await wake(phone);
  const calm = (wanted) => phone.waitForFunction((is) => document.querySelector('#viewer').classList.contains('calm') === is, wanted);
  await calm(false);
  await phone.touchscreen.tap(195, 250);
  await calm(true);
  await phone.touchscreen.tap(195, 250);
  await calm(false);
});

test('phone: two fingers zoom, one moves the picture', async () => {
  await phone.bringToFront();
  const apart = (gap) => [{ x: 195 - gap, y: 390, id: 1 }, { x: 195 + gap, y: 390, id: 2 }];
  await touch([apart(30), apart(50), apart(80), apart(120)]);
  const factor = await zoom(phone);
  assert.ok(factor > 3 && factor < 5, `${factor} for four times as far apart`);
  const before = await front(phone);
  await touch([[{ x: 200, y: 390 }], [{ x: 180, y: 390 }], [{ x: 120, y: 390 }]]);
  const moved = (await front(phone)).left - before.left;
  assert.ok(moved < -50 && moved > -90, `${moved}`);
  await phone.keyboard.press('0');
});

test('phone: more controls behind a button, and nothing is wider than the screen', async () => {
  await phone.bringToFront();
  for (const turn of ['focus', 'grid', 'row']) {
    await wake(phone);
    await layout(phone, turn);
    await phone.locator('[data-command="more"]').tap();
    const wide = await phone.$$eval('.extra, .extra button, .bar, .pill, .live, .dock, .stats', (all) => all
      .filter((e) => e.offsetParent && (e.getBoundingClientRect().left < 0 || e.getBoundingClientRect().right > innerWidth))
      .map((e) => e.className || e.dataset.command));
    assert.deepEqual(wide, [], turn);
    assert.ok(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await phone.locator('[data-command="more"]').tap();
    await phone.keyboard.press('g');
  }
  await layout(phone, 'focus');
});
