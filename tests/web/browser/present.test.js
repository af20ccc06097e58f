/* The presenter page in Chromium with its made-up camera, microphone and screen, against a server of
 * our own that takes what it sends. One browser and one page for a whole broadcast. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ROOM, launchBrowser, startPresenter, startServer, until } from './harness.js';
import { Stage } from './stage.js';

const FAKES = [
  '--use-fake-device-for-media-stream=device-count=2', '--use-fake-ui-for-media-stream', '--auto-accept-this-tab-capture',
  '--auto-select-desktop-capture-source=Entire screen',
];

let browser;
let server;
let stage;

before(async () => {
  browser = await launchBrowser(FAKES);
});

after(async () => {
  await browser.close();
});

/* A fresh server and page; the test fails when the page made the browser complain. */
async function setup(t) {
  server = await startServer();
  stage = new Stage(server.hub);
  const stagePage = await stage.open(browser, server.url);
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  const complaints = [];
  page.setDefaultTimeout(15000);
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => dialog.accept());
  t.after(async () => {
    await context.close();
    await stagePage.context().close();
    await server.close();
    assert.deepEqual(complaints, []);
  });
  return page;
}

const state = (page, wanted) => page.waitForFunction((name) => window.amphi?.state === name, wanted);
const says = (page, selector, words) => page.locator(selector, { hasText: words }).waitFor();

/* Until at least `count` tracks of video show more pictures than when asked. */
async function arrives(count = 1, what = () => true) {
  const before = await stage.arriving();
  const moved = async () => Object.entries(await stage.arriving())
    .filter(([mid, r]) => r.kind === 'video' && r.frames > (before[mid]?.frames ?? 0) + 2)
    .map(([, r]) => r);
  await until(`${count} moving pictures`, async () => (await moved()).length >= count);
  assert.ok((await moved()).every(what), JSON.stringify(await moved()));
}

test('a broadcast from the first picture to the last', async (t) => {
  const page = await setup(t);
  await page.goto(`${server.url}/present`);
  await state(page, 'ready');

  // a camera makes the room; its secret is in no link
  await page.click('#add-camera');
  await state(page, 'live');
  await arrives(1, ({ codec }) => codec === 'video/H264');
  const room = await page.evaluate(() => window.amphi.room);
  assert.deepEqual([...stage.secrets.keys()], [room]);
  assert.equal(await page.getAttribute('#link', 'href'), `${server.url}/${room}`);
  assert.ok(!(await page.content()).includes(stage.secrets.get(room)));
  assert.ok(!page.url().includes('secret'));
  await page.waitForFunction(() => document.querySelector('#videoinput').options.length === 2);

  // a screen and the microphone come along without another offer
  await page.click('#mic');
  await says(page, '#mic', 'is on');
  const [, other] = await page.$$eval('#audioinput option', (options) => options.map(({ value }) => value));
  await page.selectOption('#audioinput', other);
  await page.waitForFunction((id) => window.amphi.publisher.peerConnection.getSenders()[4].track?.getSettings().deviceId === id, other);
  await page.click('#add-screen');
  await arrives(2);
  await until('sound arrives', async () => Object.values(await stage.arriving()).some(({ kind, bytes }) => kind === 'audio' && bytes > 500));
  assert.equal(stage.said('offer').length, 1);
  assert.deepEqual(stage.said('stream-activated').map(({ streamActivated: s }) => s.trackId), ['video0', 'video1']);
  assert.ok(stage.said('stream-activated').every(({ streamActivated: s }) => s.width > 0 && s.height > 0));
  assert.equal((await stage.page.evaluate(() => window.stage.offers)), 1);

  // names, focus, pause
  await page.locator('.source .name').first().fill('Me');
  await page.locator('.source .name').first().blur();
  await page.locator('.source .front').nth(1).click();
  await page.locator('.source .pause').first().click();
  await until('all is told', () => stage.said('stream-activated').some(({ streamActivated: s }) => s.windowName === 'Me' && s.paused));
  assert.equal(stage.said('focus-change').at(-1).focusedTrack, 'video1');
  await page.locator('.source .pause').first().click();

  stage.tell({ type: 'draining', endsInS: 60 });
  await says(page, '#notice', 'The server stops in a moment.');

  // what the server asks of the encoder is done, and said
  stage.tell({ type: 'publish-config', bitrate: 400000, layers: [0], reason: 'most viewers take no more' });
  await says(page, '#wish', 'most viewers take no more');
  await page.waitForFunction(() => window.amphi.publisher.peerConnection.getSenders()[1].getParameters().encodings[0].maxBitrate === 400000);
  stage.tell({ type: 'audience', viewers: 12, good: 10, poor: 1, joining: 1, worst: 'loses 9 % of the packets' });
  await says(page, '#worst', 'loses 9 %');
  await says(page, '#viewers', '12');

  // the password
  await page.fill('#password', 'open sesame');
  await page.click('#password-form button');
  await until('the password is told', () => stage.passwords.get(room) === 'open sesame');
  assert.equal(stage.said('password-update').at(-1).secret, stage.secrets.get(room));

  // another codec is another connection
  await page.selectOption('#codec', 'vp8');
  await until('another offer', () => stage.said('offer').length === 2);
  await state(page, 'live');
  await arrives(2, ({ codec }) => codec === 'video/VP8');

  // one ends, then all
  await page.locator('.source .end').first().click();
  await until('its end is told', () => stage.said('stream-deactivated').some(({ streamDeactivated }) => streamDeactivated === 'video0'));
  await page.click('#stop');
  await until('the end is told', () => stage.said('sharer-stopped').length === 1);
  await state(page, 'ready');
  assert.equal(await page.locator('.source').count(), 0);
});

