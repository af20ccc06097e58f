/* The viewer page in Firefox: what differs between browsers is how they zoom, lay out, pause and measure. The
 * codecs it plays are in tests/e2e/firefox.test.mjs. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { ROOM, launchBrowser, startPresenter, startServer, until } from './harness.js';

const PREFERENCES = {
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'permissions.default.camera': 1, /* without it only the address of the default route is used */
  'permissions.default.microphone': 1,
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

let chromium;
let firefox;
let server;
let page;

before(async () => {
  [chromium, firefox, server] = await Promise.all([launchBrowser(), puppeteer.launch({
    browser: 'firefox', executablePath: '/usr/bin/firefox-esr', headless: true, extraPrefsFirefox: PREFERENCES,
  }), startServer()]);
  await startPresenter(chromium, server, { streams: 3, audio: true });
  page = await firefox.newPage();
  await page.setViewport({ width: 1280, height: 720 });
  await page.goto(`${server.url}/${ROOM}`);
  await state('connected');
}, { timeout: 90000 });

after(async () => {
  await firefox.close();
  await chromium.close();
  await server.close();
}, { timeout: 30000 });

const state = (wanted) => page.waitForFunction((name) => window.amphi?.state === name, {}, wanted);
const decoded = () => page.evaluate(async () => (await window.amphi.stats())?.framesDecoded ?? 0);
const widths = () => page.$$eval('.tile', (tiles) => tiles.map((tile) => Math.round(tile.getBoundingClientRect().width)));

async function moves() {
  const before = await decoded();
  await until('pictures come', async () => await decoded() > before + 5);
}

test('it plays, and measures what it plays', async () => {
  await moves();
  await page.keyboard.press('i');
  await page.waitForFunction(() => parseFloat(document.querySelector('[data-stat="fps"]')?.textContent) > 5);
  const stat = (name) => page.$eval(`[data-stat="${name}"]`, (cell) => cell.textContent);
  assert.match(await stat('resolution'), /^\d{3} × \d{3}$/);
  assert.equal(await stat('codec'), 'VP8');
  assert.match(await stat('connection'), /^Direct · UDP$/);
  assert.match(await page.$eval('#verdict', (words) => words.textContent), /\./);
  await page.keyboard.press('i');
});

test('layouts', async () => {
  await page.keyboard.press('g');
  const [first, second, third] = await widths();
  assert.ok(first >= 0.39 * 1280 && second === third && first + second > 1240, `${first} ${second}`);
  await page.keyboard.press('g');
  assert.deepEqual(await widths(), [640, 640, 640]);
  await page.keyboard.press('g');
  assert.deepEqual(await widths(), [142, 142, 142]);
});

test('zoom by the wheel, and back', async () => {
  await page.mouse.move(320, 180);
  await page.mouse.wheel({ deltaY: -400 });
  await page.waitForFunction(() => window.amphi.camera.zoom > 1.2);
  const at = await page.evaluate(() => {
    const { left, width } = window.amphi.player.video.getBoundingClientRect();
    return (320 - left) / width;
  });
  assert.ok(Math.abs(at - 0.25) < 0.01, `what is under the pointer stays: ${at}`);
  await page.waitForSelector('#map', { visible: true });
  await page.keyboard.press('0');
  assert.equal(await page.evaluate(() => window.amphi.camera.zoom), 1);
});

test('pause and sound', async () => {
  await page.keyboard.press('k');
  await state('paused');
  await page.keyboard.press('k');
  await state('connected');
  await moves();
  await page.keyboard.press('m');
  assert.equal(await page.evaluate(() => window.amphi.player.video.muted), false);
  await moves();
});

test('a lost socket is replaced, and the picture goes on', async () => {
  const old = await page.evaluateHandle(() => window.amphi.peerConnection);
  server.hub.dropViewers();
  await page.waitForFunction((before) => window.amphi.peerConnection !== before, {}, old);
  await moves();
  assert.equal(await page.evaluate(() => document.querySelectorAll('.stage video').length >= 1), true);
});
