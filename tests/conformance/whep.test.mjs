/* What draft-ietf-wish-whep asks of a server (and its extensions of events and layers): one case
 * per MUST, against the running program, without a peer connection. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { until } from '../e2e/lib.mjs';
import { commonCases, fullIceCases } from './common.mjs';
import { JSON_TYPE, SDP, ask, isProblem, links, makeOffer, makeRoom, sections, serve, value }
  from './lib.mjs';

const ROOM = 'WATCH-ME-001';
const offer = (options = {}) => makeOffer({ direction: 'recvonly', ...options });
const headers = { 'Content-Type': SDP };

async function live(args) {
  const server = await serve(['--room', ROOM, '--source', 'pattern', '--fps', '5', ...args]);
  await until('the source is live', async () =>
    JSON.parse((await ask(server.origin, 'GET', `/api/v1/rooms/${ROOM}`)).body).live);
  return server;
}

describe('WHEP', () => {
  let server;
  const origin = () => server.origin;
  const path = () => `/whep/${ROOM}`;
  const post = (sdp = offer(), more = {}, where = path()) =>
    ask(origin(), 'POST', where, { ...headers, ...more }, sdp);
  before(async () => (server = await live(['--audio', 'tone', '--layers', '2'])));
  after(() => server.stop());

  commonCases(test, { origin, path, headers: () => ({}), offer, answers: 'sendonly' });

  test('4.4.2: all m-sections have an msid, of one stream, and sound has its own track', async () => {
    const made = await post();
    const ids = sections(made.body).map((lines) => value(lines, 'a=msid:').split(' '));
    assert.equal(new Set(ids.map(([stream]) => stream)).size, 1);
    assert.equal(new Set(ids.map(([, track]) => track)).size, 2);
    await ask(origin(), 'DELETE', made.headers.location);
  });

  test('the answer tells the truth: the profile is the one that is sent', async () => {
    const made = await post();
    const [, picture] = sections(made.body);
    assert.match(value(picture, 'a=fmtp:102 '), /profile-level-id=[0-9a-f]{6}/);
    assert.equal(picture[0].split(' ')[3], '102'); /* what is sent comes first */
    await ask(origin(), 'DELETE', made.headers.location);
  });

  test('HEAD on the endpoint is 200 with application/sdp, without credentials', async () => {
    const answer = await ask(origin(), 'HEAD', path());
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], SDP);
    assert.equal(answer.headers['accept-post'], SDP);
  });

  test('counter-offer: nothing fits, so 406 with an offer, until when, and a Location', async () => {
    const answer = await post(offer({ kinds: ['video'], types: '96',
      codecs: ['a=rtpmap:96 H265/90000'] }));
    assert.equal(answer.status, 406);
    assert.match(answer.headers['content-type'], /^application\/sdp; valid-until="[^"]+ GMT"$/);
    const until = Date.parse(answer.headers['content-type'].match(/"(.*)"/)[1]);
    assert.ok(until > Date.now() + 20000 && until < Date.now() + 40000);
    assert.ok(sections(answer.body).every((lines) => lines.includes('a=sendonly')));
    assert.ok(sections(answer.body).every((lines) => value(lines, 'a=setup:') === 'actpass'));
    const { location } = answer.headers;
    isProblem(await ask(origin(), 'PATCH', location, headers, 'no description'), 400);
    isProblem(await ask(origin(), 'PATCH', location, headers, offer()), 422);
    const taken = await ask(origin(), 'PATCH', location, headers, answerTo(answer.body));
    assert.equal(taken.status, 204, taken.body);
    assert.equal(taken.body, '');
    assert.equal((await ask(origin(), 'DELETE', location)).status, 200);
  });

  test('extensions: a 201 has a Link for each, with its URN', async () => {
    const made = await post();
    const { location } = made.headers;
    const extensions = links(made).filter((link) => link.includes('urn:ietf:params:whep:ext:'));
    assert.equal(extensions.length, 2);
    const events = extensions.find((link) =>
      link.includes('rel="urn:ietf:params:whep:ext:core:server-sent-events"'));
    assert.match(events, /events="[^"]*layers[^"]*"/); /* as layers are there */
    assert.ok(extensions.some((link) => link.includes('rel="urn:ietf:params:whep:ext:core:layer"')));
    await ask(origin(), 'DELETE', location);
  });

  test('events: POST makes a stream of those that are wanted; an unknown one is 400', async () => {
    const made = await post();
    const where = `${made.headers.location}/sse`;
    isProblem(await ask(origin(), 'POST', where, { 'Content-Type': JSON_TYPE }, '["surprise"]'), 400);
    const stream = await ask(origin(), 'POST', where, { 'Content-Type': JSON_TYPE }, '["layers"]');
    assert.equal(stream.status, 201);
    assert.ok(stream.headers.location);
    const listener = listen(origin(), stream.headers.location);
    const [first] = await listener.next(1);
    assert.equal(first.event, 'layers'); /* and no "active", which was not wanted */
    const [layers] = Object.values(JSON.parse(first.data));
    assert.equal(layers.length, 2);
    assert.ok(layers.every((layer) => typeof layer.rid === 'string' && layer.width > 0));
    /* DELETE of the stream: what waits is dropped, and it is gone */
    assert.equal((await ask(origin(), 'DELETE', stream.headers.location)).status, 200);
    isProblem(await ask(origin(), 'GET', stream.headers.location), 404);
    await listener.ended;
    await ask(origin(), 'DELETE', made.headers.location);
  });

  test('events: one line of data each; they end with the session', async () => {
    const made = await post();
    const stream = await ask(origin(), 'POST', `${made.headers.location}/sse`);
    const listener = listen(origin(), stream.headers.location);
    const told = await listener.next(3);
    assert.deepEqual(told.map((e) => e.event).sort(), ['active', 'layers', 'viewercount']);
    for (const { data } of told) {
      assert.equal(typeof JSON.parse(data), 'object');
    }
    await ask(origin(), 'DELETE', made.headers.location);
    await listener.ended;
    isProblem(await ask(origin(), 'GET', stream.headers.location), 404);
  });

  test('layers: POST of a layer that was told is 200, of another 4xx; {} is automatic', async () => {
    const made = await post();
    const select = (wish) => ask(origin(), 'POST', `${made.headers.location}/layer`,
      { 'Content-Type': JSON_TYPE }, JSON.stringify(wish));
    assert.equal((await select({ mediaId: '1', rid: '1' })).status, 200);
    assert.equal((await select({ mediaId: '1', maxWidth: 700 })).status, 200);
    assert.equal((await select({})).status, 200);
    isProblem(await select({ mediaId: '1', rid: 'none' }), 422);
    isProblem(await select({ mediaId: '9' }), 404);
    isProblem(await select([]), 400);
    await ask(origin(), 'DELETE', made.headers.location);
  });

  test('?stream=N is that stream, and one that is not there is 404', async () => {
    const made = await post(offer(), {}, `${path()}?stream=0`);
    assert.equal(made.status, 201);
    await ask(origin(), 'DELETE', made.headers.location);
    isProblem(await post(offer(), {}, `${path()}?stream=5`), 404);
    isProblem(await post(offer(), {}, `${path()}?stream=x`), 400);
  });
});

