import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../../signaling/web/backoff.js';

const delays = (random, n) => {
  const backoff = new Backoff({ random });
  return Array.from({ length: n }, () => backoff.next());
};

test('the longest delays double up to 8 s', () => {
  assert.deepEqual(delays(() => 1, 7), [1000, 2000, 4000, 8000, 8000, 8000, 8000]);
});

test('no delay is shorter than half a second', () => {
  assert.deepEqual(delays(() => 0, 6), [500, 500, 500, 500, 500, 500]);
});

test('it stays bounded after very many tries', () => {
  const backoff = new Backoff({ random: () => 1 });
  for (let i = 0; i < 5000; i += 1) {
    assert.ok(backoff.next() <= 8000);
  }
  assert.equal(backoff.attempt, 5000);
});

test('reset starts again', () => {
  const backoff = new Backoff({ random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.attempt, 0);
  assert.equal(backoff.next(), 1000);
});
