/* Why there is no picture though the connection is well. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { LastEnd, noticeOf } from '../../../signaling/web/notice.js';

const screen = { trackId: 'video0', windowName: 'Editor', appName: 'Code', paused: false, endReason: '', codec: 'av1' };
const told = (facts) => noticeOf({
  stream: screen, plays: true, live: true, streams: [screen], ended: [], lastEnd: '', trouble: '', ...facts,
});

test('a picture that plays needs no word', () => assert.equal(told({}), ''));

test('the stream that is watched says why it is not there', () => {
  const lost = { ...screen, endReason: 'the camera was unplugged. ' };
  assert.equal(told({ stream: lost, lastEnd: 'x', trouble: 'y' }), 'Editor: the camera was unplugged.');
  assert.equal(told({ plays: false }), 'This browser cannot decode AV1, which Editor is sent in.');
  assert.equal(told({ stream: { ...screen, windowName: '', paused: true } }), 'Code is paused by the presenter.');
  assert.equal(told({ stream: { ...screen, paused: true }, live: false }), '');
});

test('when the last stream has ended all reasons are told', () => {
  const ended = [{ ...screen, endReason: 'closed' }, { ...screen, windowName: '', appName: '', endReason: 'lost' }, screen];
  assert.equal(told({ stream: null, streams: [], ended }), 'Editor: closed. This stream: lost.');
});

test('an end comes before what limits the picture', () => {
  assert.equal(told({ lastEnd: 'It ended.', trouble: 'Too slow.' }), 'It ended.');
  assert.equal(told({ trouble: 'Too slow.' }), 'Too slow.');
});

test('the end of what was watched is told for a while', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  let forgotten = 0;
  const end = new LastEnd(() => (forgotten += 1));
  end.note([{ ...screen, endReason: 'closed' }], 'video1');
  assert.equal(end.text, '');
  end.note([{ ...screen, endReason: 'closed' }], 'video0');
  assert.equal(end.text, 'Editor has ended: closed.');
  mock.timers.tick(7999);
  assert.equal(forgotten, 0);
  mock.timers.tick(1);
  assert.deepEqual([end.text, forgotten], ['', 1]);
  end.note([{ ...screen, endReason: 'closed' }], 'video0');
  end.note([], 'video0');
  mock.timers.tick(8000);
  assert.deepEqual([end.text, forgotten], ['', 1]);
  mock.timers.reset();
});
