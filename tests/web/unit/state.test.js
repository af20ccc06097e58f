import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain } from '../../../signaling/web/doctor.js';
import { describe } from '../../../signaling/web/state.js';

const FACTS = {
  signal: { state: 'joined', reason: null, attempt: 0, retryInS: null },
  media: 'none', quiet: false, sharer: 'unknown', failure: null, notice: '', hasPicture: false, blocked: false, supported: true,
};
const view = ({ signal = {}, ...rest } = {}) => describe({ ...FACTS, ...rest, signal: { ...FACTS.signal, ...signal } });
const lost = { state: 'waiting', reason: { code: 'lost', text: '' }, attempt: 2, retryInS: 3 };

/* [name, facts, state, cover, a word of the title] */
const ROWS = [
  ['first connection', { signal: { state: 'connecting' } }, 'connecting', 'card', /Connecting/],
  ['join sent', { signal: { state: 'joining' } }, 'joining', 'card', /Joining/],
  ['nobody presents', {}, 'waiting', 'card', /Waiting for the presenter/],
  ['a presenter, not offered yet', { sharer: 'live' }, 'negotiating', 'card', /Opening/],
  ['offered', { media: 'negotiating', sharer: 'live' }, 'negotiating', 'card', /Opening/],
  ['playing', { media: 'live', hasPicture: true }, 'connected', 'none', /^$/],
  ['playing, socket lost', { media: 'live', hasPicture: true, signal: lost }, 'connected', 'pill', /Signaling reconnecting/],
  ['picture and socket gone', { media: 'live', quiet: true, hasPicture: true, signal: lost }, 'reconnecting', 'pill', /^Reconnecting/],
  ['a quiet moment', { media: 'live', quiet: true, hasPicture: true }, 'connected', 'none', /^$/],
  ['playing, presenter said to have stopped', { media: 'live', sharer: 'stopped', hasPicture: true }, 'connected', 'none', /^$/],
  ['one of several has ended', { media: 'live', hasPicture: true, notice: 'Slides has ended: closed.' }, 'connected', 'pill', /^Slides has ended/],
  ['the watched one is paused', { media: 'idle', sharer: 'live', hasPicture: true, notice: 'Slides is paused.' }, 'waiting', 'pill', /paused/],
  ['no picture, and why', { media: 'idle', sharer: 'stopped', hasPicture: true, notice: 'The display is gone.' }, 'waiting', 'card', /no picture/],
  ['not a codec of this browser', { media: 'negotiating', sharer: 'live', notice: 'It cannot decode AV1.' }, 'waiting', 'card', /no picture/],
  ['too many joins', { signal: { ...lost, reason: { code: 'rate-limited', text: '' } } }, 'reconnecting', 'card', /Reconnecting/],
  ['stalled', { media: 'stalled', sharer: 'live', hasPicture: true }, 'reconnecting', 'pill', /Reconnecting/],
  ['stalled, joining anew', { media: 'stalled', hasPicture: true, signal: { state: 'joining' } }, 'reconnecting', 'pill', /Reconnecting/],
  ['presenter stopped', { media: 'idle', sharer: 'stopped', hasPicture: true }, 'waiting', 'card', /has stopped/],
  ['presenter paused', { media: 'idle', sharer: 'paused', hasPicture: true }, 'waiting', 'card', /has paused/],
  ['presenter resumed', { media: 'idle', sharer: 'live', hasPicture: true }, 'waiting', 'pill', /coming back/],
  ['socket lost before any picture', { signal: lost }, 'reconnecting', 'card', /Reconnecting/],
  ['no such room', { signal: { ...lost, reason: { code: 'room-not-found', text: '' } } }, 'not-found', 'card', /not found/],
  ['room gone', { media: 'stalled', hasPicture: true, signal: { ...lost, reason: { code: 'room-not-found', text: '' } } }, 'not-found', 'card', /ended/],
  ['room full', { signal: { ...lost, reason: { code: 'room-full', text: '' } } }, 'full', 'card', /seat/],
  ['refused', { signal: { ...lost, reason: { code: 'not-allowed', text: '' } } }, 'failed', 'card', /failed/],
  ['one failed path', { media: 'none', sharer: 'live', failure: { code: 'ice-failed', text: '', count: 1 } }, 'negotiating', 'card', /Opening/],
  ['no path', { media: 'none', sharer: 'live', failure: { code: 'ice-failed', text: '', count: 2 } }, 'failed', 'card', /failed/],
  ['no codec', { media: 'none', sharer: 'live', failure: { code: 'codec', text: 'H264', count: 1 } }, 'failed', 'card', /failed/],
  ['password', { signal: { state: 'password' } }, 'password', 'card', /Password/],
  ['autoplay refused', { media: 'negotiating', blocked: true }, 'blocked', 'card', /Ready/],
  ['no WebRTC', { supported: false }, 'failed', 'card', /cannot play/],
];

for (const [name, facts, state, cover, title] of ROWS) {
  test(name, () => {
    const { state: actual, cover: covered, title: words } = view(facts);
    assert.deepEqual([actual, covered], [state, cover]);
    assert.match(words, title);
  });
}

test('the countdown is shown while it waits, and only then', () => {
  assert.equal(view({ signal: lost }).retryInS, 3);
  assert.equal(view({ signal: lost }).attempt, 2);
  assert.equal(view({ signal: { ...lost, state: 'connecting' } }).retryInS, null);
  assert.equal(view({ media: 'live', hasPicture: true }).retryInS, null);
});

test('a failure tells its reason, with what the server said', () => {
  const failure = { code: 'dtls-failed', text: 'fingerprint mismatch.', count: 2 };
  assert.match(view({ sharer: 'live', failure }).detail, /encrypted.*\(fingerprint mismatch\)\. ./);
  assert.equal(explain({ code: 'new-code', text: '' }), 'The server said: new-code.');
  assert.equal(explain(null), '');
});

test('every reason the server has is put into words', () => {
  for (const code of ['removed', 'room-closed', 'shutdown', 'token-invalid', 'token-used', 'draining', 'answer-timeout', 'ice-timeout', 'dtls-timeout', 'consent-lost', 'rate-limited']) {
    const words = explain({ code, text: 'what the server says' });
    assert.ok(words.length > 20 && !words.includes('server says'), words);
  }
});

test('a link that opens nothing, and a seat that was taken away', () => {
  const link = view({ signal: { state: 'password', reason: { code: 'token-used', text: 'x' } } });
  assert.deepEqual([link.state, link.title, link.action], ['password', 'This link does not let you in', 'password']);
  assert.match(link.detail, /works once/);
  const gone = view({ hasPicture: true, media: 'stalled', failure: { code: 'removed', text: 'x', count: 1 } });
  assert.deepEqual([gone.state, gone.cover, gone.action], ['failed', 'card', 'retry']);
});

test('what a person can do has a button', () => {
  assert.equal(view({ blocked: true }).action, 'play');
  assert.equal(view({ signal: { state: 'password' } }).action, 'password');
  assert.equal(view({ signal: lost }).action, 'retry');
  assert.equal(view({}).action, '');
});
