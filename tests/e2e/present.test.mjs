/* From a presenter's browser through the server to viewers' browsers: the pages alone, with the made-up
 * camera, microphone and screen of the browsers. One server and one Chromium for all of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { framesDecoded, openViewer, startAmphi, startBrowser, until } from './lib.mjs';

const PATIENCE = { within: 30000 };
const FAKES = [
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--auto-select-desktop-capture-source=Entire screen',
];

let amphi;
let browser;
let presenter;
let viewer;
let room;

before(async () => {
  amphi = await startAmphi([], { empty: true });
  browser = await startBrowser({ flags: FAKES });
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
  await amphi?.stop();
}, { timeout: 30000 });

const state = (page, wanted) => page.waitForFunction((name) => window.amphi?.state === name, wanted, { timeout: PATIENCE.within });

/** Until the page has decoded `more` pictures than it had. */
async function plays(page, more = 10) {
  const first = await framesDecoded(page);
  await until(`${more} more pictures`, async () => {
    const now = await framesDecoded(page);
    return now < first || now >= first + more; /* less: of another connection, which begins anew */
  }, PATIENCE);
  assert.ok(await framesDecoded(page) > 0);
}

const inRoom = async () => (await amphi.stats()).rooms.find((r) => r.room === room);

test('a presenter’s camera is seen', { timeout: 90000 }, async () => {
  presenter = await browser.context.newPage();
  presenter.on('dialog', (dialog) => dialog.accept());
  await presenter.goto(`${amphi.origin}/present`);
  await presenter.click('#add-camera');
  await state(presenter, 'live');
  room = await presenter.evaluate(() => window.amphi.room);
  assert.match(room, /^[A-Z]+-[A-Z]+-\d{3}$/);
  viewer = await openViewer(browser.context, `${amphi.origin}/${room}`);
  await state(viewer, 'connected');
  await plays(viewer, 30);
  assert.equal((await inRoom()).viewers, 1);
});

test('others come and go while it is watched', { timeout: 90000 }, async () => {
  const streams = () => viewer.evaluate(() => window.amphi.client.streams.map(({ trackId, windowName }) => ({ trackId, windowName })));
  await presenter.bringToFront();
  await presenter.click('#add-screen');
  await until('two streams', async () => (await streams()).length === 2, PATIENCE);
  const connection = await viewer.evaluateHandle(() => window.amphi.peerConnection);
  await presenter.locator('.source .end').nth(1).click();
  await until('one stream', async () => (await streams()).length === 1, PATIENCE);
  assert.deepEqual((await streams()).map(({ windowName }) => windowName), ['Camera']);
  await plays(viewer);
  assert.ok(await viewer.evaluate((pc) => pc === window.amphi.peerConnection, connection), 'one connection for all of it');
});

test('a reload is survived, and a lost connection', { timeout: 90000 }, async () => {
  await presenter.reload();
  await state(presenter, 'live');
  await plays(viewer);
  await presenter.evaluate(() => window.amphi.publisher.restart());
  await state(presenter, 'live');
  await plays(viewer);
  await state(viewer, 'connected');
  assert.equal(await presenter.evaluate(() => window.amphi.room), room);
});

test('a network that has changed needs no other connection: ICE restarts', { timeout: 60000 }, async () => {
  const ufrag = () => presenter.evaluate(() => /a=ice-ufrag:(\S+)/.exec(window.amphi.publisher.peerConnection.currentRemoteDescription.sdp)[1]);
  const before = { ufrag: await ufrag(), publisher: (await inRoom()).publishers[0].id };
  const pc = await presenter.evaluateHandle(() => window.amphi.publisher.peerConnection);
  await viewer.evaluate(() => {
    window.seen = new Set();
    window.amphi.client.addEventListener('streams', () => window.seen.add(window.amphi.client.reconnecting));
  });
  await presenter.evaluate((connection) => { // what the browser says when its way is gone
    Object.defineProperty(connection, 'connectionState', { value: 'failed', configurable: true });
    connection.onconnectionstatechange();
    delete connection.connectionState;
  }, pc);
  await until('the server has other credentials', async () => await ufrag() !== before.ufrag, PATIENCE);
  await state(presenter, 'live');
  await until('the new way carries', () => presenter.evaluate(async (connection) => {
    const all = [...(await connection.getStats()).values()];
    const transport = all.find(({ type }) => type === 'transport');
    const pair = all.find(({ id }) => id === transport.selectedCandidatePairId);
    return all.find(({ id }) => id === pair.localCandidateId).usernameFragment
      === /a=ice-ufrag:(\S+)/.exec(connection.localDescription.sdp)[1];
  }, pc), PATIENCE);
  await plays(viewer);
  assert.ok(await presenter.evaluate((connection) => connection === window.amphi.publisher.peerConnection, pc), 'one connection');
  assert.equal((await inRoom()).publishers[0].id, before.publisher);
  assert.ok(!await viewer.evaluate(() => window.seen.has(true)), 'nobody was told to wait');
});

