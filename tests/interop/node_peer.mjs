/* A peer that runs in node: @roamhq/wrtc (libwebrtc, with its codecs), werift (all of it
 * JavaScript) or node-datachannel (libdatachannel), which bring no codec.
 *
 *   node node_peer.mjs NAME publish URL SECRET    until standard input ends
 *   node node_peer.mjs NAME watch URL FRAMES      one line of JSON: frames, width, height
 */
import { createRequire } from 'node:module';
import { until } from '../e2e/lib.mjs';
import { FrameCounter, PAYLOAD_TYPE, makePackets, readPacket } from './rtp.mjs';

const require = createRequire(import.meta.url);
const WIDTH = 320, HEIGHT = 240;

/** POST of the offer; gives the answer and how to end it. */
async function post(url, offer, secret) {
  const show = secret ? { Authorization: `Bearer ${secret}` } : {};
  const answer = await fetch(url, { method: 'POST', body: offer,
    headers: { 'Content-Type': 'application/sdp', ...show } });
  const sdp = await answer.text();
  if (answer.status !== 201) {
    throw new Error(`${answer.status}: ${sdp}`);
  }
  const location = new URL(answer.headers.get('Location'), url);
  return { sdp, end: () => fetch(location, { method: 'DELETE', headers: show }) };
}

const enough = (seen, frames) => until(`${frames} frames`, () => seen.frames >= frames,
  { within: 20000 });

/* --- @roamhq/wrtc --- */

async function connectWrtc(pc, url, secret) {
  await pc.setLocalDescription(await pc.createOffer());
  await until('its candidates', () => pc.iceGatheringState === 'complete');
  const session = await post(url, pc.localDescription.sdp, secret);
  await pc.setRemoteDescription({ type: 'answer', sdp: session.sdp });
  return session;
}

const wrtc = {
  publish: async (url, secret) => {
    const { RTCPeerConnection, MediaStream, nonstandard } = require('@roamhq/wrtc');
    const pc = new RTCPeerConnection();
    const source = new nonstandard.RTCVideoSource();
    const track = source.createTrack();
    const data = new Uint8ClampedArray(WIDTH * HEIGHT * 1.5);
    let count = 0;
    const timer = setInterval(() => {
      data.fill((count++ * 5) & 255, 0, WIDTH * HEIGHT / 2);
      source.onFrame({ width: WIDTH, height: HEIGHT, data });
    }, 66);
    pc.addTrack(track, new MediaStream([track]));
    const session = await connectWrtc(pc, url, secret);
    return {
      stop: async () => {
        clearInterval(timer);
        await session.end();
        track.stop();
        pc.close();
      },
    };
  },
  watch: async (url, frames) => {
    const { RTCPeerConnection, nonstandard } = require('@roamhq/wrtc');
    const pc = new RTCPeerConnection();
    const seen = { frames: 0 };
    let sink;
    pc.ontrack = ({ track }) => {
      sink = new nonstandard.RTCVideoSink(track);
      sink.onframe = ({ frame }) => {
        seen.frames++;
        seen.width = frame.width;
        seen.height = frame.height;
      };
    };
    pc.addTransceiver('video', { direction: 'recvonly' });
    const session = await connectWrtc(pc, url);
    try {
      await enough(seen, frames);
    } finally {
      sink?.stop();
      await session.end();
      pc.close();
    }
    return seen;
  },
};

/* --- werift --- */

function makeWerift() {
  const { RTCPeerConnection, RTCRtpCodecParameters } = require('werift');
  return new RTCPeerConnection({
    iceAdditionalHostAddresses: ['127.0.0.1'],
    codecs: {
      video: [new RTCRtpCodecParameters({ mimeType: 'video/VP8', clockRate: 90000,
        payloadType: PAYLOAD_TYPE, rtcpFeedback: [{ type: 'nack' },
          { type: 'nack', parameter: 'pli' }] })],
    },
  });
}

async function connectWerift(pc, url, secret) {
  await pc.setLocalDescription(await pc.createOffer());
  const session = await post(url, pc.localDescription.sdp, secret);
  await pc.setRemoteDescription({ type: 'answer', sdp: session.sdp });
  return session;
}

const werift = {
  publish: async (url, secret) => {
    const { MediaStreamTrack } = require('werift');
    const pc = makeWerift();
    const track = new MediaStreamTrack({ kind: 'video' });
    pc.addTransceiver(track, { direction: 'sendonly' });
    const session = await connectWerift(pc, url, secret);
    const packets = await makePackets((packet) => track.writeRtp(packet));
    return {
      stop: async () => {
        await packets.stop();
        await session.end();
        await pc.close();
      },
    };
  },
  watch: async (url, frames) => {
    const pc = makeWerift();
    const counter = new FrameCounter();
    pc.addTransceiver('video', { direction: 'recvonly' }).onTrack.subscribe((track) =>
      track.onReceiveRtp.subscribe(({ header, payload }) => counter.take({ marker: header.marker,
        sequenceNumber: header.sequenceNumber, payload })));
    const session = await connectWerift(pc, url);
    try {
      await enough(counter.seen, frames);
    } finally {
      await session.end();
      await pc.close();
    }
    return counter.seen;
  },
};

/* --- node-datachannel --- */

async function connectDatachannel(pc, url, secret) {
  const gathered = new Promise((resolve) => pc.onGatheringStateChange((state) =>
    state === 'complete' && resolve()));
  pc.setLocalDescription('offer');
  await gathered;
  const session = await post(url, pc.localDescription().sdp, secret);
  pc.setRemoteDescription(session.sdp, 'answer');
  return session;
}

const datachannel = {
  publish: async (url, secret) => {
    const { PeerConnection, Video } = require('node-datachannel');
    const pc = new PeerConnection('publisher', { iceServers: [] });
    const video = new Video('0', 'SendOnly');
    video.addVP8Codec(PAYLOAD_TYPE);
    video.addSSRC(42, 'interop', 'stream', 'track');
    const track = pc.addTrack(video);
    const session = await connectDatachannel(pc, url, secret);
    await until('its track is open', () => track.isOpen());
    const packets = await makePackets((packet) => track.isOpen() &&
      track.sendMessageBinary(packet));
    return {
      stop: async () => {
        await packets.stop();
        await session.end();
        track.close();
        pc.close();
      },
    };
  },
  watch: async (url, frames) => {
    const { PeerConnection, RtcpReceivingSession, Video } = require('node-datachannel');
    const pc = new PeerConnection('player', { iceServers: [] });
    const video = new Video('0', 'RecvOnly');
    video.addVP8Codec(PAYLOAD_TYPE);
    const track = pc.addTrack(video);
    track.setMediaHandler(new RtcpReceivingSession());
    const counter = new FrameCounter();
    track.onMessage((message) => {
      const packet = readPacket(message);
      if (packet?.payloadType === PAYLOAD_TYPE) {
        counter.take(packet);
      }
    });
    const session = await connectDatachannel(pc, url);
    try {
      await enough(counter.seen, frames);
    } finally {
      await session.end();
      track.close();
      pc.close();
    }
    return counter.seen;
  },
};

const [name, verb, url, more] = process.argv.slice(2);
const peer = { wrtc, werift, datachannel }[name];
if (verb === 'publish') {
  const published = await peer.publish(url, more);
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
  await published.stop();
  console.log('stopped');
} else {
  console.log(JSON.stringify(await peer.watch(url, Number(more))));
}
/* What the native modules do when node ends is not to be tried here. */
process.kill(process.pid, 'SIGKILL');
