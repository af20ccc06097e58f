/* Every page, in the dark and in the light, on a desktop and on a phone, as axe-core judges it (WCAG 2.2, levels A
 * and AA). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { ROOM, launchBrowser, startPresenter, startServer } from './harness.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] };
const DESKTOP = { viewport: { width: 1280, height: 720 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

let browser;
let server;

before(async () => {
  browser = await launchBrowser();
  server = await startServer();
  await startPresenter(browser, server, { streams: 3, audio: true });
});

after(async () => {
  await browser.close();
  await server.close();
});

const key = (name) => (page) => page.keyboard.press(name);
const connected = (page) => page.waitForFunction(() => window.amphi?.state === 'connected');

/* What axe-core complains of, once all that fades has faded. */
async function complaints(page) {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.waitForFunction(() => document.getAnimations().length === 0);
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate((rules) => window.axe.run(rules), RULES);
  assert.ok(passes.length > 5);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 120)} ${failureSummary}`));
}

const PAGES = [
  ['the first page', '/', () => {}],
  ['the presenter page', '/present', (page) => page.waitForFunction(() => window.amphi?.state === 'ready')],
  ['the dashboard', '/admin', () => {}],
  ['a broadcast', `/${ROOM}`, connected],
  ['several at once', `/${ROOM}`, connected, key('g')],
  ['statistics', `/${ROOM}`, connected, key('i')],
  ['the help', `/${ROOM}`, connected, key('?')],
  ['no such room', '/QUIET-LYNX-001', (page) => page.waitForFunction(() => window.amphi?.state === 'not-found')],
];

for (const [name, path, ready, act = () => {}] of PAGES) {
  test(name, async () => {
    for (const colorScheme of ['dark', 'light']) {
      for (const size of [DESKTOP, PHONE]) {
        const context = await browser.newContext({ ...size, colorScheme });
        const page = await context.newPage();
        await page.goto(server.url + path);
        await ready(page);
        await act(page);
        assert.deepEqual(await complaints(page), [], `${colorScheme}, ${size.viewport.width} wide`);
        await context.close();
      }
    }
  });
}
