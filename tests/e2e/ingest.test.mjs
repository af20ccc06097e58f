/* What Chromium publishes by WHIP, Chromium watches by WHEP: every codec with sound, simulcast, and
 * a publisher that takes over from one that went without a word. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, makeRoom, serve } from '../conformance/lib.mjs';
import { Relay } from '../net/relay.mjs';
import { openPage } from '../net/watch.mjs';
import { TOKEN, startBrowser, until } from './lib.mjs';

let amphi, browser;

before(async () => {
  amphi = await serve();
  browser = await startBrowser();
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
  await amphi?.stop();
}, { timeout: 30000 });

/** A page that shows a drawing that moves and a tone to whoever the room has. */
async function publish(room, { codec = null, encodings = [{}], width = 1280, height = 720,
  relay = null, from = amphi, tcp = false } = {}) {
  const page = await openPage(browser.context, from.origin, relay);
  const answer = await page.evaluate(async ({ room, codec, encodings, width, height, tcp }) => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const g = canvas.getContext('2d');
    let n = 0;
    setInterval(() => {
      g.fillStyle = `hsl(${n * 7 % 360} 60% 50%)`;
      g.fillRect(0, 0, width, height);
      g.fillStyle = '#fff';
      for (let i = 0; i < 40; i++) {
        g.fillRect((n * 9 + i * 97) % width, (i * 53 + n * 5) % height, 60, 40);
      }
      n++;
    }, 33);
    const pc = new RTCPeerConnection();
    const [track] = canvas.captureStream(30).getVideoTracks();
    const video = pc.addTransceiver(track, { direction: 'sendonly', sendEncodings: encodings });
    if (codec) {
      const known = RTCRtpSender.getCapabilities('video').codecs;
      const wanted = known.filter((c) => c.mimeType.toLowerCase() === `video/${codec}`);
      const rtx = known.filter((c) => c.mimeType === 'video/rtx');
      video.setCodecPreferences([...wanted, ...rtx]);
    }
    const audio = new AudioContext();
    const tone = audio.createOscillator(), out = audio.createMediaStreamDestination();
    tone.connect(out);
    tone.start();
    pc.addTransceiver(out.stream.getAudioTracks()[0], { direction: 'sendonly' });
    await pc.setLocalDescription();
    const response = await fetch(`/whip/${room.room}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${room.secret}` },
      body: pc.localDescription.sdp,
    });
    const sdp = await response.text();
    if (response.status === 201) { /* over TCP: as if nothing else of ours could be reached */
      const reached = tcp ? sdp.replace(/^a=candidate:.* udp .*\r\n/gm, '') : sdp;
      await pc.setRemoteDescription({ type: 'answer', sdp: reached });
    }
    window.published = pc;
    return { status: response.status, sdp };
  }, { room, codec, encodings, width, height, tcp });
  assert.equal(answer.status, 201, answer.sdp);
  return page;
}

