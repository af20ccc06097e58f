/* What the dashboard says about viewers, streams and publishers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, count, duration, publisherHealth, rate, streamHealth, viewerHealth } from '../../../signaling/web/health.js';

const viewer = (rest = {}) => ({
  id: '1', state: 'playing', state_reason: 'none', since_s: 60, transport: 'udp', rtt_ms: 20, loss_percent: 0, layer: 0, mode: 'full',
  narrow: false, queue_ms: 0, frames_decoded: 1000, frames_dropped: 0, unsupported_codec: false, ...rest,
});

test('who watches well is told apart from who does not, and why', () => {
  const rows = [
    [{}, 'good', /Watches well/],
    [{ rtt_ms: null, loss_percent: null, frames_decoded: null, frames_dropped: null, queue_ms: null }, 'good', /Watches well/],
    [{ state: 'ice', since_s: 1 }, 'idle', /a way is looked for/],
    [{ state: 'ice', since_s: 7 }, 'idle', /UDP may be blocked/],
    [{ state: 'dtls' }, 'idle', /encryption/],
    [{ state: 'wait-keyframe' }, 'idle', /first picture/],
    [{ state: 'closed', state_reason: 'consent-lost' }, 'bad', /30 s/],
    [{ state: 'closed', state_reason: 'something-new' }, 'bad', /something-new/],
    [{ unsupported_codec: true }, 'bad', /H\.264/],
    [{ loss_percent: 7.25 }, 'bad', /loses 7\.3 %/],
    [{ loss_percent: 1 }, 'warn', /sent again/],
    [{ frames_decoded: 600, frames_dropped: 200 }, 'bad', /decodes too slowly: 25 %/],
    [{ frames_decoded: 10, frames_dropped: 20 }, 'good', /well/],
    [{ queue_ms: 450 }, 'bad', /450 ms/],
    [{ mode: 'audio' }, 'bad', /only the sound/],
    [{ mode: 'slides' }, 'bad', /now and then/],
    [{ layer: 2, narrow: true }, 'warn', /takes no more/],
    [{ layer: 1 }, 'warn', /fits its window/],
    [{ rtt_ms: 300 }, 'warn', /far away/],
    [{ transport: 'tcp' }, 'warn', /UDP is blocked/],
  ];
  for (const [facts, level, words] of rows) {
    const said = viewerHealth(viewer(facts));
    assert.equal(said.level, level, JSON.stringify(facts));
    assert.match(said.words, words);
  }
  assert.deepEqual(count([viewer(), viewer({ loss_percent: 9 }), viewer({ state: 'ice' })]), { good: 1, warn: 0, bad: 1, idle: 1 });
});

test('streams and publishers say what is wrong with them', () => {
  const stream = { live: true, paused: false, capture_fps: 30, encode_fps: 29.8, end_reason: '' };
  assert.deepEqual(streamHealth(stream), { level: 'good', words: '' });
  assert.match(streamHealth({ ...stream, encode_fps: 12 }).words, /encodes 12 of 30/);
  assert.match(streamHealth({ ...stream, capture_fps: 1, encode_fps: 0 }).words, /^$/);
  assert.match(streamHealth({ ...stream, paused: true }).words, /Paused/);
  assert.match(streamHealth({ live: false, end_reason: 'the window was closed' }).words, /the window was closed/);
  assert.equal(publisherHealth({ state: 'live', loss_percent: 0 }).level, 'good');
  assert.match(publisherHealth({ state: 'live', loss_percent: 3 }).words, /asked for again/);
  assert.match(publisherHealth({ state: 'wait-media' }).words, /nothing yet/);
  assert.match(publisherHealth({ state: 'closed', state_reason: 'ice-timeout' }).words, /blocked/);
});

test('figures are for reading', () => {
  assert.equal(rate(1_840_000), '1.8 Mbit/s');
  assert.equal(rate(96_400), '96 kbit/s');
  assert.equal(duration(65), '1:05');
  assert.equal(duration(7265.9), '2:01:05');
  assert.equal(bytes(3_140_000), '3.1 MB');
  assert.equal(bytes(7.2e10), '72.0 GB');
});
