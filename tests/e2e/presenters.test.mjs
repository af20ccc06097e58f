/* Who publishes from elsewhere: comes, is lost, is taken over from; and a thousand that come and go
 * leave nothing behind. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT, framesDecoded, start, startAmphi, startBrowser, until } from './lib.mjs';

const FAKES = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

async function makeRoom(amphi) {
  const answer = await fetch(`${amphi.origin}/api/v1/rooms`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}',
  });
  assert.equal(answer.status, 201);
  const { room, secret } = await answer.json();
  const get = async () => (await fetch(`${amphi.origin}/api/v1/rooms/${room}`)).json();
  return { room, secret, get };
}

/** Publishes from the page by WHIP, as window[name]; resolves to the status. */
const publish = (page, { room, secret }, name = 'publisher') =>
  page.evaluate(async ([code, bearer, as]) => {
    const pc = new RTCPeerConnection();
    window.media ??= await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
    for (const track of window.media.getTracks()) {
      pc.addTransceiver(track, { direction: 'sendonly' });
    }
    await pc.setLocalDescription();
    const answer = await fetch(`/whip/${code}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${bearer}` },
      body: pc.localDescription.sdp,
    });
    const sdp = await answer.text();
    if (answer.status === 201) {
      await pc.setRemoteDescription({ type: 'answer', sdp });
    }
    window[as] = { pc, location: answer.headers.get('Location') };
    return answer.status;
  }, [room, secret, name]);

const unpublish = (page, { secret }, name = 'publisher') =>
  page.evaluate(async ([bearer, as]) => {
    const answer = await fetch(window[as].location, {
      method: 'DELETE', headers: { Authorization: `Bearer ${bearer}` },
    });
    window[as].pc.close();
    return answer.status;
  }, [secret, name]);

const watch = (page, { room }) =>
  page.evaluate(async (code) => {
    const pc = new RTCPeerConnection();
    pc.addTransceiver('video', { direction: 'recvonly' });
    await pc.setLocalDescription();
    const answer = await fetch(`/whep/${code}`, {
      method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp,
    });
    await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    window.whep = { pc };
  }, room);

async function goesOn(page, what) {
  const before = await framesDecoded(page);
  await until(what, async () => (await framesDecoded(page)) > before + 10);
}

test('a presenter is lost, comes back, is taken over from, and ends', { timeout: 60000 }, async () => {
  const amphi = await startAmphi([], { empty: true });
  const browser = await startBrowser({ flags: FAKES });
  try {
    const room = await makeRoom(amphi);
    const presenter = await browser.context.newPage(), viewer = await browser.context.newPage();
    await presenter.goto(amphi.origin);
    await viewer.goto(amphi.origin);
    assert.equal(await publish(presenter, { ...room, secret: 'wrong' }), 403);
    assert.equal(await publish(presenter, room), 201);
    await until('it is live', async () => (await room.get()).live);
    await watch(viewer, room);
    await goesOn(viewer, 'it plays');

    await presenter.evaluate(() => window.publisher.pc.close());
    await until('it is waited for', async () => (await room.get()).reconnecting);
    assert.equal((await room.get()).live, true, 'the last picture stays');
    assert.equal(await publish(presenter, room), 201);
    await goesOn(viewer, 'it plays again, with the same connection');
    assert.equal((await room.get()).reconnecting, false);

    assert.equal(await publish(presenter, room, 'second'), 201);
    await until('the first one is closed', () =>
      presenter.evaluate(() => window.publisher.pc.connectionState !== 'connected'
        || window.publisher.pc.getSenders()[0].transport.state === 'closed'));
    await goesOn(viewer, 'the second one plays');
    const stats = (await amphi.stats()).rooms[0];
    assert.equal(stats.publishers.length, 1);
    assert.equal(stats.publishers[0].kind, 'whip');
    const video = stats.publishers[0].tracks.find((t) => t.track_id === 'video0').layers[0];
    assert.ok(video.frames > 0 && video.width > 0 && video.added_delay_us_p50 <= 5000);

    assert.equal(await unpublish(presenter, room, 'second'), 200);
    await until('it is over', async () => !(await room.get()).presenter);
    assert.equal((await room.get()).live, false);
    assert.equal((await amphi.stop()).code, 0, amphi.stderr.slice(-2000));
  } finally {
    await amphi.stop('SIGKILL');
    await browser.close();
  }
});

