import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { AmphiClient, socketUrl } from '../../../signaling/web/amphi.js';
import { FakeClock, FakeSocket } from './fakes.js';

const URL_1 = 'ws://host/ws';
const ROOM = 'SWIFT-OTTER-042';
const JOINED = { type: 'joined', room: ROOM, role: 'viewer', peerId: 'v1', protocol: 1, iceServers: [], viewers: 3 };

beforeEach(() => {
  FakeSocket.all = [];
});

/* A client on a clock that moves by hand, with a log of its events. */
function setup(t, options = {}) {
  const clock = new FakeClock(t);
  const client = new AmphiClient({ WebSocket: FakeSocket, now: () => clock.now, random: () => 1, ...options });
  const log = [];
  for (const type of ['state', 'joined', 'streams', 'offer', 'ice', 'sharer', 'password', 'error', 'cursor', 'message']) {
    client.addEventListener(type, ({ detail }) => log.push([type, detail]));
  }
  const advance = (ms) => clock.advance(ms);
  const events = (type) => log.filter(([name]) => name === type).map(([, detail]) => detail);
  t.after(() => client.close());
  return { client, advance, events };
}

function join(client) {
  client.connect(URL_1, ROOM);
  FakeSocket.last.open();
  FakeSocket.last.receive(JOINED);
}

test('joins with the subprotocol and its name', (t) => {
  const { client, events } = setup(t);
  client.connect(URL_1, ROOM);
  assert.equal(FakeSocket.last.url, URL_1);
  assert.equal(FakeSocket.last.protocol, 'amphi.v1');
  FakeSocket.last.open();
  assert.deepEqual(FakeSocket.last.sent, [{ type: 'join', role: 'viewer', room: ROOM, client: 'amphi-web/1' }]);
  FakeSocket.last.receive(JOINED);
  assert.deepEqual(events('state').map((e) => e.state), ['connecting', 'joining', 'joined']);
  assert.equal(client.peerId, 'v1');
  assert.equal(client.protocol, 1);
});

test('comes back with growing delays when the socket is lost', (t) => {
  const { client, advance } = setup(t);
  join(client);
  for (const delay of [1000, 2000, 4000, 8000, 8000]) {
    const before = FakeSocket.all.length;
    FakeSocket.last.lose();
    assert.equal(client.state, 'waiting');
    advance(delay - 100);
    assert.equal(FakeSocket.all.length, before, `too early for ${delay}`);
    advance(100);
    assert.equal(FakeSocket.all.length, before + 1, `no try after ${delay}`);
  }
  assert.equal(client.attempt, 5);
});

test('a connection that lasted starts the back-off again, one that flaps does not', (t) => {
  const { client, advance } = setup(t);
  join(client);
  FakeSocket.last.lose();
  advance(1000);
  FakeSocket.last.open();
  FakeSocket.last.receive(JOINED);
  FakeSocket.last.lose();
  assert.equal(client.attempt, 2);
  advance(2000);
  FakeSocket.last.open();
  FakeSocket.last.receive(JOINED);
  advance(5000);
  FakeSocket.last.lose();
  assert.equal(client.attempt, 1);
});

test('says why it waits', (t) => {
  const { client, advance } = setup(t);
  client.connect(URL_1, ROOM);
  FakeSocket.last.lose();
  assert.equal(client.reason.code, 'unreachable');
  advance(1000);
  FakeSocket.last.open();
  FakeSocket.last.lose();
  assert.equal(client.reason.code, 'lost');
  advance(2000);
  FakeSocket.last.open();
  FakeSocket.last.receive({ type: 'error', code: 'internal', error: 'no memory' });
  FakeSocket.last.lose();
  assert.deepEqual(client.reason, { code: 'internal', text: 'no memory' });
});

test('an old error is not the reason of a later loss', (t) => {
  const { client, advance } = setup(t);
  join(client);
  FakeSocket.last.receive({ type: 'error', code: 'bad-message', error: 'what?' });
  assert.equal(client.state, 'joined');
  advance(3000);
  FakeSocket.last.lose();
  assert.equal(client.reason.code, 'lost');
});

