/* Broadcast: which streams a program is told of, and when. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection, FakeSocket, settle } from './fakes.js';
import { AmphiClient } from '../../../signaling/web/amphi.js';
import { Broadcast } from '../../../signaling/web/watch.js';

globalThis.MediaStream ??= class {
  constructor(tracks) {
    this.tracks = tracks;
  }

  getTracks() {
    return this.tracks;
  }

  addTrack(track) {
    this.tracks.push(track);
  }
};

const section = (slot) => `m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:${slot}\r\na=sendonly\r\na=msid:video${slot} video${slot}\r\na=rtpmap:96 VP8/90000\r\n`;
const SOUND = 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:8\r\na=sendonly\r\na=msid:video0 audio0\r\na=rtpmap:111 opus/48000/2\r\n';
const OFFER = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n${section(0)}${section(1)}${SOUND}`;

test('only streams that are there are told, those that come later too, and that they go', async (t) => {
  const connections = [];
  const broadcast = new Broadcast('https://example.org/SWIFT-OTTER-042', {
    client: new AmphiClient({ WebSocket: FakeSocket, now: () => 0 }),
    createConnection: (configuration) => connections.push(new FakeConnection(configuration)) && connections.at(-1),
    now: () => 0,
  });
  t.after(() => broadcast.close());
  const told = [];
  let media;
  broadcast.addEventListener('stream', ({ detail }) => {
    media ??= detail.media;
    told.push(`${detail.trackId} ${detail.name}`);
  });
  broadcast.addEventListener('gone', ({ detail }) => told.push(`${detail.trackId} is gone`));
  const socket = FakeSocket.last;
  const streams = (...names) => socket.receive({ type: 'streams-info', streams: names.map((windowName, i) => ({ trackId: `video${i}`, windowName })) });
  socket.open();
  assert.equal(socket.url, 'wss://example.org/ws');
  socket.receive({ type: 'joined', room: 'SWIFT-OTTER-042', role: 'viewer', peerId: '1', protocol: 1, iceServers: [] });
  streams('Slides');
  socket.receive({ type: 'offer', sdp: OFFER, peerId: '1' });
  await settle();
  connections[0].answer = OFFER.replaceAll('sendonly', 'recvonly');
  connections[0].track('video0', '0');
  connections[0].track('video1', '1');
  assert.deepEqual(told, ['video0 Slides']);
  connections[0].track('audio0', '8', 'audio');
  assert.deepEqual(media.getTracks().map(({ kind }) => kind), ['video', 'audio']);
  streams('Slides', 'Editor');
  streams('Slides', 'Editor');
  assert.deepEqual(told, ['video0 Slides', 'video1 Editor']);
  streams('Slides');
  assert.deepEqual(told.at(-1), 'video1 is gone');
  streams('Slides', 'Terminal');
  assert.deepEqual(told.at(-1), 'video1 Terminal');
});
