/* Seven peers that share no code with us, and little with each other: each publishes by WHIP into a
 * room of its own, and each watches by WHEP what another one publishes. Pictures are counted where
 * they come out: decoded, or of peers without a codec as whole frames, and their size is checked.
 *
 * Codecs: aiortc publishes H.264 and Chromium plays it; GStreamer's openh264enc does not work with
 * Debian's libopenh264, and its x264 is in a set that nothing else here needs, so it publishes VP8.
 * The prebuilt @roamhq/wrtc has no H.264. werift and node-datachannel bring no codec: their packets
 * are made by GStreamer, and what they receive is counted as it arrives.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { JSON_TYPE, ask, makeRoom, serve } from '../conformance/lib.mjs';
import { until } from '../e2e/lib.mjs';
import { startChromium, startFirefox } from './browser_peers.mjs';
import * as processes from './process_peers.mjs';

const FRAMES = 30;
const PATIENCE = { within: 20000 };
const ring = [
  ['chromium', 'gstreamer', 'vp8'], ['gstreamer', 'aiortc', 'vp8'],
  ['aiortc', 'chromium', 'h264'], ['wrtc', 'firefox', 'vp8'], ['firefox', 'wrtc', 'vp8'],
  ['werift', 'datachannel', 'vp8'], ['datachannel', 'werift', 'vp8'],
];
const peers = { ...processes };
let server;

before(async () => {
  server = await serve();
  [peers.chromium, peers.firefox] = await Promise.all([startChromium(), startFirefox()]);
}, { timeout: 90000 });

after(async () => {
  await Promise.all([peers.chromium?.close(), peers.firefox?.close(), server?.stop()]);
}, { timeout: 30000 });

const room = async (code) =>
  JSON.parse((await ask(server.origin, 'GET', `/api/v1/rooms/${code}`)).body);

for (const [publisher, player, codec] of ring) {
  test(`${publisher} publishes ${codec}, ${player} watches`, { timeout: 90000 }, async () => {
    const made = await makeRoom(server.origin);
    const published = await peers[publisher].publish(`${server.origin}/whip/${made.room}`,
      made.secret, codec);
    try {
      await until('it is live', async () => (await room(made.room)).live, PATIENCE);
      const seen = await peers[player].watch(`${server.origin}/whep/${made.room}`, FRAMES, codec);
      assert.ok(seen.frames >= FRAMES);
      assert.deepEqual([seen.width, seen.height], [320, 240]);
      const [stream] = (await room(made.room)).streams;
      assert.equal(stream.codec, codec);
      assert.deepEqual([stream.width, stream.height], [320, 240]);
    } finally {
      await published.stop();
    }
    /* it said that it ends */
    await until('nothing is live', async () => !(await room(made.room)).live, PATIENCE);
  });
}

test('Chromium publishes three sizes, and a player chooses among them', { timeout: 90000 },
  async () => {
    const made = await makeRoom(server.origin);
    const published = await peers.chromium.publish(`${server.origin}/whip/${made.room}`,
      made.secret, 'vp8', { width: 960, height: 540, encodings: [
        { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150000 },
        { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 400000 },
        { rid: 'f', maxBitrate: 1200000 }] });
    const layers = async () => (await room(made.room)).streams[0]?.layerSizes ?? [];
    try {
      await until('all sizes are known', async () =>
        (await layers()).map(({ width }) => width).join() === '960,480,240', PATIENCE);
      await peers.firefox.watch(`${server.origin}/whep/${made.room}`, 5, 'vp8',
        async (look, session) => {
          for (const [rid, width] of [['2', 240], ['0', 960], ['1', 480]]) {
            const chosen = await ask(server.origin, 'POST', `${session}/layer`,
              { 'Content-Type': JSON_TYPE }, JSON.stringify({ rid }));
            assert.equal(chosen.status, 200, chosen.body);
            await until(`pictures ${width} wide`, async () => (await look()).width === width,
              PATIENCE);
          }
        });
    } finally {
      await published.stop();
    }
  });