test('sockets and joins that never answer are given up', (t) => {
  const { client, advance } = setup(t);
  client.connect(URL_1, ROOM);
  const first = FakeSocket.last;
  advance(8000);
  assert.equal(client.state, 'waiting');
  assert.ok(first.closed);
  advance(1000);
  FakeSocket.last.open();
  advance(8000);
  assert.equal(client.reason.code, 'silent');
});

test('retryNow ends the wait and only the wait', (t) => {
  const { client } = setup(t);
  join(client);
  client.retryNow();
  assert.equal(FakeSocket.all.length, 1);
  FakeSocket.last.lose();
  client.retryNow();
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(client.state, 'connecting');
});

test('a room that does not exist is asked for again every 5 s at most', (t) => {
  const { client, advance } = setup(t);
  for (let i = 0; i < 3; i += 1) {
    if (i === 0) {
      client.connect(URL_1, ROOM);
    }
    FakeSocket.last.open();
    FakeSocket.last.receive({ type: 'error', code: 'room-not-found', error: 'no such room' });
    assert.equal(client.reason.code, 'room-not-found');
    assert.ok(FakeSocket.last.closed);
    assert.equal(client.retryAt - i * 5000, 5000);
    advance(5000);
    assert.equal(FakeSocket.all.length, i + 2);
  }
  assert.equal(client.attempt, 0);
});

test('the password is asked for and sent on the same socket', (t) => {
  const { client, events, advance } = setup(t);
  client.connect(URL_1, ROOM);
  FakeSocket.last.open();
  FakeSocket.last.receive({ type: 'password-required', error: 'needed' });
  assert.equal(client.state, 'password');
  advance(60000);
  assert.equal(FakeSocket.all.length, 1, 'people may take their time');
  client.joinWith('wrong');
  FakeSocket.last.receive({ type: 'password-invalid', error: 'Not that one.' });
  assert.deepEqual(events('password'), [{ error: '' }, { error: 'Not that one.' }]);
  client.joinWith('right');
  FakeSocket.last.receive(JOINED);
  assert.deepEqual(FakeSocket.last.sentOf('join').map((m) => m.password), [undefined, 'wrong', 'right']);
  FakeSocket.last.lose();
  advance(1000);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.sent[0].password, 'right');
});

test('a wrong password is not repeated by a reconnect', (t) => {
  const { client, advance } = setup(t);
  client.connect(URL_1, ROOM);
  FakeSocket.last.open();
  FakeSocket.last.receive({ type: 'password-required' });
  client.joinWith('wrong');
  FakeSocket.last.receive({ type: 'password-invalid' });
  FakeSocket.last.lose();
  advance(1000);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.sent[0].password, undefined);
});

test('a token that opens nothing is forgotten, and a password may do', (t) => {
  const { client, advance } = setup(t);
  client.connect(URL_1, ROOM, { token: 'a.b.c' });
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.sent[0].token, 'a.b.c');
  FakeSocket.last.receive({ type: 'error', code: 'token-used', error: 'used' });
  assert.deepEqual([client.state, client.reason.code], ['password', 'token-used']);
  advance(60000);
  assert.equal(FakeSocket.all.length, 1);
  client.joinWith('right');
  assert.deepEqual(FakeSocket.last.sent.at(-1), { type: 'join', role: 'viewer', room: ROOM, client: 'amphi-web/1', password: 'right' });
});

test('pings are answered and sent', (t) => {
  const { client, advance } = setup(t);
  join(client);
  FakeSocket.last.receive({ type: 'ping', t: 7 });
  assert.deepEqual(FakeSocket.last.sentOf('pong'), [{ type: 'pong', t: 7 }]);
  advance(20000);
  assert.equal(FakeSocket.last.sentOf('ping').length, 3);
});

test('a server that answered pings and falls silent is left', (t) => {
  const { client, advance } = setup(t);
  join(client);
  FakeSocket.last.receive({ type: 'pong', t: 0 });
  advance(40000);
  assert.ok(FakeSocket.all.length > 1);
});

test('a server that never answers pings is not', (t) => {
  const { client, advance } = setup(t);
  join(client);
  advance(120000);
  assert.equal(client.state, 'joined');
  assert.equal(FakeSocket.all.length, 1);
});

