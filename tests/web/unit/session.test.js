import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ViewerSession } from '../../../signaling/web/session.js';
import { FakeClock, FakeConnection, OFFER, settle } from './fakes.js';

/* The protocol client as the session sees it. */
class FakeClient extends EventTarget {
  state = 'joined';
  iceServers = [];
  peerId = 'v1';
  sent = [];
  rejoins = 0;

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  send(message) {
    this.sent.push(message);
    return true;
  }

  rejoin() {
    this.rejoins += 1;
  }

  retryNow() {
    this.retried = true;
  }
}

function setup(t) {
  const clock = new FakeClock(t);
  const client = new FakeClient();
  const made = [];
  const session = new ViewerSession(client, {
    createConnection: (configuration) => made[made.push(new FakeConnection(configuration)) - 1],
    now: () => clock.now,
    random: () => 1,
  });
  const offer = async (sdp = OFFER, peerId = 'v1') => {
    client.emit('offer', { sdp, peerId });
    await settle();
    return made.at(-1);
  };
  /* One joined, offered, connected and shown peer. */
  const play = async () => {
    client.emit('joined', {});
    client.emit('streams', { streams: [{ trackId: 'screen', paused: false }] });
    const pc = await offer();
    pc.become('connected');
    session.shown(session.next);
    return pc;
  };
  /* Seconds pass; `frames(pc)` says what decodes meanwhile. */
  const run = async (seconds, perSecond = 0, bytes = 0) => {
    for (let i = 0; i < seconds; i += 1) {
      session.peers.forEach((peer) => (peer.pc.bytes += bytes));
      if (session.current) {
        session.current.pc.frames += perSecond;
      }
      clock.advance(1000);
      await session.tick();
    }
  };
  return { session, client, clock, made, offer, play, run };
}

test('an offer becomes a peer, and a painted frame makes it current', async (t) => {
  const { session, client, offer } = setup(t);
  client.emit('joined', {});
  const pc = await offer();
  assert.equal(session.media, 'negotiating');
  assert.equal(client.sent[0].type, 'answer');
  pc.become('connected');
  session.shown(session.next);
  assert.equal(session.media, 'live');
  assert.equal(session.current.pc, pc);
  assert.equal(session.next, null);
});

test('after a reconnect the old picture stays until the new one is painted', async (t) => {
  const { session, client, play, offer } = setup(t);
  const old = await play();
  client.emit('joined', {});
  const fresh = await offer(OFFER, 'v2');
  fresh.become('connected');
  assert.equal(session.current.pc, old);
  assert.ok(!old.closed);
  assert.equal(session.media, 'live');
  session.shown(session.next);
  assert.ok(old.closed);
  assert.equal(session.current.pc, fresh);
});

test('a renegotiation keeps the connection, a new session does not', async (t) => {
  const { session, made, play, offer } = setup(t);
  await play();
  await offer(OFFER.replace('1001 1', '1001 2'));
  assert.equal(made.length, 1);
  assert.equal(session.next, null);
  await offer(OFFER.replace('1001 1', '2002 1'));
  assert.equal(made.length, 2);
  assert.ok(session.next);
});

test('signaling words never tear media down', async (t) => {
  const { session, client, play, run } = setup(t);
  const pc = await play();
  for (const live of [false, true, false]) {
    client.emit('sharer', { live });
  }
  client.emit('streams', { streams: [] });
  await run(30, 30);
  assert.equal(session.media, 'live');
  assert.ok(!pc.closed);
  assert.equal(client.rejoins, 0);
});

test('no frames for 5 s: a new connection, patience doubling, the old one kept', async (t) => {
  const { session, client, play, run, offer } = setup(t);
  const old = await play();
  await run(10, 30);
  await run(5);
  assert.equal(client.rejoins, 0);
  await run(2);
  assert.equal(client.rejoins, 1);
  assert.equal(session.media, 'stalled');
  assert.ok(!old.closed);
  client.emit('joined', {});
  const fresh = await offer(OFFER, 'v2');
  fresh.become('connected');
  session.shown(session.next);
  assert.equal(session.media, 'live');
  await run(10);
  assert.equal(client.rejoins, 1, 'the second time it waits 10 s');
  await run(4);
  assert.equal(client.rejoins, 2);
});

test('a connection that brings something is not given up for a late picture', async (t) => {
  const { session, client, play, run } = setup(t);
  await play();
  await run(10, 30, 1000);
  await run(25, 0, 1000);
  assert.deepEqual([session.quiet, session.media, client.rejoins], [true, 'live', 0]);
  await run(5);
  assert.equal(client.rejoins, 0);
  await run(2);
  assert.equal(client.rejoins, 1, 'nothing has come for 5 s');
});

