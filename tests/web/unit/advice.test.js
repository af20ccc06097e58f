/* What the presenter page says when something does not work. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captureAdvice, describe, environmentAdvice, explain, limitAdvice } from '../../../signaling/web/advice.js';

const facts = (rest = {}) => ({
  client: { state: 'joined', reason: null, retryInS: 0 }, media: 'live', failure: null, sharing: true, paused: false, ...rest,
});
const client = (state, reason = null, retryInS = 0) => ({ client: { state, reason, retryInS } });

test('each state has one word for itself', () => {
  const rows = [
    [facts(), 'live'],
    [facts({ paused: true }), 'paused'],
    [facts({ sharing: false, media: 'none' }), 'ready'],
    [facts({ ...client('idle'), sharing: false, media: 'none' }), 'ready'],
    [facts({ ...client('connecting'), media: 'none' }), 'connecting'],
    [facts({ media: 'negotiating' }), 'connecting'],
    [facts({ media: 'lost', failure: { code: 'ice-failed', text: '' } }), 'reconnecting'],
    [facts({ ...client('waiting', { code: 'lost', text: '' }, 4), media: 'none' }), 'reconnecting'],
    [facts({ ...client('closed', { code: 'replaced', text: '' }) }), 'refused'],
  ];
  for (const [given, state] of rows) {
    assert.equal(describe(given).state, state, JSON.stringify(given));
  }
});

test('pictures that still flow are not said to be lost with the socket', () => {
  const said = describe(facts(client('waiting', { code: 'unreachable', text: '' }, 3)));
  assert.equal(said.state, 'live');
  assert.match(said.detail, /still sent.*in 3 s/);
});

test('only what pressing a button can change has one', () => {
  assert.equal(describe(facts(client('closed', { code: 'secret-invalid', text: '' }))).retry, false);
  assert.equal(describe(facts(client('closed', { code: 'replaced', text: '' }))).retry, true);
  assert.equal(describe(facts({ media: 'lost', failure: { code: 'media-lost', text: '' } })).retry, true);
  assert.equal(describe(facts()).retry, false);
});

test('the server’s own words are added where they say more, and are kept where nothing is known', () => {
  assert.match(explain({ code: 'bad-sdp', text: 'the offer has no fingerprint.' }), /\(the offer has no fingerprint\)$/);
  assert.doesNotMatch(explain({ code: 'ice-timeout', text: 'no media packet of yours reached the server' }), /\(/);
  assert.match(explain({ code: 'ice-timeout', text: '' }), /UDP/);
  assert.match(explain({ code: 'never-heard-of', text: 'the moon is full' }), /The server said: the moon is full/);
  assert.match(explain({ code: 'ice-failed', text: '', tried: 'Tried from here to there.' }), /Tried from here/);
  assert.match(describe(facts({ way: 'TCP' })).detail, /over TCP/);
  assert.equal(describe(facts({ way: 'UDP' })).detail, '');
  assert.equal(explain(null), '');
  for (const code of ['secret-required', 'no-common-codec', 'slot-taken', 'draining', 'shutdown', 'removed', 'dtls-failed', 'room-taken', 'server-full', 'no-more-rooms']) {
    assert.doesNotMatch(explain({ code, text: 'x' }), /The server said/, code);
  }
});

test('what the browser refuses is told with its way out', () => {
  const error = (name, message = '') => ({ name, message });
  assert.match(captureAdvice(error('NotAllowedError'), 'camera'), /icon beside the address/);
  assert.match(captureAdvice(error('NotAllowedError', 'Permission denied by system'), 'screen'), /privacy settings/);
  assert.match(captureAdvice(error('NotFoundError'), 'microphone'), /No microphone/);
  assert.match(captureAdvice(error('NotReadableError'), 'camera'), /another program/);
  assert.match(captureAdvice(error('TypeError', 'odd'), 'screen'), /odd/);
  assert.equal(captureAdvice(error('AbortError'), 'screen'), '');
});

test('a page that cannot capture says where it could', () => {
  const all = { secure: true, webrtc: true, devices: true, display: true, host: 'h:1' };
  assert.equal(environmentAdvice(all), '');
  assert.match(environmentAdvice({ ...all, secure: false }), /https:\/\/h:1\/present/);
  assert.match(environmentAdvice({ ...all, webrtc: false }), /WebRTC/);
  assert.match(environmentAdvice({ ...all, display: false }), /camera works/);
  assert.match(environmentAdvice({ ...all, devices: false }), /cameras/);
  assert.equal(limitAdvice('none'), '');
  assert.match(limitAdvice('cpu'), /computer/);
});
