/* Sound: a picture that flashes and a tone that beeps at the same whole seconds, watched in Chromium
 * through WHEP, are seen and heard at the same time. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ROOM, startAmphi, startBrowser, until } from './lib.mjs';

const RECENT = 5; // beeps that are judged
const GOAL_MS = 40;
let amphi, browser;

before(async () => {
  amphi = await startAmphi(['--source', 'pattern:flash,640x360', '--fps', '30',
    '--audio', 'tone:beep']);
  browser = await startBrowser();
}, { timeout: 60000 });

after(async () => {
  await browser?.close();
  await amphi?.stop();
}, { timeout: 30000 });

/* A WHEP player of picture and sound in one element, as a page would have it. */
async function openPlayer() {
  const page = await browser.context.newPage();
  await page.goto(amphi.origin);
  const answer = await page.evaluate(async (room) => {
    const pc = new RTCPeerConnection();
    pc.addTransceiver('video', { direction: 'recvonly' });
    pc.addTransceiver('audio', { direction: 'recvonly' });
    const video = document.createElement('video');
    video.playsInline = true;
    video.srcObject = new MediaStream();
    document.body.append(video);
    pc.ontrack = ({ track }) => {
      video.srcObject.addTrack(track);
      video.play();
    };
    window.player = { pc, video };
    await pc.setLocalDescription();
    const response = await fetch(`/whep/${room}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: pc.localDescription.sdp,
    });
    const sdp = await response.text();
    if (response.status === 201) {
      await pc.setRemoteDescription({ type: 'answer', sdp });
    }
    return { status: response.status, sdp };
  }, ROOM);
  return { page, answer };
}

/* When each flash is shown and each beep is played, in the page's own clock. */
async function watchAndListen(page) {
  await page.evaluate(() => {
    const { video, pc } = window.player;
    const seen = { flashes: [], beeps: [], frames: 0, blocks: 0 };
    window.seen = seen;

    const canvas = new OffscreenCanvas(1, 1);
    const g = canvas.getContext('2d', { willReadFrequently: true });
    let wasWhite = true;
    const onFrame = (now, { expectedDisplayTime }) => {
      video.requestVideoFrameCallback(onFrame);
      seen.frames++;
      /* below the barcode, right of the clock */
      g.drawImage(video, video.videoWidth - 32, video.videoHeight - 32, 16, 16, 0, 0, 1, 1);
      const isWhite = g.getImageData(0, 0, 1, 1).data[1] > 128;
      if (isWhite && !wasWhite) {
        seen.flashes.push(expectedDisplayTime);
      }
      wasWhite = isWhite;
    };
    video.requestVideoFrameCallback(onFrame);

    /* A block is handed on when its first sample is about to be played. */
    const track = pc.getReceivers().find((r) => r.track.kind === 'audio').track;
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    let quietSamples = 0;
    const listen = async () => {
      for (;;) {
        const { value: data, done } = await reader.read();
        if (done) {
          return;
        }
        const now = performance.now();
        const samples = new Float32Array(data.numberOfFrames);
        data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
        for (let i = 0; i < samples.length; i++) {
          const isLoud = Math.abs(samples[i]) > 0.05;
          if (isLoud && quietSamples > data.sampleRate / 2) {
            seen.beeps.push(now + (i / data.sampleRate) * 1000);
          }
          quietSamples = isLoud ? 0 : quietSamples + 1;
        }
        seen.blocks++;
        data.close();
      }
    };
    listen();
  });
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/* By how much each beep comes after its flash; left out is one whose flash was not shown, since a
 * browser that is short of time drops pictures. */
function offsetsOf({ flashes, beeps }) {
  return beeps.map((beep) => flashes.map((flash) => beep - flash)
    .reduce((best, offset) => (Math.abs(offset) < Math.abs(best) ? offset : best), Infinity))
    .filter((offset) => Math.abs(offset) < 500);
}

test('what is seen and what is heard belong together', { timeout: 90000 }, async (t) => {
  const { page, answer } = await openPlayer();
  assert.equal(answer.status, 201, answer.sdp);
  assert.match(answer.sdp, /^m=audio [1-9]/m);
  assert.match(answer.sdp, /opus\/48000\/2/);
  await page.waitForFunction(() => window.player.video.videoWidth > 0);
  await watchAndListen(page);
  /* The player begins with as much sound in its buffer as the load of the machine asks for, and then
   * moves picture and sound towards each other by what the sender reports say. */
  let offsets = [];
  try {
    await until('picture and sound meet', async () => {
      offsets = offsetsOf(await page.evaluate(() => window.seen));
      const recent = offsets.slice(-RECENT);
      return recent.filter((offset) => Math.abs(offset) < GOAL_MS).length >= RECENT - 1;
    }, { within: 60000, every: 500 });
  } finally {
    t.diagnostic(`sound after picture, ms: ${offsets.map((o) => o.toFixed(1)).join(' ')}`);
  }
  t.diagnostic(`median of the last ${RECENT}: ${median(offsets.slice(-RECENT)).toFixed(1)} ms`);

  const { sound, picture } = await page.evaluate(async () => {
    const inbound = [...(await window.player.pc.getStats()).values()]
      .filter((s) => s.type === 'inbound-rtp');
    return { sound: inbound.find((s) => s.kind === 'audio'),
      picture: inbound.find((s) => s.kind === 'video') };
  });
  const buffered = (s) => ((s.jitterBufferDelay / s.jitterBufferEmittedCount) * 1000).toFixed(1);
  t.diagnostic(`${sound.packetsReceived} packets of sound, ${sound.packetsLost} lost, ` +
    `${sound.concealedSamples} of ${sound.totalSamplesReceived} samples concealed; ` +
    `buffered: sound ${buffered(sound)} ms, picture ${buffered(picture)} ms`);
  assert.ok(sound.packetsReceived > 50);
});
