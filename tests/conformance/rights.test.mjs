/* Who may watch and publish by HTTP: tokens that are wrong, used, run out or limited; guesses; what
 * is too long. And a thousand sessions, which leave nothing behind. */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TOKEN, until } from '../e2e/lib.mjs';
import { JSON_TYPE, SDP, ask, isProblem, makeOffer, makeRoom, serve } from './lib.mjs';

const ROOM = 'GUARDED-001';
const headers = { 'Content-Type': SDP };
const watchOffer = makeOffer({ direction: 'recvonly' });
const publishOffer = makeOffer({ direction: 'sendonly' });

describe('watch tokens', () => {
  let server, folder;
  const key = randomBytes(48).toString('base64');
  const encode = (data) => Buffer.from(data).toString('base64url');
  const sign = (claims, { alg = 'HS256', by = key } = {}) => {
    const text = `${encode(JSON.stringify({ alg, typ: 'JWT' }))}.${encode(JSON.stringify({
      room: ROOM, exp: Math.floor(Date.now() / 1000) + 600, ...claims }))}`;
    const mac = alg === 'none' ? '' : createHmac('sha256', by).update(text).digest('base64url');
    return `${text}.${mac}`;
  };
  const watch = (token) => ask(server.origin, 'POST', `/whep/${ROOM}`,
    { ...headers, Authorization: `Bearer ${token}` }, watchOffer);
  before(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'amphi-rights-'));
    writeFileSync(path.join(folder, 'key'), key);
    server = await serve(['--room', ROOM, '--source', 'pattern', '--fps', '5', '--layers', '2',
      '--password', 'river-12', '--secret', 'a-secret-of-the-room', '--token-key',
      path.join(folder, 'key')]);
    await until('the source is live', async () =>
      JSON.parse((await ask(server.origin, 'GET', `/api/v1/rooms/${ROOM}`)).body).live);
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  test('a good one watches; with a jti once', async () => {
    assert.equal((await watch(sign({}))).status, 201);
    const once = sign({ jti: 'one-use-1' });
    assert.equal((await watch(once)).status, 201);
    isProblem(await watch(once), 403);
  });

  test('a request that fails for another reason does not use it up', async () => {
    const once = sign({ jti: 'one-use-2' });
    const bad = await ask(server.origin, 'POST', `/whep/${ROOM}`,
      { ...headers, Authorization: `Bearer ${once}` }, 'no description');
    isProblem(bad, 400);
    assert.equal((await watch(once)).status, 201);
  });

  test('max_layer bars what is better, in what is told and in what may be chosen', async () => {
    const made = await watch(sign({ max_layer: 1 }));
    assert.equal(made.status, 201);
    const best = await ask(server.origin, 'POST', `${made.headers.location}/layer`,
      { 'Content-Type': JSON_TYPE }, '{"rid":"0"}');
    isProblem(best, 422);
    const second = await ask(server.origin, 'POST', `${made.headers.location}/layer`,
      { 'Content-Type': JSON_TYPE }, '{"rid":"1"}');
    assert.equal(second.status, 200, second.body);
  });

  test('a token, the password and the link never publish', async () => {
    for (const shown of [sign({}), 'river-12']) {
      const answer = await ask(server.origin, 'POST', `/whip/${ROOM}`,
        { ...headers, Authorization: `Bearer ${shown}` }, publishOffer);
      isProblem(answer, 403);
    }
    isProblem(await ask(server.origin, 'POST', `/whip/${ROOM}`, headers, publishOffer), 401);
  });

  /* Last: five of them, and the address has to wait. */
  test('wrong ones are refused, and after five even the right one has to wait', async () => {
    const wrong = [sign({ exp: 1000 }), sign({ room: 'OTHER-001' }), sign({}, { alg: 'none' }),
      sign({}, { by: 'another key, as long as a key should be for HS256' }), 'no.token', 'river-13'];
    let refused = 0, answer;
    for (let i = 0; refused < 12; i++) {
      answer = await watch(wrong[i % wrong.length]);
      if (answer.status === 429) {
        break;
      }
      isProblem(answer, 403);
      refused++;
    }
    isProblem(answer, 429);
    assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
    isProblem(await watch('river-12'), 429);
    isProblem(await ask(server.origin, 'DELETE', `/api/v1/rooms/${ROOM}`,
      { Authorization: 'Bearer a-secret-of-the-room' }), 429);
  });
});

describe('a thousand sessions', () => {
  let server, made;
  before(async () => {
    server = await serve(['--room', ROOM, '--source', 'pattern', '--fps', '1', '--open-rooms', 'yes']);
    made = await makeRoom(server.origin);
    await until('the source is live', async () =>
      JSON.parse((await ask(server.origin, 'GET', `/api/v1/rooms/${ROOM}`)).body).live);
  });
  after(() => server.stop());

  const used = () => {
    const proc = `/proc/${server.child.pid}`;
    return { files: readdirSync(`${proc}/fd`).length, threads: readdirSync(`${proc}/task`).length,
      kb: Number(readFileSync(`${proc}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) };
  };
  const once = async (where, offer, show) => {
    const answer = await ask(server.origin, 'POST', where, { ...headers, ...show }, offer);
    assert.equal(answer.status, 201, answer.body);
    assert.equal((await ask(server.origin, 'DELETE', answer.headers.location, show)).status, 200);
  };
  const round = async (n) => {
    for (let i = 0; i < n; i++) {
      await once(`/whip/${made.room}`, publishOffer, made.bearer);
      await once(`/whep/${ROOM}`, watchOffer, {});
    }
  };

  test('leave no descriptor, no thread and no memory behind', { timeout: 120000 }, async (t) => {
    await round(200); /* pools and tables have their size then */
    const before = used();
    await round(500);
    const rooms = async () => JSON.parse((await ask(server.origin, 'GET', '/api/v1/stats?viewers=1',
      { Authorization: `Bearer ${TOKEN}` })).body).rooms;
    await until('all viewers are gone', async () => (await rooms()).every((r) => r.viewers === 0));
    await until('its connections are closed', () => used().files <= before.files);
    const now = used();
    t.diagnostic(`${JSON.stringify(before)} before, ${JSON.stringify(now)} after`);
    assert.ok(now.threads <= before.threads, `${before.threads} threads became ${now.threads}`);
    /* 5 KB for each would be more than this; AddressSanitizer keeps what is freed */
    const sanitized = readFileSync(`/proc/${server.child.pid}/maps`, 'utf8').includes('libasan');
    assert.ok(sanitized || now.kb < before.kb + 5000, `${before.kb} KB became ${now.kb}`);
  });
});
