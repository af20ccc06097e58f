import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  MediaPeer, carriesVideo, codecsOf, continuesSession, mediaSections, videoCodecs, withStereo,
} from '../../../signaling/web/peer.js';
import { ANSWER, FakeConnection, OFFER } from './fakes.js';

/* Two reserved slots, the first with sound. */
const SLOTS = [
  'v=0', 'o=- 1001 1 IN IP4 127.0.0.1', 's=-', 't=0 0',
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97', 'a=mid:0', 'a=sendonly', 'a=msid:video0 video0', 'a=rtpmap:96 H264/90000',
  'a=rtpmap:97 rtx/90000', 'm=video 9 UDP/TLS/RTP/SAVPF 98', 'a=mid:1', 'a=sendonly', 'a=msid:video1 video1',
  'a=rtpmap:98 VP9/90000', 'm=audio 9 UDP/TLS/RTP/SAVPF 118', 'a=mid:2', 'a=sendonly', 'a=msid:video0 audio0',
  'a=rtpmap:118 opus/48000/2', 'a=fmtp:118 minptime=10;useinbandfec=1', '',
].join('\r\n');

function setup() {
  const sent = [];
  const pc = new FakeConnection();
  return { pc, sent, peer: new MediaPeer(pc, { peerId: 'v1', send: (message) => sent.push(message) }) };
}

test('reads the sections of a description', () => {
  assert.deepEqual(mediaSections(OFFER), [
    { kind: 'video', port: 9, mid: '0', direction: 'sendonly', trackId: 'screen', streamId: 'screen' },
  ]);
  assert.deepEqual(mediaSections('nonsense'), []);
});

test('knows whether any video is left', () => {
  assert.ok(carriesVideo(OFFER));
  assert.ok(!carriesVideo(OFFER.replace('m=video 9', 'm=video 0')));
  assert.ok(!carriesVideo(OFFER.replace('sendonly', 'inactive')));
  assert.ok(!carriesVideo(OFFER.replace('m=video', 'm=audio')));
});

test('names the codecs without the repair formats', () => {
  assert.deepEqual(videoCodecs(OFFER), ['H264']);
});

test('tells a renegotiation from a new session', () => {
  const next = (origin) => OFFER.replace('1001 1', origin);
  assert.ok(continuesSession(OFFER, next('1001 2')));
  assert.ok(!continuesSession(OFFER, OFFER));
  assert.ok(!continuesSession(OFFER, next('1002 2')));
  assert.ok(!continuesSession('', OFFER));
  assert.ok(continuesSession(next('18446744073709551615 9007199254740993'), next('18446744073709551615 9007199254740994')));
});

test('answers an offer', async () => {
  const { pc, sent, peer } = setup();
  await peer.accept(OFFER);
  assert.equal(pc.remoteDescription.sdp, OFFER);
  assert.deepEqual(sent, [{ type: 'answer', sdp: ANSWER, peerId: 'v1' }]);
});

test('says so when the browser cannot decode the video', async () => {
  const { pc, sent, peer } = setup();
  pc.answer = ANSWER.replace('m=video 9', 'm=video 0');
  await assert.rejects(peer.accept(OFFER), (error) => error.code === 'codec' && error.message === 'H264');
  assert.equal(sent.length, 0);
});

test('candidates wait for the description, in either form; the end of the list is no candidate', async () => {
  const { pc, peer } = setup();
  await peer.candidate('{"candidate":"candidate:1","sdpMid":"0"}');
  await peer.candidate('');
  await peer.candidate('{broken');
  await peer.candidate(null);
  assert.equal(pc.candidates.length, 0);
  await peer.accept(OFFER);
  await peer.candidate({ candidate: 'candidate:2', sdpMid: '0' });
  assert.deepEqual(pc.candidates.map((c) => c.candidate), ['candidate:1', 'candidate:2']);
});

test('a candidate the browser refuses is not the end', async () => {
  const { pc, peer } = setup();
  await peer.accept(OFFER);
  pc.addIceCandidate = () => Promise.reject(new Error('no'));
  await peer.candidate({ candidate: 'candidate:3' });
});