test('sound is heard, and the presenter knows how they fare', { timeout: 90000 }, async () => {
  const heard = () => viewer.evaluate(async () => [...(await window.amphi.peerConnection.getStats()).values()]
    .filter((s) => s.type === 'inbound-rtp' && s.kind === 'audio').reduce((sum, s) => sum + s.bytesReceived, 0));
  await presenter.bringToFront();
  await presenter.click('#mic');
  await until('sound arrives', async () => await heard() > 5000, PATIENCE);
  await until('one watches well', async () => await presenter.textContent('#good') === '1', PATIENCE);
  assert.equal(await presenter.textContent('#viewers'), '1');
  const [publisher] = (await inRoom()).publishers;
  assert.deepEqual([publisher.kind, publisher.state], ['browser', 'live']);
});

test('another codec is seen too', { timeout: 90000 }, async () => {
  await presenter.bringToFront();
  await presenter.selectOption('#codec', 'vp8');
  await until('the stream is VP8', () => viewer.evaluate(() => window.amphi.client.streams[0]?.codec === 'vp8'), PATIENCE);
  await plays(viewer);
});

test('smaller copies are there for those who want them', { timeout: 90000 }, async () => {
  const width = () => viewer.evaluate(() => document.querySelector('video.front').videoWidth);
  await presenter.check('#simulcast');
  await until('three layers', () => viewer.evaluate(() => window.amphi.client.streams[0]?.layers === 3), { within: 60000 });
  await until('the large one is shown', async () => await width() === 1280, PATIENCE);
  await viewer.evaluate(() => window.amphi.client.select([{ trackId: 'video0', layer: 2 }]));
  await until('the small one is shown', async () => await width() === 320, PATIENCE);
  await presenter.uncheck('#simulcast');
  await until('one layer', () => viewer.evaluate(() => window.amphi.client.streams[0]?.layers === 1), PATIENCE);
  await plays(viewer);
});

test('a password is asked of those who come from now on', { timeout: 90000 }, async () => {
  await presenter.fill('#password', 'open sesame');
  await presenter.click('#password-form button');
  const late = await openViewer(browser.context, `${amphi.origin}/${room}`);
  await state(late, 'password');
  await plays(viewer);
  await late.fill('#password-dialog input', 'open sesame');
  await late.keyboard.press('Enter');
  await state(late, 'connected');
  await plays(late);
  await late.close();
});

test('who has the secret takes over, and the first one is told', { timeout: 90000 }, async () => {
  const second = await browser.context.newPage(); /* of the same person: it knows the secret */
  await second.goto(`${amphi.origin}/present`);
  await second.fill('#code', room);
  await second.click('#room-form button[type=submit]');
  await second.click('#add-camera');
  await state(second, 'live');
  await state(presenter, 'refused');
  await plays(viewer);
  await second.click('#stop');
  await state(viewer, 'waiting');
  await second.close();
});

test('the link alone publishes nothing', { timeout: 30000 }, async () => {
  const page = await browser.context.newPage();
  await page.goto(`${amphi.origin}/present`);
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await page.fill('#code', room);
  await page.click('#room-form button[type=submit]');
  await until('it is said', async () => /taken/.test(await page.textContent('#notice')), PATIENCE);
  await page.click('summary');
  await page.fill('#secret', 'a-guess');
  await page.click('#room-form button[type=submit]');
  await state(page, 'refused');
  await page.close();
});

test('programs publish and watch with the package', { timeout: 60000 }, async () => {
  const page = await browser.context.newPage();
  await page.goto(amphi.origin);
  const width = await page.evaluate(async () => {
    const { createRoom, publish, watch } = await import('/assets/amphi.js');
    const media = await navigator.mediaDevices.getUserMedia({ video: true });
    const made = await createRoom(location.origin);
    const link = `${location.origin}/${made.room}`;
    const publisher = await publish(link, { secret: made.secret, sources: [{ track: media.getVideoTracks()[0], name: 'Camera' }] });
    const broadcast = await watch(link);
    const video = document.body.appendChild(document.createElement('video'));
    broadcast.addEventListener('stream', ({ detail }) => Object.assign(video, { srcObject: detail.media, autoplay: true, muted: true }));
    await new Promise((resolve) => video.addEventListener('resize', resolve));
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    publisher.stop();
    broadcast.close();
    return video.videoWidth;
  });
  assert.ok(width > 0);
  await page.close();
});