/* --- a thousand --- */

/** What a WHIP client may send, with credentials of its own; it never connects. */
const offer = (i) => `v=0\r\no=- ${i} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n`
  + ['video 9 UDP/TLS/RTP/SAVPF 96', 'audio 9 UDP/TLS/RTP/SAVPF 111'].map((media, mid) =>
    `m=${media}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:user${i}\r\na=ice-pwd:${'p'.repeat(24)}\r\n`
    + `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}\r\na=setup:actpass\r\na=mid:${mid}\r\n`
    + 'a=sendonly\r\na=rtcp-mux\r\n'
    + (mid === 0 ? 'a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n' : 'a=rtpmap:111 opus/48000/2\r\n')).join('');

async function comeAndGo(amphi, room, n) {
  const headers = { Authorization: `Bearer ${room.secret}`, 'Content-Type': 'application/sdp' };
  for (let i = 0; i < n; i++) {
    const answer = await fetch(`${amphi.origin}/whip/${room.room}`, { method: 'POST', headers, body: offer(i) });
    assert.equal(answer.status, 201, await answer.text());
    if (i % 4 !== 0) { // else the next one takes it over
      const gone = await fetch(new URL(answer.headers.get('Location'), amphi.origin),
        { method: 'DELETE', headers: { Authorization: headers.Authorization } });
      assert.equal(gone.status, 200);
    }
  }
}

/** Viewers that connect, see a keyframe and leave. */
async function watchAndLeave(amphi, room, n) {
  const load = start(path.join(ROOT, 'build/release/amphi-load'),
    [`${amphi.origin}/${room.room}`, '--admin-token', 'end-to-end-token', '--viewers', `${n}`,
      '--ramp', '250', '--duration', '1']);
  const how = await load.exited;
  assert.equal(how.code, 0, load.stdout.slice(-1500) + load.stderr.slice(-1500));
}

test('a thousand come and go, and leave nothing behind', { timeout: 180000 }, async (t) => {
  const amphi = await startAmphi(['--source', 'pattern:384x240', '--fps', '15', '--open-rooms', 'yes']);
  const browser = await startBrowser({ flags: FAKES });
  try {
    const watched = { room: 'TEST-ROOM-001' }, room = await makeRoom(amphi);
    const page = await browser.context.newPage();
    await page.goto(amphi.origin);
    const round = async () => {
      await watchAndLeave(amphi, watched, 250);
      await comeAndGo(amphi, room, 250);
      for (let i = 0; i < 5; i++) { // with media, by turns with a goodbye and without
        assert.equal(await publish(page, room), 201);
        await until('it is live', async () => (await room.get()).streams.some((s) => !s.endReason));
        await (i % 2 ? unpublish(page, room) : page.evaluate(() => window.publisher.pc.close()));
      }
    };
    const rest = async () => {
      await until('everybody has left', async () => {
        const { rooms, workers } = await amphi.stats();
        return workers.every((w) => w.viewers === 0) && rooms.every((r) => r.publishers.length === 0);
      }, { within: 30000 });
      return (await amphi.stats()).process;
    };
    await round();
    const before = await rest();
    for (let i = 0; i < 4; i++) {
      await round();
    }
    const after = await rest();
    t.diagnostic(`resident ${before.rss_bytes >> 10} -> ${after.rss_bytes >> 10} KB, `
      + `descriptors ${before.open_fds} -> ${after.open_fds}, threads ${before.threads} -> ${after.threads}`);
    assert.equal(after.threads, before.threads);
    assert.ok(after.open_fds <= before.open_fds + 2, 'but for HTTP connections that are kept open');
    assert.ok(after.rss_bytes - before.rss_bytes < 6e6, 'but for what the allocator keeps');
    assert.equal((await amphi.stop()).code, 0, amphi.stderr.slice(-2000));
  } finally {
    await amphi.stop('SIGKILL');
    await browser.close();
  }
});