test('trickles as JSON strings, an empty one at the end', () => {
  const { pc, sent } = setup();
  pc.onicecandidate({ candidate: { candidate: 'candidate:1', toJSON: () => ({ candidate: 'candidate:1', sdpMid: '0' }) } });
  pc.onicecandidate({ candidate: { candidate: '' } });
  pc.onicecandidate({ candidate: null });
  assert.deepEqual(sent, [
    { type: 'ice', candidate: '{"candidate":"candidate:1","sdpMid":"0"}', peerId: 'v1' },
    { type: 'ice', candidate: '', peerId: 'v1' },
  ]);
});

test('the tracks of an offer are told together, and the answer leaves before the browser has applied it', async () => {
  const { pc, sent, peer } = setup();
  const told = [];
  peer.addEventListener('track', () => told.push([...peer.tracks.keys()]));
  pc.setRemoteDescription = async () => {
    pc.track('a', '0');
    pc.track('b', '1');
  };
  let applied = false;
  pc.setLocalDescription = async () => {
    await Promise.resolve();
    applied = sent.length === 1;
  };
  await peer.accept(SLOTS);
  assert.deepEqual(told, [['video0', 'video1']]);
  assert.ok(applied);
  pc.track('c', '2', 'audio'); // one that comes by itself
  assert.equal(told.length, 2);
});

test('a track is named by the offer, and its buffer is asked to be empty', async () => {
  const { pc, peer } = setup();
  await peer.accept(OFFER);
  pc.track('browser-made-id', '0');
  const entry = peer.tracks.get('screen');
  assert.equal(entry.track.id, 'browser-made-id');
  assert.equal(entry.receiver.jitterBufferTarget, 0);
  assert.equal(peer.videoTracks().length, 1);
  assert.equal(peer.audioTracks().length, 0);
});

test('a picture has the sound of its own stream', async () => {
  const { pc, peer } = setup();
  await peer.accept(SLOTS);
  pc.track('a', '0');
  pc.track('b', '1');
  assert.equal(peer.soundOf('video0'), null);
  pc.track('c', '2', 'audio');
  assert.equal(peer.soundOf('video0').id, 'audio0');
  pc.track('d', '', 'audio'); // of another stream: then there is no guessing any more
  assert.equal(peer.soundOf('video1'), null);
  assert.deepEqual(peer.videoTracks().map(({ id }) => id), ['video0', 'video1']);
});

test('knows which codecs were agreed upon, track by track', async () => {
  assert.deepEqual(codecsOf(SLOTS, '0'), ['h264']);
  assert.deepEqual(codecsOf(SLOTS, '1'), ['vp9']);
  assert.deepEqual(codecsOf(SLOTS.replace('m=video 9 UDP/TLS/RTP/SAVPF 98', 'm=video 0 UDP/TLS/RTP/SAVPF 98'), '1'), []);
  assert.deepEqual(codecsOf(SLOTS, '7'), []);
  const { pc, peer } = setup();
  pc.answer = SLOTS.replaceAll('sendonly', 'recvonly');
  await peer.accept(SLOTS);
  pc.track('a', '0');
  assert.ok(peer.plays('video0', 'H264') && !peer.plays('video0', 'av1'));
  assert.ok(peer.plays('video0', '') && peer.plays('video5', 'av1'), 'what is not known is hoped for');
});

test('asks for stereo, once', async () => {
  const asked = withStereo(SLOTS);
  assert.match(asked, /^a=fmtp:118 minptime=10;useinbandfec=1;stereo=1\r$/m);
  assert.equal(withStereo(asked), asked);
  assert.equal(withStereo(OFFER), OFFER);
  const { pc, sent, peer } = setup();
  pc.answer = SLOTS;
  await peer.accept(SLOTS);
  assert.match(pc.localDescription.sdp, /stereo=1/);
  assert.equal(sent[0].sdp, pc.localDescription.sdp);
});

test('tells the goodbye of the other side, but not its own', async () => {
  const { pc, peer } = setup();
  const states = [];
  peer.addEventListener('state', ({ detail }) => states.push(detail));
  await peer.accept(OFFER);
  pc.transport.onstatechange();
  assert.deepEqual(states, []);
  pc.hearGoodbye();
  assert.deepEqual(states, ['closed']);
  peer.close();
  pc.hearGoodbye();
  assert.deepEqual(states, ['closed']);
});
