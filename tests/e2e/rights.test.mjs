/* Who may watch and who may publish, asked over HTTP as a stranger would. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ROOM, TOKEN, startAmphi } from './lib.mjs';

const KEY = 'the key that watch tokens are signed with';
const SECRET = 'the-secret-of-the-presenter';
const NOW = Math.floor(Date.now() / 1000);

const encode = (value) => Buffer.from(value).toString('base64url');

function token(claims, { alg = 'HS256', key = KEY } = {}) {
  const signed = `${encode(JSON.stringify({ alg, typ: 'JWT' }))}.${encode(JSON.stringify(claims))}`;
  return `${signed}.${alg === 'none' ? '' : createHmac('sha256', key).update(signed).digest('base64url')}`;
}

/** An offer with credentials of its own; it never connects. */
const offer = (direction) => ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0',
  'm=video 9 UDP/TLS/RTP/SAVPF 96', 'c=IN IP4 0.0.0.0', 'a=ice-ufrag:user', `a=ice-pwd:${'p'.repeat(24)}`,
  `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}`, 'a=setup:actpass', 'a=mid:0', `a=${direction}`,
  'a=rtcp-mux', 'a=rtpmap:96 H264/90000', 'a=fmtp:96 packetization-mode=1;profile-level-id=42e01f', ''].join('\r\n');

async function ask(amphi, where, bearer, room = ROOM) {
  const answer = await fetch(`${amphi.origin}/${where}/${room}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp', ...(bearer && { Authorization: `Bearer ${bearer}` }) },
    body: offer(where === 'whip' ? 'sendonly' : 'recvonly'),
  });
  await answer.text();
  return answer.status;
}

async function withServer(args, body) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'amphi-rights-'));
  const file = path.join(folder, 'key');
  writeFileSync(file, `${KEY}\n`);
  const amphi = await startAmphi(['--source', 'pattern:384x240', '--fps', '5', '--token-key', file,
    '--secret', SECRET, '--log-level', 'debug', ...args]);
  try {
    await body(amphi);
    assert.equal((await amphi.stop()).code, 0, amphi.stderr.slice(-2000));
  } finally {
    await amphi.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  }
}

test('a room with a password lets in who has it, or a token for it', { timeout: 30000 }, () =>
  withServer(['--password', 'sesame'], async (amphi) => {
    assert.equal(await ask(amphi, 'whep'), 401);
    assert.equal(await ask(amphi, 'whep', 'sesame'), 201);
    const good = { room: ROOM, exp: NOW + 60 };
    assert.equal(await ask(amphi, 'whep', token(good)), 201);
    assert.equal(await ask(amphi, 'whep', token(good)), 201, 'as often as it likes');
    const once = token({ ...good, jti: 'ticket-1', max_layer: 1 });
    assert.equal(await ask(amphi, 'whep', once), 201);
    assert.equal(await ask(amphi, 'whep', once), 403, 'a ticket of one use');
    const { denied } = await amphi.stats();
    assert.equal(denied.watch_used, 1);
    assert.equal(denied.watch_invalid, 0);
    assert.doesNotMatch(amphi.stdout + amphi.stderr, /sesame|ticket-1/, 'nothing of it is logged');
  }));

const BAD = {
  'one that has run out': token({ room: ROOM, exp: NOW - 1 }),
  'of another room': token({ room: 'OTHER-ROOM-001', exp: NOW + 60 }),
  'signed with another key': token({ room: ROOM, exp: NOW + 60 }, { key: 'whatever came to mind, and long' }),
  'without a signature': token({ room: ROOM, exp: NOW + 60 }, { alg: 'none' }),
  'that names another algorithm': token({ room: ROOM, exp: NOW + 60 }, { alg: 'RS256' }),
  'that lasts for ever': token({ room: ROOM }),
};

test('tokens that are none are refused', { timeout: 30000 }, () =>
  withServer(['--password', 'sesame'], async (amphi) => {
    for (const [what, bad] of Object.entries(BAD)) {
      assert.equal(await ask(amphi, 'whep', bad), 403, what);
    }
  }));

test('who has the secret makes tokens of one use', { timeout: 30000 }, () =>
  withServer(['--password', 'sesame'], async (amphi) => {
    const make = (bearer, body = {}) => fetch(`${amphi.origin}/api/v1/rooms/${ROOM}/tokens`, {
      method: 'POST', body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${bearer}` },
    });
    assert.ok((await (await fetch(`${amphi.origin}/api/v1/rooms/${ROOM}`)).json()).tokens);
    assert.equal((await make('sesame')).status, 403);
    assert.equal((await make(SECRET, { expires_in: 1 })).status, 400);
    const made = await make(SECRET, { expires_in: 60, max_layer: 1 });
    assert.equal(made.status, 201);
    const { token: text, url, expires } = await made.json();
    assert.equal(url, `${amphi.origin}/${ROOM}#token=${text}`);
    assert.ok(Math.abs(expires - Date.now() / 1000 - 60) < 10);
    assert.equal((await make(text)).status, 403, 'it makes no others');
    assert.equal(await ask(amphi, 'whip', text), 403);
    assert.equal(await ask(amphi, 'whep', text), 201);
    assert.equal(await ask(amphi, 'whep', text), 403, 'used');
    assert.doesNotMatch(amphi.stdout + amphi.stderr, new RegExp(text.split('.')[2]), 'nothing of it is logged');
  }));