test('nor is a new one, before its first picture', async (t) => {
  const { session, client, offer, run } = setup(t);
  client.emit('joined', {});
  client.emit('streams', { streams: [{ trackId: 'screen', paused: false }] });
  const pc = await offer();
  pc.become('connected');
  await run(25, 0, 1000);
  assert.deepEqual([session.failure, session.next.pc], [null, pc]);
  await run(6, 0, 1000);
  assert.equal(session.failure.code, 'no-frame', 'in the end it may be broken');
});

test('frames that come back make it live again', async (t) => {
  const { session, play, run } = setup(t);
  await play();
  await run(2, 30);
  await run(7);
  assert.equal(session.media, 'stalled');
  await run(1, 30);
  assert.equal(session.media, 'live');
});

test('a presenter who paused or stopped is no stall', async (t) => {
  for (const message of [['sharer', { live: false }], ['streams', { streams: [{ trackId: 'screen', paused: true }] }]]) {
    await t.test(message[0], async (t2) => {
      const { session, client, play, run } = setup(t2);
      await play();
      await run(2, 30);
      client.emit(...message);
      await run(60);
      assert.equal(session.media, 'idle');
      assert.equal(client.rejoins, 0);
    });
  }
});

test('disconnected for 3 s: rejoin; shorter: nothing', async (t) => {
  const { client, play, run } = setup(t);
  const pc = await play();
  await run(2, 30);
  pc.become('disconnected');
  await run(2, 30);
  pc.become('connected');
  await run(5, 30);
  assert.equal(client.rejoins, 0);
  pc.become('disconnected');
  await run(4);
  assert.equal(client.rejoins, 1);
});

test('failed after playing: rejoin at once', async (t) => {
  const { session, client, clock, play } = setup(t);
  const pc = await play();
  pc.become('failed');
  clock.advance(1);
  assert.equal(client.rejoins, 1);
  assert.equal(session.failure.code, 'media-lost');
});

test('a path that never works is tried with growing delays and counted', async (t) => {
  const { session, client, clock, offer } = setup(t);
  client.emit('joined', {});
  for (const [count, delay] of [[1, 1000], [2, 2000], [3, 4000]]) {
    const pc = await offer();
    pc.become('failed');
    assert.ok(pc.closed);
    assert.deepEqual([session.failure.code, session.failure.count, session.media], ['ice-failed', count, 'none']);
    clock.advance(delay - 1);
    assert.equal(client.rejoins, count - 1);
    clock.advance(1);
    assert.equal(client.rejoins, count);
    client.emit('joined', {});
  }
});

test('10 s without a connection is a failure too', async (t) => {
  const { session, client, offer, run } = setup(t);
  client.emit('joined', {});
  await offer();
  await run(10);
  assert.equal(session.failure, null);
  await run(1);
  assert.equal(session.failure.code, 'ice-failed');
});

test('the server says why a connection ended: it is replaced', async (t) => {
  const { session, client, clock, play } = setup(t);
  await play();
  client.emit('error', { code: 'bad-message', error: 'what?' });
  assert.equal(session.failure, null);
  client.emit('error', { code: 'consent-lost', error: '' });
  assert.equal(session.media, 'stalled');
  clock.advance(1);
  assert.equal(client.rejoins, 1);
});

test('the errors of a new socket are not about the connection of an old one', async (t) => {
  const { session, client, play, offer } = setup(t);
  await play();
  client.emit('joined', {});
  client.emit('error', { code: 'ice-timeout', error: '' });
  assert.equal(session.failure, null);
  await offer(OFFER, 'v2');
  client.emit('error', { code: 'dtls-failed', error: 'bad fingerprint' });
  assert.deepEqual(session.failure, { code: 'dtls-failed', text: 'bad fingerprint', tried: '', count: 1 });
  client.emit('error', { code: 'remote-closed', error: '' });
  assert.equal(session.failure.count, 1, 'it is gone already');
  assert.equal(session.next, null);
  assert.equal(session.media, 'live');
});

test('a session that is resumed plays on; what the server says of it is heard', async (t) => {
  const { session, client, play } = setup(t);
  await play();
  const { current } = session;
  client.resumed = true;
  client.emit('joined', {});
  assert.equal(session.current, current);
  client.emit('error', { code: 'consent-lost', error: '' });
  assert.equal(session.failure.code, 'consent-lost');
});