test('it comes back by itself: from a reload, a lost socket, a dead connection', async (t) => {
  const page = await setup(t);
  await page.goto(`${server.url}/present`);
  await page.click('#add-camera');
  await state(page, 'live');
  await arrives();
  const room = await page.evaluate(() => window.amphi.room);

  // media outlives the socket: no other offer
  stage.socket.terminate();
  await until('a second join', () => stage.sharers === 2);
  await state(page, 'live');
  await arrives();
  assert.equal(stage.said('offer').length, 1);

  // a connection that ends is made anew
  await stage.page.evaluate(() => window.stage.hangUp());
  await until('another offer', () => stage.said('offer').length === 2);
  await state(page, 'live');
  await arrives();

  // a reload takes the room over with the secret that was kept
  await page.reload();
  await state(page, 'live');
  await arrives();
  assert.equal(await page.evaluate(() => window.amphi.room), room);
  assert.equal(stage.secrets.size, 1);

  // a server that has forgotten the room gets it again under the same code, with the same password
  await page.fill('#password', 'open sesame');
  await page.click('#password-form button');
  await until('the password is told', () => stage.passwords.get(room) === 'open sesame');
  await page.reload();
  await state(page, 'live');
  assert.equal(await page.inputValue('#password'), 'open sesame');
  stage.secrets.clear();
  stage.passwords.clear();
  stage.socket.terminate();
  await until('the room is made again', () => stage.secrets.has(room));
  assert.equal(stage.passwords.get(room), 'open sesame');
  await state(page, 'live');
  await arrives();
});

test('the link and the secret can be copied, and a phone shows all of it', async (t) => {
  const page = await setup(t);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
  await page.goto(`${server.url}/present`);
  await page.click('#room-form button[type=submit]');
  await says(page, '#room-code', 'QUIET-LYNX-100');
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await page.keyboard.press('l');
  await says(page, '#copy', 'Copied');
  assert.equal(await clipboard(), `${server.url}/QUIET-LYNX-100`);
  await page.locator('#room-live details:not([hidden]) summary').click();
  assert.equal(await page.textContent('#whip'), `${server.url}/whip/QUIET-LYNX-100`);
  await page.click('#copy-secret');
  await says(page, '#copy-secret', 'Copied');
  assert.equal(await clipboard(), 'secret-of-QUIET-LYNX-100');
  assert.ok(await page.isHidden('#ticket'), 'no password, no need of tokens');
  await page.fill('#password', 'sesame');
  await page.press('#password', 'Enter');
  await page.click('#ticket summary');
  await page.click('#ticket button');
  await says(page, '#ticket-said', 'Copied. It opens the room once');
  assert.equal(await clipboard(), `${server.url}/QUIET-LYNX-100#token=ticket-1`);
  await page.setViewportSize({ width: 360, height: 740 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, 'with a room');
  for (const path of ['/present', '/admin', '/']) {
    await page.goto(server.url + path);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, path);
  }
});

test('what cannot be done is said in words', async (t) => {
  const page = await setup(t);
  await page.goto(`${server.url}/present`);
  stage.refuse = { status: 403, json: { detail: 'only the operator makes rooms' } };
  await page.click('#add-camera');
  await says(page, '#notice', 'only its operator makes rooms');
  await state(page, 'ready');
  assert.equal(await page.evaluate(() => window.amphi.publisher.active.length), 0);
  stage.refuse = null;

  await page.fill('#code', 'no code!');
  await page.click('#room-form button');
  await says(page, '#notice', 'letters, digits and dashes');
  stage.secrets.set('TAKEN-ROOM-001', 'of somebody else');
  await page.fill('#code', 'taken room 001');
  await page.click('#room-form button');
  await says(page, '#notice', 'taken');
  await page.click('summary');
  await page.fill('#secret', 'a guess');
  await page.click('#room-form button');
  await state(page, 'refused');
  await says(page, '#status-detail', 'belongs to somebody else');
  assert.equal(stage.sharers, 0);

  // taken over: said once, and not fought about
  await page.click('#leave');
  await page.click('#add-camera');
  await state(page, 'live');
  stage.tell({ type: 'error', code: 'replaced', error: 'another presenter has taken over' });
  await state(page, 'refused');
  await says(page, '#status-detail', 'from another page or program');
  const sharers = stage.sharers;
  await page.click('#retry');
  await until('it joins again when asked', () => stage.sharers === sharers + 1);
});