test('what lets somebody watch never lets him publish', { timeout: 30000 }, () =>
  withServer(['--password', 'sesame'], async (amphi) => {
    assert.equal(await ask(amphi, 'whip'), 401);
    assert.equal(await ask(amphi, 'whip', 'sesame'), 403);
    assert.equal(await ask(amphi, 'whip', token({ room: ROOM, exp: NOW + 60 })), 403);
    assert.equal(await ask(amphi, 'whip', SECRET), 201);
    assert.equal((await amphi.stats()).denied.publish, 3);
  }));

test('a password changes while the room is watched', { timeout: 30000 }, () =>
  withServer([], async (amphi) => {
    const change = async (password, bearer) => (await fetch(`${amphi.origin}/api/v1/rooms/${ROOM}`, {
      method: 'PATCH', body: JSON.stringify({ password }),
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${bearer}` },
    })).status;
    assert.equal(await ask(amphi, 'whep'), 201);
    assert.notEqual(await change('mine', 'guess'), 200);
    assert.equal(await ask(amphi, 'whep'), 201);
    assert.ok([200, 204].includes(await change('first', SECRET)));
    assert.equal(await ask(amphi, 'whep'), 401);
    assert.equal(await ask(amphi, 'whep', 'first'), 201);
    assert.ok([200, 204].includes(await change('second', TOKEN)), 'or by who runs the server');
    assert.equal(await ask(amphi, 'whep', 'first'), 403);
    assert.equal(await ask(amphi, 'whep', 'second'), 201);
    assert.ok([200, 204].includes(await change('', SECRET)));
    assert.equal(await ask(amphi, 'whep'), 201);
  }));

test('rooms and their viewers are bounded', { timeout: 30000 }, () =>
  withServer(['--open-rooms', 'yes', '--max-rooms', '2', '--max-viewers-per-room', '2'], async (amphi) => {
    const make = (body = {}) => fetch(`${amphi.origin}/api/v1/rooms`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    const made = await make();
    assert.equal(made.status, 201);
    const { room, secret } = await made.json();
    assert.match(room, /^[A-Z]+-[A-Z]+-\d{3}$/);
    assert.ok(secret.length >= 22, '128 bits');
    const over = await make();
    assert.equal(over.status, 503);
    assert.equal(await ask(amphi, 'whep'), 201);
    assert.equal(await ask(amphi, 'whep'), 201);
    assert.equal(await ask(amphi, 'whep'), 503, 'the room is full');
    assert.equal(await ask(amphi, 'whip', secret), 403, 'the secret of another room');
    assert.equal(await ask(amphi, 'whip', SECRET, room), 403);
    assert.equal(await ask(amphi, 'whip', secret, room), 201);
  }));
