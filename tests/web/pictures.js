/* Takes a picture of each layout, dialog and state of the viewer page, for people to look at:
 *   node web/pictures.js [words in the name]     (in tests/)
 * writes web/pictures/NAME.jpg. It asserts nothing; web/browser does. */

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ROOM, launchBrowser, startPresenter, startServer } from './browser/harness.js';

const OUT = fileURLToPath(new URL('pictures/', import.meta.url));
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const ACROSS = { ...PHONE, viewport: { width: 844, height: 390 } };
const LIGHT = { colorScheme: 'light' };
const SETTLED = 700; // ms in which what fades has faded

mkdirSync(OUT, { recursive: true });
const wanted = process.argv[2] ?? '';
const browser = await launchBrowser();
const server = await startServer();
const { hub } = server;
await startPresenter(browser, server, { streams: 3, audio: true });

async function take(name, options, state, act = async () => {}) {
  if (!name.includes(wanted)) {
    return;
  }
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, colorScheme: 'dark', ...options });
  const page = await context.newPage();
  await page.goto(`${server.url}/${ROOM}`);
  await page.waitForFunction((is) => window.amphi?.state === is, state);
  await act(page);
  await page.waitForTimeout(SETTLED);
  await page.keyboard.press('Shift'); // the controls are there
  await page.screenshot({ path: `${OUT}${name}.jpg`, type: 'jpeg', quality: 55 });
  await context.close();
}

const press = (...keys) => async (page) => {
  for (const key of keys) {
    await page.keyboard.press(key);
  }
};
const statistics = async (page) => {
  await page.keyboard.press('i');
  await page.locator('[data-stat="fps"]', { hasText: 'fps' }).waitFor();
};
const more = async (page) => {
  await page.keyboard.press('Shift');
  await page.tap('[data-command="more"]');
};
const zoomed = async (page) => {
  await page.mouse.move(700, 300);
  await page.mouse.wheel(0, -500);
};

await take('focus', {}, 'connected');
await take('focus-light', LIGHT, 'connected');
await take('grid', {}, 'connected', press('g'));
await take('row', {}, 'connected', press('g', 'g'));
await take('zoom', {}, 'connected', zoomed);
await take('statistics', {}, 'connected', statistics);
await take('statistics-light', LIGHT, 'connected', statistics);
await take('help', {}, 'connected', press('?'));
await take('paused', {}, 'connected', press(' '));
await take('phone', PHONE, 'connected');
await take('phone-more', PHONE, 'connected', more);
await take('phone-grid', PHONE, 'connected', press('g'));
await take('phone-statistics', PHONE, 'connected', statistics);
await take('phone-help', PHONE, 'connected', press('?'));
await take('phone-across-more', ACROSS, 'connected', more);
hub.password = 'x';
await take('password', {}, 'password', async (page) => {
  await page.fill('#password', 'wrong');
  await page.keyboard.press('Enter');
});
await take('phone-password-light', { ...PHONE, ...LIGHT }, 'password');
hub.password = '';
hub.rooms.clear();
await take('not-found', {}, 'not-found');
await take('not-found-light', LIGHT, 'not-found');
hub.rooms.add(ROOM);
await take('reconnecting', {}, 'connected', async (page) => {
  hub.refuse = true;
  hub.dropViewers();
  await page.locator('#pill-title', { hasText: 'Signaling' }).waitFor();
});
await take('unreachable', {}, 'reconnecting');
hub.refuse = false;
await take('stopped', {}, 'connected', async (page) => {
  hub.tell({ type: 'drawing', on: false });
  hub.broadcast({ type: 'sharer-stopped' });
  await page.locator('#status-title', { hasText: 'stopped' }).waitFor();
});

await browser.close();
await server.close();