/* What `GET /api/v1/stats?viewers=1` says, as far as the dashboard reads it. */
const figures = (rooms, sent) => ({
  version: '1.2.3', uptime_s: sent / 1e6, node: 'north', draining: false, process: { cpu_us: sent, rss_bytes: 9e7 },
  workers: [{ viewers: 2, bytes_sent: sent }], rooms,
});

test('the dashboard shows who fares how, and does what is asked', async (t) => {
  const page = await setup(t);
  const viewer = { state: 'playing', since_s: 75, remote: '192.0.2.7:5', transport: 'udp', rtt_ms: 12, loss_percent: 0, layer: 0, mode: 'full', sent_bps: 2e6, first_frame_ms: 150 };
  const room = {
    room: 'QUIET-LYNX-001', uptime_s: 100, viewers: 2, viewers_peak: 3,
    streams: [
      { track_id: 'video0', name: 'Screen', codec: 'h264', encoder: 'openh264', width: 1280, height: 720, live: true, paused: false, capture_fps: 30, encode_fps: 30, bitrate_bps: 2e6, layers: [] },
      { track_id: 'video1', name: '<b>Camera</b>', codec: 'vp8', encoder: '', width: 640, height: 360, live: false, paused: false, end_reason: 'it was unplugged', layers: [] },
    ],
    publishers: [{ id: '9', kind: 'whip', state: 'live', state_reason: 'none', remote: '192.0.2.8:1', transport: 'udp', rtt_ms: 3, bitrate_bps: 3e6, loss_percent: 4 }],
    viewers_list: [{ ...viewer, id: '4' }, { ...viewer, id: '5', loss_percent: 8 }],
  };
  const orders = [];
  let sent = 1e6;
  server.hub.api = (method, path, body, headers) => {
    if (headers.authorization !== 'Bearer the-token') {
      return { status: 401, json: { detail: 'no' } };
    }
    if (method !== 'GET') {
      orders.push([method, path, body]);
      return { status: orders.length === 1 ? 422 : 200, json: { detail: 'this rate is too high' } };
    }
    sent += 1e6;
    return { status: 200, json: path === '/api/v1/sources' ? { sources: [{ source: 'screen:1', name: 'Second screen' }] } : figures([room], sent) };
  };
  await page.goto(`${server.url}/admin`);
  await page.fill('#token', 'a guess');
  await page.click('#enter button');
  await says(page, '#notice', 'not the token');
  await page.fill('#token', 'the-token');
  await page.click('#enter button');
  await says(page, '.viewers td', 'loses 8.0 % of the packets');
  await says(page, '.viewers td', 'Watches well');
  await says(page, '.streams td', 'Ended: it was unplugged');
  await says(page, '.streams td', 'Publisher 9 (whip)');
  await says(page, '.streams td', 'loses 4.0 % of the packets; they are asked for again');
  assert.equal(await page.locator('.streams td', { hasText: '<b>Camera</b>' }).count(), 1);
  await page.selectOption('.streams select', '20000');
  await says(page, '#notice', 'this rate is too high');
  await page.locator('.viewers button').nth(1).click();
  await until('the viewer is disconnected', () => orders.length === 2);
  await page.waitForFunction(() => document.querySelector('.add select').options.length === 1);
  await page.click('.add button');
  await until('a source is added', () => orders.length === 3);
  assert.deepEqual(orders, [
    ['PATCH', '/api/v1/rooms/QUIET-LYNX-001/sources/video0', { bitrate_kbps: 20000 }],
    ['DELETE', '/api/v1/viewers/5', {}],
    ['POST', '/api/v1/rooms/QUIET-LYNX-001/sources', { source: 'screen:1' }],
  ]);
  room.viewers_list.pop();
  await page.click('.streams .pause'); // reads the figures again
  await page.waitForFunction(() => document.querySelectorAll('.viewers tbody tr').length === 1);
  await says(page, '#totals', /Mbit\/s/);
  await page.click('#forget');
  await page.waitForSelector('#enter:not([hidden])');
  assert.equal(await page.evaluate(() => sessionStorage.getItem('amphi.admin')), '');
});

test('the examples of the package do what they say', async (t) => {
  const page = await setup(t);
  await page.goto(`${server.url}/assets/examples/publish.html`);
  await page.click('button');
  await says(page, 'output', server.url);
  await arrives();
  const other = await startServer();
  t.after(() => other.close());
  const presenter = await startPresenter(browser, other, { streams: 2 });
  t.after(() => presenter.context().close());
  await page.goto(`${server.url}/assets/examples/watch.html#${other.url}/${ROOM}`);
  await page.reload(); // another fragment alone loads nothing
  await page.waitForFunction(() => [...document.querySelectorAll('video')].filter((video) => video.videoWidth > 0).length === 2);
});
