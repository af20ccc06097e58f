import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidatesOf, explain, triedWords, verdict } from '../../../signaling/web/doctor.js';

const OURS = 'a=candidate:1 1 udp 2113937151 192.0.2.7 54400 typ host generation 0\r\n'
  + 'a=candidate:2 1 udp 1677729535 198.51.100.4 54400 typ srflx raddr 0.0.0.0 rport 0\r\n';
const THEIRS = 'a=candidate:1 1 udp 2130706431 203.0.113.1 8189 typ host\r\n'
  + 'a=candidate:2 1 udp 2130706431 2001:db8::1 8189 typ host\r\n'
  + 'a=candidate:2 2 udp 2130706431 2001:db8::1 8189 typ host\r\n'
  + 'a=candidate:3 1 tcp 1010827775 203.0.113.1 8189 typ host tcptype passive\r\n';

test('candidates are read, and none twice', () => {
  assert.deepEqual(candidatesOf(THEIRS).map(({ transport, address }) => `${transport} ${address}`), [
    'UDP 203.0.113.1:8189', 'UDP [2001:db8::1]:8189', 'TCP 203.0.113.1:8189',
  ]);
  assert.deepEqual(candidatesOf(undefined), []);
});

test('a connection that failed says which ways were tried', () => {
  assert.equal(triedWords(OURS, THEIRS), 'Tried from its own address and its public address to '
    + 'UDP 203.0.113.1:8189, UDP [2001:db8::1]:8189 and TCP 203.0.113.1:8189.');
  assert.match(triedWords(OURS, THEIRS.split('\r\n')[0]), /The server offers no TCP\.$/);
  assert.match(triedWords('', THEIRS), /browser has named no address/);
  assert.match(triedWords(OURS, ''), /server has named no address/);
  const many = Array.from({ length: 7 }, (_, i) => `a=candidate:${i} 1 udp 1 203.0.113.${i} 9 typ host`).join('\r\n');
  assert.match(triedWords(OURS, many), /203\.0\.113\.3:9 and 3 more\./);
});

test('what ended says what to do', () => {
  assert.match(explain({ code: 'ice-timeout', tried: 'Tried all.' }), /block UDP and TCP.*Tried all\.$/);
  assert.match(explain({ code: 'no-common-codec', text: 'only AV1' }), /cannot decode .*\(only AV1\)\. Another browser/);
  assert.match(explain({ code: 'token-used' }), /works once\. Ask the presenter/);
  assert.match(explain({ code: 'draining', text: 'the server stops' }), /^The server is about to stop\. This page/);
});

const STREAM = { width: 1920, height: 1080, layerSizes: [
  { width: 1920, height: 1080, bitrate: 6e6 }, { width: 960, height: 540, bitrate: 15e5 }, { width: 480, height: 270, bitrate: 4e5 },
] };
const WELL = {
  fps: 30, receivedFps: 30, droppedPerS: 0, decodeMs: 4, lossPercent: 0, jitterBufferMs: 20, rttMs: 12, bitrateBps: 5e6,
  width: 1920, height: 1080, transport: 'UDP',
};
const cause = (figures, facts = { stream: STREAM }) => verdict({ ...WELL, ...figures }, facts)?.cause;

test('what limits a picture: the worst comes first', () => {
  assert.equal(cause({}), '');
  assert.equal(cause({ fps: 0.5, receivedFps: 0.5 }), 'still');
  assert.equal(cause({ droppedPerS: 9, fps: 21, lossPercent: 8 }), 'decoder');
  assert.equal(cause({ decodeMs: 31, fps: 28 }), 'decoder');
  assert.equal(cause({ lossPercent: 8 }), 'loss');
  assert.equal(cause({ lossPercent: 1.5 }), 'loss');
  assert.equal(cause({ jitterBufferMs: 700 }), 'uneven');
  assert.equal(cause({ rttMs: 250 }), 'far');
  assert.equal(cause({ width: 960, height: 540 }), 'layer');
  assert.equal(cause({ transport: 'TCP' }), 'tcp');
  assert.equal(cause({ width: 480, height: 270, bitrateBps: 2e5, lossPercent: 4 }), 'network');
});

test('a verdict says what to do, and never more than is known', () => {
  const words = (figures, facts = { stream: STREAM }) => verdict({ ...WELL, ...figures }, facts).text;
  assert.match(words({ droppedPerS: 9, fps: 21 }), /of 30 pictures a second it shows 21\. Choose a smaller quality/);
  assert.match(words({ droppedPerS: 9, fps: 21 }, {}), /Ask the presenter/);
  assert.match(words({ lossPercent: 8, transport: 'TCP' }), /loses 8\.0 %.*UDP is blocked/);
  assert.match(words({ width: 480, height: 270, bitrateBps: 2e5, lossPercent: 4 }), /200 kbit\/s arrive, it needs 400 kbit\/s/);
  assert.match(words({ width: 960, height: 540 }, { stream: STREAM, quality: 1 }), /what you chose\.$/);
  assert.equal(verdict({ ...WELL, fps: null }, {}), null);
  assert.equal(verdict(null), null);
  assert.equal(cause({ lossPercent: null, jitterBufferMs: null, rttMs: null, decodeMs: null, droppedPerS: null }), '');
});