test('probe finds a dead socket in 3 s and leaves a living one', (t) => {
  const { client, advance } = setup(t);
  join(client);
  FakeSocket.last.receive({ type: 'pong', t: 0 });
  advance(1000);
  client.probe();
  FakeSocket.last.receive({ type: 'pong', t: 1 });
  advance(3000);
  assert.equal(client.state, 'joined');
  client.probe();
  advance(3000);
  assert.equal(client.state, 'waiting');
  assert.equal(client.reason.code, 'silent');
});

test('follows a redirect, and comes home when it leads nowhere', (t) => {
  const { client, advance } = setup(t);
  join(client);
  FakeSocket.last.receive({ type: 'redirect', url: 'https://other.example/ws' });
  assert.equal(FakeSocket.last.url, 'wss://other.example/ws');
  FakeSocket.last.lose();
  advance(1000);
  assert.equal(FakeSocket.last.url, URL_1);
});

test('servers that send each other in circles do not spin the page', (t) => {
  const { client } = setup(t);
  join(client);
  for (let i = 0; i < 20 && client.state !== 'waiting'; i += 1) {
    FakeSocket.last.receive({ type: 'redirect', url: `ws://host${i}/ws` });
    if (client.state === 'connecting') {
      FakeSocket.last.open();
    }
  }
  assert.equal(client.reason.code, 'redirect');
  assert.equal(FakeSocket.all.length, 6);
});

test('redirect targets that are no WebSocket are refused', () => {
  assert.equal(socketUrl('/ws', 'https://host/ROOM'), 'wss://host/ws');
  assert.equal(socketUrl('javascript:alert(1)', URL_1), null);
  assert.equal(socketUrl('', 'nonsense'), null);
});

test('messages that make no sense change nothing', (t) => {
  const { client, events } = setup(t);
  join(client);
  for (const bad of ['', '{', 'null', '7', '[]', '{"type":3}', '"join"']) {
    FakeSocket.last.receive(bad);
  }
  assert.equal(client.state, 'joined');
  assert.equal(events('error').length, 7);
});

test('streams-info is checked', (t) => {
  const { client, events } = setup(t);
  join(client);
  FakeSocket.last.receive({ type: 'streams-info', streams: 'x' });
  assert.deepEqual(client.streams, []);
  const many = Array.from({ length: 20 }, (_, i) => ({ trackId: `t${i}`, width: -1, height: 'x', windowName: 5 }));
  FakeSocket.last.receive({ type: 'streams-info', streams: [null, {}, { trackId: 1 }, ...many] });
  assert.equal(client.streams.length, 8);
  assert.deepEqual(client.streams[0], {
    trackId: 't0', windowName: '', appName: '', isFocused: false, width: 0, height: 0, codec: '', layers: null,
    layerSizes: [], audio: null, paused: false, endReason: '',
  });
  assert.equal(events('streams').length, 2);
});

test('streams come, go and change one by one', (t) => {
  const { client, events } = setup(t);
  join(client);
  const receive = (message) => FakeSocket.last.receive(message);
  const ids = () => client.streams.map((s) => s.trackId);
  receive({
    type: 'streams-info',
    streams: [{ trackId: 'video1', isFocused: true, audio: true }],
    ended: [{ trackId: 'video0', windowName: 'Slides', endReason: 'the window was closed' }, {}],
  });
  assert.deepEqual([client.announced, client.streams[0].audio], [true, true]);
  assert.deepEqual(client.ended, [
    { trackId: 'video0', windowName: 'Slides', appName: '', endReason: 'the window was closed' },
  ]);
  receive({ type: 'stream-activated', streamActivated: { trackId: 'video0', width: 640 } });
  assert.deepEqual([ids(), client.ended], [['video0', 'video1'], []]);
  receive({ type: 'stream-activated', streamActivated: { trackId: 'video0', width: 800 } });
  receive({ type: 'stream-activated' });
  assert.deepEqual([ids(), client.streams[0].width], [['video0', 'video1'], 800]);
  receive({ type: 'focus-change', focusedTrack: 'video0' });
  assert.deepEqual(client.streams.map((s) => s.isFocused), [true, false]);
  receive({ type: 'size-change', trackId: 'video1', width: 0, height: 480 });
  assert.deepEqual([client.streams[1].width, client.streams[1].height], [0, 480]);
  receive({ type: 'stream-deactivated', streamDeactivated: 'video1' });
  receive({ type: 'stream-deactivated', streamDeactivated: 'video7' });
  assert.deepEqual(ids(), ['video0']);
  assert.equal(events('streams').length, 6);
  receive({ type: 'cursor-position', trackId: 'video0', cursorX: 0, cursorY: 12.5, cursorInView: true });
  receive({ type: 'cursor-position', trackId: 'video0', cursorX: 'x' });
  assert.deepEqual(events('cursor'), [{ trackId: 'video0', x: 0, y: 12.5, inView: true }]);
});

