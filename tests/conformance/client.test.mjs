/* What RFC 9725 asks of a WHIP client: `amphi publish` against the program itself, through a proxy
 * that notes every request, and that sends the client elsewhere or away when it is told to. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { start, until } from '../e2e/lib.mjs';
import { FRAGMENT, SDP, ask, makeRoom, program, sections, serve, session, value } from './lib.mjs';

const PATIENCE = { within: 20000 };

/** Notes what comes and hands it on, but for POSTs that `refusals` says the answers of. */
async function startProxy(origin) {
  const proxy = { requests: [], refusals: [] };
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) {
      body += part;
    }
    const noted = { method: request.method, url: request.url, headers: request.headers, body,
      at: Date.now() };
    proxy.requests.push(noted);
    const refusal = request.method === 'POST' && proxy.refusals.shift();
    if (refusal) {
      noted.status = refusal.status;
      response.writeHead(refusal.status, refusal.headers).end();
      return;
    }
    const answer = await ask(origin, request.method, request.url, request.headers, body);
    noted.status = answer.status;
    noted.answer = answer;
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.origin = `http://127.0.0.1:${server.address().port}`;
  proxy.stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return proxy;
}

describe('a WHIP client', () => {
  let server, proxy, elsewhere, room, publisher;
  const of = (method) => proxy.requests.filter((r) => r.method === method);
  const publish = (to) => start(program, ['publish', '--to', to, '--secret', room.secret,
    '--no-settings', '--no-tui', '--source', 'pattern', '--audio', 'tone', '--fps', '5',
    '--listen', '127.0.0.1:0', '--udp-port', '0']);
  const isLive = async () =>
    JSON.parse((await ask(server.origin, 'GET', `/api/v1/rooms/${room.room}`)).body).live;
  before(async () => {
    server = await serve();
    proxy = await startProxy(server.origin);
    elsewhere = await startProxy(server.origin);
    room = await makeRoom(server.origin);
    publisher = publish(`${proxy.origin}/whip/${room.room}`);
    await until('it is live', isLive, PATIENCE);
  }, { timeout: 60000 });
  after(async () => {
    proxy?.stop();
    elsewhere?.stop();
    await publisher?.stop('SIGKILL');
    await server?.stop();
  });

  test('4.2: it posts an offer as application/sdp', () => {
    assert.equal(of('POST').length, 1);
    assert.equal(of('POST')[0].headers['content-type'], SDP);
    assert.match(of('POST')[0].body, /^v=0\r\n/);
  });

  test('4.2: what it offers it sends, and only that', () => {
    for (const lines of sections(of('POST')[0].body)) {
      assert.ok(lines.includes('a=sendonly'), lines[0]);
    }
  });

  test('4.4.1: one bundle of all m-lines, RTCP on their port alone', () => {
    const { body } = of('POST')[0];
    const mids = sections(body).map((lines) => value(lines, 'a=mid:'));
    assert.equal(value(session(body), 'a=group:BUNDLE '), mids.join(' '));
    for (const lines of sections(body)) {
      assert.ok(lines.includes('a=rtcp-mux'));
      assert.ok(lines.includes('a=rtcp-mux-only'));
    }
  });

  test('4.4.2: one stream, with one track of a kind', () => {
    const parts = sections(of('POST')[0].body);
    assert.equal(new Set(parts.map((l) => value(l, 'a=msid:').split(' ')[0])).size, 1);
    assert.deepEqual(parts.map((l) => l[0].slice(2, 7)).sort(), ['audio', 'video']);
  });

  test('4.4.4: it leaves the DTLS role to the server', () => {
    for (const lines of sections(of('POST')[0].body)) {
      assert.equal(value(lines, 'a=setup:'), 'actpass');
    }
  });

  test('4.5: the server may be lite, the client is not', () => {
    assert.ok(!session(of('POST')[0].body).includes('a=ice-lite'));
  });

  test('4.3.2: candidates wait for the 201, and name its entity tag', () => {
    const [{ answer }] = of('POST');
    for (const patch of of('PATCH')) {
      assert.equal(new URL(patch.url, proxy.origin).pathname, answer.headers.location);
      assert.equal(patch.headers['if-match'], answer.headers.etag);
      assert.match(patch.headers['content-type'], new RegExp(`^${FRAGMENT}`));
      assert.equal(patch.status, 204);
    }
    const inOffer = /^a=candidate:/m.test(of('POST')[0].body);
    assert.ok(inOffer || of('PATCH').some((p) => /^a=candidate:/m.test(p.body)));
  });

  test('4.7.1: its token is in every request', () => {
    for (const { headers } of proxy.requests) {
      assert.equal(headers.authorization, `Bearer ${room.secret}`);
    }
  });

  test('4.2: it ends its session by DELETE of the Location', async () => {
    await publisher.stop('SIGTERM');
    const [ended] = of('DELETE');
    assert.equal(new URL(ended.url, proxy.origin).pathname, of('POST')[0].answer.headers.location);
    assert.equal(ended.status, 200); /* also when its DTLS has ended before */
    assert.equal(ended.headers.authorization, `Bearer ${room.secret}`);
    await until('nothing is live', async () => !(await isLive()), PATIENCE);
  });

  test('4.5: it follows a 307 with the same method, type and offer', async () => {
    proxy.requests.length = 0;
    proxy.refusals.push({ status: 307, headers: {
      Location: `${proxy.origin}/whip/${room.room}` } });
    publisher = publish(`${proxy.origin}/whip/${room.room}`);
    await until('it is live', isLive, PATIENCE);
    const [first, second] = of('POST');
    assert.equal(second.headers['content-type'], SDP);
    assert.equal(second.headers.authorization, `Bearer ${room.secret}`);
    assert.equal(second.body, first.body);
    await publisher.stop('SIGTERM');
    await until('nothing is live', async () => !(await isLive()), PATIENCE);
  });

  test('4.7.1: a 307 to another origin is followed without its token', async () => {
    proxy.requests.length = 0;
    proxy.refusals.push({ status: 307, headers: {
      Location: `${elsewhere.origin}/whip/${room.room}` } });
    publisher = publish(`${proxy.origin}/whip/${room.room}`);
    assert.notEqual((await publisher.exited).code, 0);
    const [there] = elsewhere.requests;
    assert.equal(there.method, 'POST');
    assert.equal(there.headers['content-type'], SDP);
    assert.equal(there.headers.authorization, undefined);
    assert.equal(there.body, of('POST')[0].body);
    assert.equal(there.status, 401);
    const said = publisher.stdout + publisher.stderr;
    assert.ok(said.includes(`--to ${elsewhere.origin}/whip/${room.room}`), said);
    assert.ok(!said.includes(room.secret));
  });

  test('4.5: after a 503 it comes again, not before Retry-After', async () => {
    proxy.requests.length = 0;
    proxy.refusals.push({ status: 503, headers: { 'Retry-After': '2' } });
    publisher = publish(`${proxy.origin}/whip/${room.room}`);
    await until('it is live', isLive, PATIENCE);
    const [first, second] = of('POST');
    assert.ok(second.at - first.at >= 1900, `after ${second.at - first.at} ms`);
    await publisher.stop('SIGTERM');
  });
});
