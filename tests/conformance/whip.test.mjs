/* What RFC 9725 (WHIP) asks of a server: one case per MUST, against the running program, without a
 * peer connection. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { commonCases, fullIceCases, isProblem4xx } from './common.mjs';
import { SDP, ask, isProblem, links, makeOffer, makeRoom, sections, serve, value } from './lib.mjs';

const offer = (options = {}) => makeOffer({ direction: 'sendonly', ...options });
const headers = { 'Content-Type': SDP };

describe('WHIP', () => {
  let server, made;
  const origin = () => server.origin;
  const path = () => `/whip/${made.room}`;
  const post = (sdp = offer(), more = made.bearer) =>
    ask(origin(), 'POST', path(), { ...headers, ...more }, sdp);
  const end = (answer) => ask(origin(), 'DELETE', answer.headers.location, made.bearer);
  before(async () => {
    server = await serve();
    made = await makeRoom(server.origin);
  });
  after(() => server.stop());

  commonCases(test, { origin, path, headers: () => made.bearer, offer, answers: 'recvonly' });

  test('4.7.1: without the secret 401 with WWW-Authenticate, with a wrong one 401 or 403', async () => {
    const without = await post(offer(), {});
    isProblem(without, 401);
    assert.match(without.headers['www-authenticate'], /^Bearer\b/);
    const wrong = await post(offer(), { Authorization: 'Bearer wrong' });
    assert.ok([401, 403].includes(wrong.status));
    assert.ok(!wrong.body.includes(made.secret));
  });

  test('the password to watch does not publish', async () => {
    const room = await makeRoom(origin(), { password: 'river-12' });
    const answer = await ask(origin(), 'POST', `/whip/${room.room}`,
      { ...headers, Authorization: 'Bearer river-12' }, offer());
    assert.ok([401, 403].includes(answer.status), answer.body);
  });

  test('4.4.3: one m-line that cannot be taken refuses the whole of it', async () => {
    const half = offer({ codecs: ['a=rtpmap:96 H265/90000'], types: '96' });
    isProblem4xx(await post(half));
  });

  test('4.4.2: sound alone, and a picture alone, are streams too', async () => {
    for (const kinds of [['audio'], ['video']]) {
      const answer = await post(offer({ kinds }));
      assert.equal(answer.status, 201, answer.body);
      assert.equal(sections(answer.body).length, 1);
      await end(answer);
    }
  });

  test('4.8: simulcast is answered by RFC 8853: the same rids, the same order, to receive', async () => {
    const lines = ['a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
      'a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
      'a=rid:h send', 'a=rid:m send', 'a=rid:l send', 'a=simulcast:send h;~m;l'];
    const answer = await post(offer({ lines }));
    assert.equal(answer.status, 201, answer.body);
    const [, picture] = sections(answer.body);
    assert.equal(value(picture, 'a=simulcast:'), 'recv h;~m;l');
    for (const rid of ['h', 'm', 'l']) {
      assert.ok(picture.some((l) => l.startsWith(`a=rid:${rid} recv`)));
    }
    for (const id of ['10', '11']) {
      assert.ok(value(picture, `a=extmap:${id} `));
    }
    await end(answer);
  });

  test('4.6: without STUN and TURN servers there are no Links to them', async () => {
    const answer = await post();
    assert.deepEqual(links(answer), []);
    await end(answer);
  });

  test('takeover: the same secret publishes again at once, and the first one is fenced off', async () => {
    const first = await post();
    const second = await post();
    assert.equal(second.status, 201, second.body);
    assert.notEqual(second.headers.location, first.headers.location);
    assert.equal((await end(second)).status, 200);
    await end(first);
  });

  test('RFC 9725 5: feedback that the server needs to repair its input is agreed', async () => {
    const answer = await post();
    const [, picture] = sections(answer.body);
    assert.ok(picture.includes('a=rtcp-fb:96 nack'));
    assert.ok(picture.includes('a=rtcp-fb:96 nack pli'));
    assert.ok(picture.includes('a=fmtp:97 apt=96'));
    await end(answer);
  });
});

describe('WHIP to a room with a source of the server', () => {
  let server;
  before(async () => (server = await serve(['--room', 'OWN-001', '--source', 'pattern', '--fps',
    '5', '--secret', 'a-secret-of-the-room'])));
  after(() => server.stop());

  test('a picture beside it is welcome', async () => {
    const bearer = { Authorization: 'Bearer a-secret-of-the-room' };
    const answer = await ask(server.origin, 'POST', '/whip/OWN-001', { ...headers, ...bearer },
      offer());
    assert.equal(answer.status, 201, answer.body);
    assert.equal((await ask(server.origin, 'DELETE', answer.headers.location, bearer)).status, 200);
  });
});

describe('WHIP with full ICE', () => {
  let server, made;
  before(async () => {
    server = await serve(['--ice', 'full', '--stun', 'stun:127.0.0.1:9', '--turn',
      'turn:127.0.0.1:9?transport=udp', '--turn-user', 'user', '--turn-pass', 'pass']);
    made = await makeRoom(server.origin);
  });
  after(() => server.stop());
  fullIceCases(test, { origin: () => server.origin, path: () => `/whip/${made.room}`,
    headers: () => made.bearer, offer });
});
