/* Why there is no picture though the connection is well. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { News, endOf, noticeOf, stopWords } from '../../../signaling/web/notice.js';

const screen = { trackId: 'video0', windowName: 'Editor', appName: 'Code', paused: false, endReason: '', codec: 'av1' };
const told = (facts) => noticeOf({
  stream: screen, plays: true, live: true, streams: [screen], ended: [], news: '', trouble: '', ...facts,
});

test('a picture that plays needs no word', () => assert.equal(told({}), ''));

test('the stream that is watched says why it is not there', () => {
  const lost = { ...screen, endReason: 'the camera was unplugged. ' };
  assert.equal(told({ stream: lost, news: 'x', trouble: 'y' }), 'Editor: the camera was unplugged.');
  assert.equal(told({ plays: false }), 'This browser cannot decode AV1, which Editor is sent in.');
  assert.equal(told({ stream: { ...screen, windowName: '', paused: true } }), 'Code is paused by the presenter.');
  assert.equal(told({ stream: { ...screen, paused: true }, live: false }), '');
});

test('when the last stream has ended all reasons are told', () => {
  const ended = [{ ...screen, endReason: 'closed' }, { ...screen, windowName: '', appName: '', endReason: 'lost' }, screen];
  assert.equal(told({ stream: null, streams: [], ended }), 'Editor: closed. This stream: lost.');
});

test('news come before what limits the picture', () => {
  assert.equal(told({ news: 'It ended.', trouble: 'Too slow.' }), 'It ended.');
  assert.equal(told({ trouble: 'Too slow.' }), 'Too slow.');
});

test('the end of what was watched', () => {
  assert.equal(endOf([{ ...screen, endReason: 'closed' }], 'video1'), '');
  assert.equal(endOf([screen], 'video0'), '');
  assert.equal(endOf([{ ...screen, endReason: 'closed' }], 'video0'), 'Editor has ended: closed.');
});

test('a server that stops says when', () => {
  assert.match(stopWords({ endsInS: 300 }), /^The server stops within 5 minutes\. This page/);
  assert.match(stopWords({ endsInS: 10 }), /in a moment/);
});

test('news are told for a while', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  let forgotten = 0;
  const news = new News(() => (forgotten += 1));
  news.tell('It ended.');
  mock.timers.tick(7999);
  assert.deepEqual([news.text, forgotten], ['It ended.', 0]);
  mock.timers.tick(1);
  assert.deepEqual([news.text, forgotten], ['', 1]);
  news.tell('It ended.');
  news.tell('');
  mock.timers.tick(8000);
  assert.deepEqual([news.text, forgotten], ['', 1]);
  mock.timers.reset();
});