describe('WHEP where nothing is live, and passwords', () => {
  let server;
  before(async () => (server = await serve()));
  after(() => server.stop());

  test('no live publisher: 409 with Retry-After', async () => {
    const { room } = await makeRoom(server.origin);
    const answer = await ask(server.origin, 'POST', `/whep/${room}`, headers, offer());
    isProblem(answer, 409);
    assert.match(answer.headers['retry-after'], /^\d+$/);
  });

  test('4.7: a room with a password wants it as Bearer: 401 with WWW-Authenticate', async () => {
    const { room, secret } = await makeRoom(server.origin, { password: 'river-12' });
    const without = await ask(server.origin, 'POST', `/whep/${room}`, headers, offer());
    isProblem(without, 401);
    assert.match(without.headers['www-authenticate'], /^Bearer\b/);
    const right = await ask(server.origin, 'POST', `/whep/${room}`,
      { ...headers, Authorization: 'Bearer river-12' }, offer());
    isProblem(right, 409); /* it is let in, but nothing is live */
    /* the preflight and HEAD work without */
    assert.equal((await ask(server.origin, 'OPTIONS', `/whep/${room}`)).status, 200);
    assert.equal((await ask(server.origin, 'HEAD', `/whep/${room}`)).status, 200);
    assert.equal((await ask(server.origin, 'DELETE', `/api/v1/rooms/${room}`,
      { Authorization: `Bearer ${secret}` })).status, 204);
  });
});

describe('WHEP with full ICE', () => {
  let server;
  before(async () => (server = await live(['--audio', 'tone', '--ice', 'full', '--stun', 'stun:127.0.0.1:9',
    '--turn', 'turn:127.0.0.1:9?transport=udp', '--turn-user', 'user', '--turn-pass', 'pass'])));
  after(() => server.stop());
  fullIceCases(test, { origin: () => server.origin, path: () => `/whep/${ROOM}`,
    headers: () => ({}), offer });
});

/** An answer to our offer: its first picture with VP8 or what is there, the others refused. */
function answerTo(offered) {
  const template = sections(makeOffer({ direction: 'recvonly', kinds: ['video'], setup: 'active' }))[0];
  const keep = template.filter((l) => /^a=(ice-|fingerprint|setup|rtcp-mux)/.test(l));
  const lines = sections(offered).flatMap((section, i) => {
    const type = section[0].split(' ')[3];
    const map = section.find((l) => l.startsWith(`a=rtpmap:${type} `));
    return [section[0].replace(/ 9 (\S+) .*/, ` ${i === 0 ? 9 : 0} $1 ${type}`), 'c=IN IP4 0.0.0.0',
      `a=mid:${value(section, 'a=mid:')}`, i === 0 ? 'a=recvonly' : 'a=inactive', map, ...keep,
      ...section.filter((l) => l.startsWith(`a=fmtp:${type} `))];
  });
  return ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0', ...lines, '']
    .join('\r\n');
}

/** Server-sent events: next(n) of them. */
function listen(origin, where) {
  const events = [];
  let text = '', end;
  const ended = new Promise((resolve) => (end = resolve));
  http.get(new URL(where, origin), { agent: false }, (answer) => {
    assert.equal(answer.headers['content-type'], 'text/event-stream');
    answer.setEncoding('utf8');
    answer.on('data', (data) => {
      const parts = (text + data).split('\n\n');
      text = parts.pop();
      for (const part of parts.filter((p) => !p.startsWith(':'))) {
        const lines = part.split('\n');
        assert.equal(lines.filter((l) => l.startsWith('data: ')).length, 1, part);
        events.push({ event: value(lines, 'event: '), data: value(lines, 'data: ') });
      }
    });
    answer.on('close', end);
  });
  return {
    ended,
    next: async (n) => {
      await until(`${n} events`, () => events.length >= n, { every: 5 });
      return events.splice(0, n);
    },
  };
}
