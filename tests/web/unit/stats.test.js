import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figures, rows, sample } from '../../../signaling/web/stats.js';

function report(at, inbound = {}, extra = []) {
  return new Map([
    ['other', { type: 'inbound-rtp', kind: 'video', trackIdentifier: 'other', framesDecoded: 9999, timestamp: at }],
    ['in', {
      type: 'inbound-rtp', kind: 'video', trackIdentifier: 'screen', ssrc: 5, timestamp: at, codecId: 'c', transportId: 't',
      frameWidth: 1920, frameHeight: 1080, bytesReceived: 0, packetsReceived: 0, packetsLost: 0, framesDecoded: 0,
      framesDropped: 0, jitterBufferDelay: 0, jitterBufferEmittedCount: 0, jitter: 0.002, nackCount: 1, pliCount: 2,
      freezeCount: 0, totalFreezesDuration: 0, ...inbound,
    }],
    ['c', { type: 'codec', mimeType: 'video/H264' }],
    ['t', { type: 'transport', selectedCandidatePairId: 'p' }],
    ['p', { type: 'candidate-pair', localCandidateId: 'l', remoteCandidateId: 'r', currentRoundTripTime: 0.012 }],
    ['l', { type: 'local-candidate', candidateType: 'host', protocol: 'udp' }],
    ['r', { type: 'remote-candidate', candidateType: 'host' }],
    ...extra,
  ]);
}

const value = (table, name) => table.find((row) => row.name === name);

test('two samples give the rates of the watched track over the time between them', () => {
  const before = sample(report(1000), 'screen');
  const after = sample(report(3000, {
    bytesReceived: 750000, packetsReceived: 990, packetsLost: 10, framesDecoded: 60,
    jitterBufferDelay: 1.2, jitterBufferEmittedCount: 60,
  }), 'screen');
  const f = figures(before, after);
  assert.equal(f.fps, 30);
  assert.equal(f.bitrateBps, 3e6);
  assert.equal(f.lossPercent, 1);
  assert.ok(Math.abs(f.jitterBufferMs - 20) < 1e-9);
  assert.equal(f.rttMs, 12);
  assert.equal(f.jitterMs, 2);
  assert.equal(f.codec, 'H264');
  assert.equal(f.path, 'Direct');
  assert.equal(f.transport, 'UDP');
});

test('there are no rates without a comparable sample', () => {
  const now = sample(report(3000, { framesDecoded: 60 }), 'screen');
  for (const before of [null, { ...now, ssrc: 6, at: 1000 }, { ...now, track: 'x', at: 1000 }, now]) {
    const f = figures(before, now);
    assert.deepEqual([f.fps, f.bitrateBps, f.lossPercent, f.jitterBufferMs], [null, null, null, null]);
    assert.equal(f.framesDecoded, 60);
  }
});

test('a track without packets has no sample', () => {
  assert.equal(sample(report(0), 'nothing'), null);
  assert.equal(sample(new Map(), 'screen'), null);
});

test('packets that arrive after all do not make the loss negative', () => {
  const before = sample(report(1000, { packetsLost: 10 }), 'screen');
  const after = sample(report(2000, { packetsLost: 7, packetsReceived: 100 }), 'screen');
  assert.equal(figures(before, after).lossPercent, 0);
});

test('what was measured on a way that is gone is not told as if it were now', () => {
  const before = sample(report(1000, { packetsReceived: 100 }), 'screen');
  for (const end of [{ dtlsState: 'closed' }, { iceState: 'disconnected' }, { iceState: 'failed' }]) {
    const gone = report(2000, { packetsReceived: 100 });
    gone.set('t', { ...gone.get('t'), dtlsState: 'connected', iceState: 'connected', ...end });
    const f = figures(before, sample(gone, 'screen'));
    assert.deepEqual([f.rttMs, f.path, f.transport, f.jitterMs], [null, null, null, null]);
  }
});

test('a relay at either end is a relay; a browser without transport statistics has a nominated pair', () => {
  const relay = sample(report(0, {}, [['r', { type: 'remote-candidate', candidateType: 'relay' }]]), 'screen');
  assert.equal(relay.path, 'Relay');
  const other = report(0);
  other.delete('t');
  other.set('p', { ...other.get('p'), nominated: true, state: 'succeeded' });
  assert.equal(sample(other, 'screen').path, 'Direct');
  other.delete('p');
  assert.equal(sample(other, 'screen').path, null);
});

test('what the browser does not tell is a dash, not a zero', () => {
  const bare = new Map([['in', { type: 'inbound-rtp', kind: 'video', trackIdentifier: 'screen', timestamp: 0 }]]);
  const table = rows(figures(null, sample(bare, 'screen')));
  for (const { name, value: words } of table) {
    assert.match(words, /^–( \/ –)?$/, name);
  }
});

test('words and colours', () => {
  const f = {
    ...figures(null, sample(report(0), 'screen')),
    fps: 29.97, bitrateBps: 2_345_678, lossPercent: 1.5, lost: 1234, rttMs: 250, jitterBufferMs: 20, freezes: 2, freezeMs: 1500,
  };
  const table = rows(f, 412);
  assert.equal(value(table, 'resolution').value, '1920 × 1080');
  assert.equal(value(table, 'fps').value, '30.0 fps');
  assert.equal(value(table, 'bitrate').value, '2.35 Mbit/s');
  assert.equal(value(table, 'loss').value, '1.50 % (1,234 in all)');
  assert.equal(value(table, 'loss').grade, 'warn');
  assert.equal(value(table, 'rtt').grade, 'bad');
  assert.equal(value(table, 'buffer').grade, '');
  assert.equal(value(table, 'freezes').value, '2 (1.5 s)');
  assert.equal(value(table, 'first').value, '412 ms');
  assert.equal(value(table, 'connection').value, 'Direct · UDP');
  assert.equal(value(rows({ ...f, bitrateBps: 420_000 }), 'bitrate').value, '420 kbit/s');
});