test('who was removed does not come back unasked', async (t) => {
  const { session, client, clock, play } = setup(t);
  await play();
  client.emit('error', { code: 'removed', error: '' });
  clock.advance(60000);
  assert.equal(client.rejoins, 0);
  assert.equal(session.media, 'stalled');
  session.retryNow();
  assert.equal(client.rejoins, 1);
});

test('an offer that is no description is a failure with its reason', async (t) => {
  const { session, client, offer } = setup(t);
  client.emit('joined', {});
  await offer('garbage');
  assert.equal(session.failure.code, 'bad-offer');
  await offer(null);
  assert.equal(session.failure.count, 1);
});

test('a join without an offer is repeated, unless there is nobody to watch', async (t) => {
  const { session, client, run } = setup(t);
  client.emit('joined', {});
  await run(60);
  assert.equal(client.rejoins, 0);
  client.emit('streams', { streams: [{ trackId: 'screen', paused: false }] });
  await run(3);
  assert.equal(client.rejoins, 1);
  assert.equal(session.failure.code, 'no-offer');
});

test('while the socket is down the rejoin is left to it', async (t) => {
  const { client, play, run } = setup(t);
  const pc = await play();
  client.state = 'waiting';
  pc.become('failed');
  await run(5);
  assert.equal(client.rejoins, 0);
});

test('a goodbye of the server is acted upon at once', async (t) => {
  const { session, client, clock, play, run } = setup(t);
  const pc = await play();
  pc.hearGoodbye();
  assert.deepEqual([session.media, session.failure.code], ['stalled', 'remote-closed']);
  clock.advance(1);
  assert.equal(client.rejoins, 1);
  await run(1, 30);
  assert.equal(session.media, 'stalled', 'late frames are no sign of life');
});

test('says that it is quiet before it acts on it', async (t) => {
  const { session, client, play, run } = setup(t);
  await play();
  const changes = [];
  session.addEventListener('change', () => changes.push(session.quiet));
  await run(2, 30);
  await run(2);
  assert.equal(session.quiet, false);
  await run(1);
  assert.deepEqual([session.quiet, session.media, client.rejoins], [true, 'live', 0]);
  await run(1, 30);
  assert.deepEqual([session.quiet, changes], [false, [true, false]]);
});

test('asks for a keyframe before it gives a connection up, once', async (t) => {
  const { session, client, play, run } = setup(t);
  await play();
  let stuck = 0;
  session.addEventListener('stuck', () => (stuck += 1));
  await run(2, 30);
  await run(4);
  assert.deepEqual([stuck, client.rejoins], [1, 0]);
  await run(1, 30);
  await run(3);
  assert.equal(stuck, 2);
});

test('only the frames of the watched track count', async (t) => {
  const { session, client, play, run } = setup(t);
  const pc = await play();
  const frames = { one: 0, two: 0 };
  pc.getStats = async () => new Map(Object.entries(frames).map(([trackIdentifier, framesDecoded]) => [
    trackIdentifier, { type: 'inbound-rtp', kind: 'video', trackIdentifier, framesDecoded },
  ]));
  session.watch('one', true);
  const pass = async (seconds, name) => {
    for (let i = 0; i < seconds; i += 1) {
      frames[name] += 30;
      await run(1);
    }
  };
  await pass(3, 'one');
  await pass(4, 'two');
  assert.equal(session.quiet, true, 'the other one does not help');
  session.watch('two', true);
  await pass(3, 'two');
  assert.deepEqual([session.quiet, session.media], [false, 'live']);
  session.watch('one', false); // paused: nothing is expected of it
  await run(20);
  assert.deepEqual([session.media, client.rejoins], ['idle', 0]);
});

test('too many messages are no end of the media', async (t) => {
  const { session, client, play } = setup(t);
  await play();
  client.emit('error', { code: 'rate-limited', error: '' });
  assert.deepEqual([session.media, session.failure, client.rejoins], ['live', null, 0]);
});

test('when the page leaves every connection is closed and nothing is tried again', async (t) => {
  const { session, client, made, offer, play, run } = setup(t);
  const pc = await play();
  client.emit('joined', {});
  await offer(OFFER, 'v2');
  pc.become('failed');
  session.close();
  assert.deepEqual(made.map(({ closed }) => closed), [true, true]);
  await run(10);
  assert.deepEqual([client.rejoins, session.peers.length, session.media], [0, 0, 'none']);
});
