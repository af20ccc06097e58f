/* Publisher against connections that are moved by hand. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock, settle } from './fakes.js';
import { Publisher, figuresOf, wayOf, withStart, limitsOf, nameTracks, orderCodecs } from '../../../signaling/web/publisher.js';

class FakeSender {
  constructor(encodings) {
    this.encodings = encodings;
    this.transport = { state: 'connected', onstatechange: null };
  }

  getParameters() {
    return { encodings: this.encodings.map((e) => ({ ...e })) };
  }

  async setParameters(parameters) {
    this.encodings = parameters.encodings;
    this.preference = parameters.degradationPreference;
  }

  async replaceTrack(track) {
    this.track = track;
  }
}

class FakeConnection {
  static all = [];

  static get last() {
    return FakeConnection.all.at(-1);
  }

  constructor() {
    this.connectionState = 'new';
    this.transceivers = [];
    this.candidates = [];
    this.remoteDescription = null;
    FakeConnection.all.push(this);
  }

  addTransceiver(what, { direction, sendEncodings = [{}] }) {
    const kind = typeof what === 'string' ? what : what.kind;
    const transceiver = { kind, direction, sender: new FakeSender(sendEncodings), mid: String(this.transceivers.length) };
    transceiver.sender.track = typeof what === 'string' ? null : what;
    transceiver.setCodecPreferences = (codecs) => (transceiver.codecs = codecs);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  async createOffer() {
    return { type: 'offer', sdp: 'v=0\r\nm=video 9 X 96\r\na=msid:- {1}\r\nm=audio 9 X 111\r\na=msid:- {2}\r\n' };
  }

  async setLocalDescription(description) {
    this.localDescription = description;
  }

  async setRemoteDescription(description) {
    if (description.sdp === 'bad') {
      throw new Error('not a description');
    }
    this.remoteDescription = description;
  }

  async addIceCandidate(candidate) {
    this.candidates.push(candidate);
  }

  async getStats() {
    return new Map();
  }

  restartIce() {
    this.restarts = (this.restarts ?? 0) + 1;
  }

  close() {
    this.closed = true;
  }

  become(state) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

class FakeClient extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { state: 'idle', peerId: '7', iceServers: [], resumed: false, sent: [], rejoins: 0 });
  }

  send(message) {
    this.sent.push(message);
    return true;
  }

  rejoin() {
    this.rejoins += 1;
  }

  retryNow() {}

  probe() {}

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  join(resumed = false) {
    Object.assign(this, { state: 'joined', resumed });
    this.emit('joined', {});
  }

  of(type) {
    return this.sent.filter((message) => message.type === type);
  }
}

class FakeTrack extends EventTarget {
  constructor(kind = 'video') {
    super();
    Object.assign(this, { kind, size: { width: 640, height: 360 }, stopped: false });
  }

  getSettings() {
    return this.size;
  }

  stop() {
    this.stopped = true;
  }
}

function setup(t, settings = {}) {
  const clock = new FakeClock(t);
  const client = new FakeClient();
  FakeConnection.all = [];
  const publisher = new Publisher(client, {
    createConnection: () => new FakeConnection(), codecs: () => [], settings, now: () => clock.now, random: () => 0.5,
  });
  return { clock, client, publisher };
}

async function live(stage) {
  const track = new FakeTrack();
  stage.publisher.add({ track, name: 'Editor' });
  stage.client.join();
  await settle();
  stage.client.emit('answer', { sdp: 'v=0' });
  await settle();
  FakeConnection.last.become('connected');
  return track;
}

test('the first source brings an offer with four pictures and a sound', async (t) => {
  const stage = setup(t);
  const track = await live(stage);
  const { transceivers } = FakeConnection.last;
  assert.deepEqual(transceivers.map(({ kind, direction }) => `${kind} ${direction}`), [...Array(4).fill('video sendonly'), 'audio sendonly']);
  assert.equal(transceivers[0].sender.track, track);
  assert.match(stage.client.of('offer')[0].sdp, /a=msid:video0 video0/);
  assert.equal(stage.publisher.media, 'live');
  assert.deepEqual(stage.client.of('stream-activated').map(({ streamActivated }) => streamActivated), [
    { trackId: 'video0', windowName: 'Editor', appName: '', isFocused: true, width: 640, height: 360, paused: false },
  ]);
});

test('others come and go without another offer', async (t) => {
  const stage = setup(t);
  await live(stage);
  const second = new FakeTrack();
  assert.equal(stage.publisher.add({ track: second, name: 'Camera' }), 1);
  await settle();
  assert.equal(FakeConnection.last.transceivers[1].sender.track, second);
  assert.equal(stage.client.of('stream-activated').at(-1).streamActivated.trackId, 'video1');
  stage.publisher.remove(0);
  assert.equal(stage.client.of('stream-deactivated')[0].streamDeactivated, 'video0');
  assert.equal(stage.client.of('focus-change').at(-1).focusedTrack, 'video1');
  assert.equal(stage.client.of('offer').length, 1);
  [0, 1, 2].forEach(() => stage.publisher.add({ track: new FakeTrack() }));
  assert.throws(() => stage.publisher.add({ track: new FakeTrack() }), { code: 'slots' });
});

test('a capture that is ended from outside is told, once', async (t) => {
  const stage = setup(t);
  const track = await live(stage);
  let ended = 0;
  stage.publisher.addEventListener('ended', () => (ended += 1));
  track.dispatchEvent(new Event('ended'));
  track.dispatchEvent(new Event('ended'));
  assert.equal(ended, 1);
  assert.deepEqual(stage.publisher.active, []);
});

test('media that flows is not touched by a lost socket', async (t) => {
  const stage = setup(t);
  await live(stage);
  stage.client.join(true);
  await settle();
  assert.equal(stage.client.of('offer').length, 1);
  assert.equal(stage.client.of('stream-activated').length, 2); // told again: the server may have forgotten
  stage.client.join(false);
  await settle();
  assert.equal(stage.client.of('offer').length, 2);
});

test('a server that has not kept the session is offered another while the old one sends', async (t) => {
  const stage = setup(t);
  await live(stage);
  const [old] = FakeConnection.all;
  stage.client.join(false);
  await settle();
  assert.ok(!old.closed);
  stage.client.emit('answer', { sdp: 'v=0' });
  await settle();
  FakeConnection.last.become('connected');
  assert.ok(old.closed);
  assert.equal(stage.publisher.media, 'live');
});

test('a connection that fails is made anew, with growing patience', async (t) => {
  const stage = setup(t);
  await live(stage);
  const waits = [];
  for (let i = 0; i < 4; i += 1) {
    FakeConnection.last.become('closed');
    assert.equal(stage.publisher.media, 'lost');
    const { rejoins } = stage.client;
    const from = stage.clock.now;
    while (stage.client.rejoins === rejoins) {
      stage.clock.advance(100);
    }
    waits.push(stage.clock.now - from);
    stage.client.join();
    await settle();
  }
  assert.ok(waits[0] < 1600 && waits[3] > 2 * waits[0] && waits.every((ms) => ms <= 36000), String(waits));
});

test('a moment without a way is forgiven; then ICE restarts, and if that is no help there is a new connection', async (t) => {
  const stage = setup(t);
  await live(stage);
  const pc = FakeConnection.last;
  pc.become('disconnected');
  stage.clock.advance(1400);
  pc.become('connected');
  stage.clock.advance(5000);
  assert.deepEqual([stage.publisher.media, pc.restarts], ['live', undefined]);
  pc.become('disconnected');
  stage.clock.advance(1600);
  await settle();
  assert.deepEqual([stage.publisher.media, pc.restarts, stage.client.of('offer').length], ['negotiating', 1, 2]);
  stage.client.emit('answer', { sdp: 'v=0' });
  await settle();
  pc.become('connected');
  stage.clock.advance(20000);
  assert.deepEqual([stage.publisher.media, FakeConnection.last, pc.closed, stage.client.rejoins], ['live', pc, undefined, 0]);
  pc.become('failed');
  await settle();
  assert.deepEqual([stage.publisher.media, pc.restarts], ['negotiating', 2]);
  stage.clock.advance(5100);
  assert.deepEqual([stage.publisher.media, stage.publisher.failure.code], ['lost', 'media-lost']);
  stage.clock.advance(1600);
  assert.equal(stage.client.rejoins, 1);
});

test('ICE restarts once there is a socket again, of the same session', async (t) => {
  const stage = setup(t);
  await live(stage);
  const pc = FakeConnection.last;
  stage.client.state = 'waiting';
  pc.become('disconnected');
  stage.clock.advance(1600);
  assert.equal(pc.restarts, undefined);
  stage.client.join(true);
  await settle();
  assert.deepEqual([pc.restarts, stage.client.of('offer').length], [1, 2]);
  stage.client.join(true); // the offer went into a socket that was dead
  await settle();
  assert.deepEqual([pc.restarts, stage.client.of('offer').length], [2, 3]);
  pc.connectionState = 'connected';
  stage.client.emit('answer', { sdp: 'v=0' });
  await settle();
  assert.deepEqual([stage.publisher.media, FakeConnection.last], ['live', pc]);
});

test('a server that restarts no ICE gets a new connection', async (t) => {
  const stage = setup(t);
  await live(stage);
  FakeConnection.last.become('failed');
  await settle();
  stage.client.emit('error', { code: 'not-supported', error: '' });
  assert.equal(stage.publisher.media, 'lost');
});

test('a server that says goodbye on the transport is believed at once', async (t) => {
  const stage = setup(t);
  await live(stage);
  const { transport } = FakeConnection.last.transceivers[0].sender;
  transport.state = 'closed';
  transport.onstatechange();
  assert.deepEqual([stage.publisher.media, stage.publisher.failure.code], ['lost', 'media-lost']);
});

test('an answer that never comes, a connection that never stands, an answer that is none', async (t) => {
  const stage = setup(t);
  stage.publisher.add({ track: new FakeTrack() });
  stage.client.join();
  await settle();
  stage.clock.advance(10100);
  await stage.publisher.tick();
  assert.equal(stage.publisher.failure.code, 'answer-timeout');
  stage.client.join();
  await settle();
  stage.client.emit('answer', { sdp: 'v=0' });
  await settle();
  stage.clock.advance(10100);
  await stage.publisher.tick();
  assert.equal(stage.publisher.failure.code, 'ice-failed');
  assert.match(stage.publisher.failure.tried, /named no address/);
  stage.client.join();
  await settle();
  stage.client.emit('answer', { sdp: 'bad' });
  await settle();
  assert.deepEqual(stage.publisher.failure, { code: 'bad-sdp', text: 'not a description', tried: '' });
  stage.client.emit('answer', { sdp: 5 });
});

test('errors about messages end nothing; reasons of the media session do', async (t) => {
  const stage = setup(t);
  await live(stage);
  stage.client.emit('error', { code: 'bad-message', error: '' });
  stage.client.emit('error', { code: 'rate-limited', error: '' });
  assert.equal(stage.publisher.media, 'live');
  stage.client.emit('error', { code: 'consent-lost', error: 'gone' });
  assert.deepEqual(stage.publisher.failure, { code: 'consent-lost', text: 'gone', tried: '' });
});

test('what the server asks of the encoder is done, and a pause is one', async (t) => {
  const stage = setup(t, { bitrate: 6e6, fps: 30, simulcast: true, codec: 'vp8' });
  await live(stage);
  const encodings = () => FakeConnection.last.transceivers[0].sender.encodings.map(({ rid, active, maxBitrate }) => ({ rid, active, maxBitrate }));
  assert.deepEqual(encodings(), [
    { rid: 'q', active: true, maxBitrate: 600000 }, { rid: 'h', active: true, maxBitrate: 1800000 }, { rid: 'f', active: true, maxBitrate: 6000000 },
  ]);
  stage.client.emit('message', { type: 'publish-config', bitrate: 1e6, layers: [1, 2], reason: 'nobody watches the large one' });
  await settle();
  assert.deepEqual(encodings(), [
    { rid: 'q', active: true, maxBitrate: 100000 }, { rid: 'h', active: true, maxBitrate: 300000 }, { rid: 'f', active: true, maxBitrate: 1000000 },
  ]);
  stage.publisher.change(0, { paused: true });
  await settle();
  assert.ok(encodings().every(({ active }) => !active));
  assert.equal(stage.client.of('stream-activated').at(-1).streamActivated.paused, true);
  stage.client.emit('message', { type: 'publish-config', layers: 'all' }); // nonsense asks for nothing
  assert.deepEqual(stage.publisher.wish, { bitrate: 0, layers: [], reason: '' });
});

test('another codec is another connection, another rate is not', async (t) => {
  const stage = setup(t);
  await live(stage);
  stage.publisher.configure({ bitrate: 3e6 });
  await settle();
  assert.equal(stage.client.of('offer').length, 1);
  assert.equal(FakeConnection.last.transceivers[0].sender.encodings[0].maxBitrate, 3e6);
  stage.publisher.configure({ codec: 'vp9' });
  await settle();
  assert.equal(stage.client.of('offer').length, 2);
});

test('a size that changes is told, the first one is no change', async (t) => {
  const stage = setup(t);
  const track = await live(stage);
  await stage.publisher.tick();
  assert.equal(stage.client.of('size-change').length, 0);
  track.size = { width: 800, height: 600 };
  await stage.publisher.tick();
  assert.deepEqual(stage.client.of('size-change'), [{ type: 'size-change', trackId: 'video0', width: 800, height: 600 }]);
});

test('candidates that come before the answer are kept for it', async (t) => {
  const stage = setup(t);
  stage.publisher.add({ track: new FakeTrack() });
  stage.client.join();
  await settle();
  stage.client.emit('ice', { candidate: '{"candidate":"candidate:1 early"}' });
  stage.client.emit('ice', { candidate: '' });
  stage.client.emit('ice', { candidate: '{' });
  stage.client.emit('answer', { sdp: 'v=0' });
  await settle();
  stage.client.emit('ice', { candidate: '{"candidate":"candidate:2 late"}' });
  await settle();
  assert.deepEqual(FakeConnection.last.candidates.map(({ candidate }) => candidate), ['candidate:1 early', 'candidate:2 late']);
});

test('the end is said, and everything is let go', async (t) => {
  const stage = setup(t);
  const track = await live(stage);
  stage.publisher.stop();
  assert.equal(stage.client.of('sharer-stopped').length, 1);
  assert.ok(track.stopped && FakeConnection.last.closed);
  assert.equal(stage.publisher.media, 'none');
});

test('tracks are named by their place, not by the browser', () => {
  const sdp = ['v=0', 'a=msid-semantic: WMS {s}', 'm=video 9 X 96', 'a=msid:{s} {t}', 'a=ssrc:1 msid:{s} {t}', 'm=video 9 X 96', 'a=msid:- {u}', 'm=audio 9 X 111', 'a=msid:{s} {v}', ''].join('\r\n');
  const named = nameTracks(sdp);
  assert.match(named, /a=msid:video0 video0\r\na=ssrc:1 msid:video0 video0\r\n/);
  assert.match(named, /a=msid:video1 video1\r\nm=audio 9 X 111\r\na=msid:video0 audio0\r\n$/);
  assert.doesNotMatch(named, /[{}]/);
});

test('an answer says where encoders begin', () => {
  const sdp = 'v=0\r\nm=video 9 X 96 97 98\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 VP8/90000\r\nm=audio 9 X 111\r\na=rtpmap:111 opus/48000/2\r\n';
  assert.equal(withStart(sdp, 1000), sdp.replace('mode=1', 'mode=1;x-google-start-bitrate=1000').replace('VP8/90000\r\n', 'VP8/90000\r\na=fmtp:98 x-google-start-bitrate=1000\r\n'));
  assert.equal(withStart('v=0', 1000), 'v=0');
});

test('codecs, limits and figures', () => {
  const list = ['video/VP8', 'video/rtx', 'video/H264', 'video/H264'].map((mimeType, i) => ({ mimeType, i }));
  assert.deepEqual(orderCodecs(list, 'h264').map(({ i }) => i), [2, 3, 0, 1]);
  assert.deepEqual(limitsOf({ simulcast: false, bitrate: 5e6, fps: 15 }, { bitrate: 9e6, layers: [1] }, { paused: false }), [
    { active: true, maxBitrate: 5e6, maxFramerate: 15 },
  ]);
  const at = (timestamp, sent) => new Map([
    ['o', { id: 'o', type: 'outbound-rtp', kind: 'video', mid: '0', timestamp, bytesSent: sent, frameWidth: 640, frameHeight: 360, framesPerSecond: 29, codecId: 'c', remoteId: 'r', qualityLimitationReason: 'cpu' }],
    ['p', { id: 'p', type: 'outbound-rtp', kind: 'video', mid: '0', timestamp, bytesSent: sent / 4, frameWidth: 320, frameHeight: 180, framesPerSecond: 29, codecId: 'c' }],
    ['a', { id: 'a', type: 'outbound-rtp', kind: 'audio', mid: '4', timestamp, bytesSent: sent }],
    ['c', { mimeType: 'video/VP8' }], ['r', { roundTripTime: 0.02, fractionLost: 0.5 }],
  ]);
  assert.deepEqual([...figuresOf(at(2000, 200000), at(1000, 100000))], [['0', {
    width: 640, height: 360, fps: 29, bps: 1e6, limited: 'cpu', rttMs: 20, lost: 0.5, codec: 'VP8',
  }]]);
  assert.equal(figuresOf(at(2000, 200000), null).get('0').bps, null);
  const path = (local) => new Map([['t', { type: 'transport', selectedCandidatePairId: 'p' }], ['p', { type: 'candidate-pair', localCandidateId: 'l' }], ['l', local]]);
  assert.equal(wayOf(path({ candidateType: 'host', protocol: 'tcp' })), 'TCP');
  assert.equal(wayOf(path({ candidateType: 'relay', protocol: 'udp' })), 'relay');
  assert.equal(wayOf(new Map()), '');
});