async function watch(room) {
  const page = await browser.context.newPage();
  await page.goto(amphi.origin);
  const answer = await page.evaluate(async (code) => {
    const pc = new RTCPeerConnection();
    for (const kind of ['video', 'audio']) {
      pc.addTransceiver(kind, { direction: 'recvonly' });
    }
    const video = Object.assign(document.createElement('video'), { muted: true });
    document.body.append(video);
    pc.ontrack = ({ track }) => {
      if (track.kind === 'video') {
        video.srcObject = new MediaStream([track]);
        video.play();
      }
    };
    await pc.setLocalDescription();
    const response = await fetch(`/whep/${code}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: pc.localDescription.sdp,
    });
    const sdp = await response.text();
    if (response.status === 201) {
      await pc.setRemoteDescription({ type: 'answer', sdp });
    }
    window.watched = pc;
    return { status: response.status, sdp };
  }, room.room);
  assert.equal(answer.status, 201, answer.sdp);
  return page;
}

/** What comes in: {video: {framesDecoded, codec, ...}, audio: {...}}. */
const incoming = (page) => page.evaluate(async () => {
  const reports = [...(await window.watched.getStats()).values()];
  const of = (kind) => {
    const r = reports.find((s) => s.type === 'inbound-rtp' && s.kind === kind);
    return { ...r, codec: reports.find((s) => s.id === r?.codecId)?.mimeType?.toLowerCase() };
  };
  return { video: of('video'), audio: of('audio') };
});

const stats = async () => JSON.parse((await ask(amphi.origin, 'GET', '/api/v1/stats?viewers=1',
  { Authorization: `Bearer ${TOKEN}` })).body);

/** What the server says of the room's publisher: it, and the largest layer of its picture. */
async function publisherOf(room) {
  const [found] = (await stats()).rooms.find((one) => one.room === room.room).publishers;
  return { ...found, layer: found.tracks.find((track) => track.track_id === 'video0').layers[0] };
}

const isLive = async (room) => (await ask(amphi.origin, 'GET', `/api/v1/rooms/${room.room}`))
  .body.includes('"live":true');

for (const codec of ['vp8', 'vp9', 'av1', 'h264']) {
  test(`${codec} with sound`, { timeout: 60000 }, async (t) => {
    const room = await makeRoom(amphi.origin);
    const publisher = await publish(room, { codec });
    await until('the room is live', () => isLive(room));
    const viewer = await watch(room);
    await until('pictures and sound', async () => {
      const { video, audio } = await incoming(viewer);
      return video.framesDecoded > 40 && audio.packetsReceived > 40;
    });
    const { video, audio } = await incoming(viewer);
    assert.equal(video.codec, `video/${codec}`);
    assert.equal(audio.codec, 'audio/opus');
    assert.equal(video.packetsLost, 0);
    assert.equal(audio.packetsLost, 0);
    assert.ok(video.frameWidth >= 320);
    const { layer } = await publisherOf(room);
    t.diagnostic(`added: ${layer.added_delay_us_p50} us, at most ${layer.added_delay_us_p99}`);
    /* A late one starts from the cache. */
    const late = await watch(room);
    await until('its first picture', async () => (await incoming(late)).video.framesDecoded > 0);
    await Promise.all([publisher, viewer, late].map((page) => page.close()));
  });
}

test('over TCP, where nothing else gets through', { timeout: 60000 }, async () => {
  const room = await makeRoom(amphi.origin);
  const publisher = await publish(room, { codec: 'vp8', tcp: true });
  await until('the room is live', () => isLive(room));
  const viewer = await watch(room);
  await until('pictures and sound', async () => {
    const { video, audio } = await incoming(viewer);
    return video.framesDecoded > 60 && audio.packetsReceived > 60;
  });
  assert.equal(await publisher.evaluate(async () => {
    const all = await window.published.getStats();
    const transport = [...all.values()].find((s) => s.type === 'transport');
    return all.get(all.get(transport.selectedCandidatePairId).remoteCandidateId).protocol;
  }), 'tcp');
  const { layer } = await publisherOf(room);
  assert.equal(layer.lost, 0);
  const before = (await stats()).workers.reduce((n, worker) => n + worker.tcp_connections, 0);
  assert.equal(before, 1);
  await Promise.all([publisher, viewer].map((page) => page.close()));
  await until('its connection is closed', async () =>
    (await stats()).workers.every((worker) => worker.tcp_connections === 0));
});

test('simulcast becomes layers', { timeout: 60000 }, async () => {
  const room = await makeRoom(amphi.origin);
  const publisher = await publish(room, { codec: 'vp8', encodings: [
    { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150000 },
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500000 },
    { rid: 'f', maxBitrate: 1500000 },
  ] });
  await until('the room is live', () => isLive(room));
  const viewer = await watch(room);
  await until('the largest layer', async () => (await incoming(viewer)).video.frameWidth === 1280,
    { within: 30000 });
  /* It stops sending the largest, as it does when its way is too narrow, and sends it again. */
  const setActive = (active) => publisher.evaluate(async (on) => {
    const { sender } = window.published.getTransceivers()[0];
    const parameters = sender.getParameters();
    parameters.encodings[2].active = on;
    await sender.setParameters(parameters);
  }, active);
  await setActive(false);
  await until('the next one', async () => (await incoming(viewer)).video.frameWidth === 640);
  const { framesDecoded } = (await incoming(viewer)).video;
  await until('its pictures', async () =>
    (await incoming(viewer)).video.framesDecoded > framesDecoded + 20);
  await setActive(true);
  await until('the largest again', async () => (await incoming(viewer)).video.frameWidth === 1280,
    { within: 30000 });
  await Promise.all([publisher, viewer].map((page) => page.close()));
});


test('what is lost on its way is repaired before anybody sees it', { timeout: 60000 }, async (t) => {
  const relay = await Relay.start((await stats()).udp_port, { seed: 3 });
  const room = await makeRoom(amphi.origin);
  const publisher = await publish(room, { codec: 'vp8', relay });
  await until('the room is live', () => isLive(room));
  const viewer = await watch(room);
  await until('pictures', async () => (await incoming(viewer)).video.framesDecoded > 0);
  relay.set({ loss: 0.03, delay: 20 });
  const before = (await incoming(viewer)).video;
  await until('more of them', async () =>
    (await incoming(viewer)).video.framesDecoded > before.framesDecoded + 150, { within: 30000 });
  const { video } = await incoming(viewer);
  assert.ok(relay.up.counters.lost > 10);
  assert.equal(video.packetsLost, 0);
  assert.equal(video.nackCount ?? 0, 0);
  const { layer } = await publisherOf(room);
  assert.ok(layer.recovered > 0);
  t.diagnostic(`${relay.up.counters.lost} lost, ${layer.recovered} recovered, ${layer.lost} given up, ` +
    `${layer.keyframes} keyframes, ${video.freezeCount - before.freezeCount} freezes`);
  /* Its network goes for a while: the room says so, and goes on as before. */
  relay.set({ loss: 0, delay: 0 });
  relay.blackout(9000);
  const says = async (what) => (await ask(amphi.origin, 'GET', `/api/v1/rooms/${room.room}`))
    .body.includes(what);
  await until('it is waited for', () => says('"reconnecting":true'), { within: 20000 });
  await until('it is back', () => says('"reconnecting":false'), { within: 20000 });
  const { framesDecoded } = (await incoming(viewer)).video;
  await until('its pictures', async () =>
    (await incoming(viewer)).video.framesDecoded > framesDecoded + 10);
  await Promise.all([publisher, viewer].map((page) => page.close()));
  relay.close();
});

test('another publisher takes over at once', { timeout: 60000 }, async () => {
  const room = await makeRoom(amphi.origin);
  const first = await publish(room, { codec: 'vp8' });
  await until('the room is live', () => isLive(room));
  const viewer = await watch(room);
  await until('pictures', async () => (await incoming(viewer)).video.framesDecoded > 30);
  /* It goes without a word: its page is there, and sends nothing more. */
  const second = await publish(room, { codec: 'vp8', width: 640, height: 480 });
  await until('its pictures', async () => (await incoming(viewer)).video.frameWidth === 640);
  const { video } = await incoming(viewer);
  assert.equal(video.packetsLost, 0);
  const before = video.framesDecoded;
  await until('more of them', async () => (await incoming(viewer)).video.framesDecoded > before + 20);
  await Promise.all([first, second, viewer].map((page) => page.close()));
});