test('too many joins: it waits as long as it is told, and a flood of messages is no lost join', (t) => {
  const { client, advance, events } = setup(t);
  client.connect(URL_1, ROOM);
  FakeSocket.last.open();
  FakeSocket.last.receive({ type: 'error', code: 'rate-limited', error: 'too many', retryAfter: 7 });
  assert.deepEqual([client.state, client.reason.code], ['waiting', 'rate-limited']);
  advance(6900);
  assert.equal(FakeSocket.all.length, 1);
  advance(200);
  assert.equal(FakeSocket.all.length, 2);
  FakeSocket.last.open();
  FakeSocket.last.receive(JOINED);
  FakeSocket.last.receive({ type: 'error', code: 'rate-limited', error: 'too many messages' });
  assert.deepEqual([client.state, events('error').length], ['joined', 2]);
});

test('late events of a replaced socket are ignored', (t) => {
  const { client } = setup(t);
  join(client);
  const old = FakeSocket.last;
  client.rejoin();
  old.receive({ type: 'error', code: 'room-not-found', error: '' });
  old.lose();
  assert.equal(client.state, 'connecting');
  assert.ok(old.closed);
  assert.equal(FakeSocket.all.length, 2);
});

test('a rejoin ends what the socket before it brought', (t) => {
  const { client } = setup(t);
  client.connect(URL_1, ROOM);
  const answer = (message) => {
    FakeSocket.last.open();
    const [{ resume, replaces }] = FakeSocket.last.sentOf('join');
    FakeSocket.last.receive({ ...JOINED, ...message });
    return [resume, replaces];
  };
  assert.deepEqual(answer({ resume: 'r1' }), [undefined, undefined]);
  client.rejoin();
  client.rejoin(); // before it has joined
  assert.deepEqual(answer({ resume: 'r2' }), [undefined, 'r1']);
  client.retryNow();
  client.rejoin();
  assert.deepEqual(answer({ resume: 'r3' }), [undefined, 'r2']);
});

test('who came with a token joins again on the socket that was let in with it', (t) => {
  const { client, events } = setup(t);
  client.connect(URL_1, ROOM, { token: 'a.b.c' });
  const socket = FakeSocket.last;
  socket.open();
  socket.receive({ ...JOINED, resume: 'r1' });
  client.rejoin();
  assert.deepEqual([FakeSocket.last, client.state], [socket, 'joining']);
  const { token, resume } = socket.sentOf('join')[1];
  assert.deepEqual([token, resume], ['a.b.c', undefined]);
  socket.receive({ ...JOINED, peerId: 'v2' });
  assert.deepEqual([client.state, client.peerId, client.resumed, events('joined').length], ['joined', 'v2', false, 2]);
  socket.lose();
  client.rejoin();
  assert.notEqual(FakeSocket.last, socket);
});

test('sharer messages, offers, candidates and unknown ones are passed on', (t) => {
  const { client, events } = setup(t);
  join(client);
  FakeSocket.last.receive({ type: 'sharer-stopped' });
  FakeSocket.last.receive({ type: 'sharer-started' });
  FakeSocket.last.receive({ type: 'offer', sdp: 'v=0', peerId: 'v1' });
  FakeSocket.last.receive({ type: 'ice', candidate: '' });
  FakeSocket.last.receive({ type: 'viewercount', viewers: 0 });
  assert.deepEqual(events('sharer').map((e) => e.live), [false, true]);
  assert.equal(events('offer')[0].sdp, 'v=0');
  assert.equal(events('ice').length, 1);
  assert.equal(events('message')[0].type, 'viewercount');
});

test('close ends everything', (t) => {
  const { client, advance } = setup(t);
  join(client);
  client.close();
  advance(60000);
  assert.equal(client.state, 'closed');
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(client.send({ type: 'x' }), false);
});
