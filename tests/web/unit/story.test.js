import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storyOf } from '../../../signaling/web/story.js';

const STREAM = { windowName: 'Slides', layerSizes: [{ width: 1920, height: 1080 }, { width: 960, height: 540 }] };
const path = (why, at_ms, rest = {}) => ({ why, at_ms, target_bps: 900000, queue_ms: 40, ...rest });
const layer = (rest) => ({ ...path('layer', 61000), track: 0, mode: 'full', layer: 1, temporal: null, ...rest });
const words = (decision) => storyOf([decision], () => STREAM)[0]?.text;

test('each decision is told in words', () => {
  assert.equal(words(path('narrow', 0)), 'The network has become narrow: 900 kbit/s fit through, and packets wait 40 ms.');
  assert.equal(words(path('narrow', 0, { queue_ms: 0 })), 'The network has become narrow: 900 kbit/s fit through.');
  assert.equal(words(layer()), 'Slides: From now on 960 × 540: 900 kbit/s fit through.');
  assert.match(words(layer({ temporal: 0 })), /960 × 540, with fewer pictures a second/);
  assert.match(words(layer({ mode: 'slides' })), /single pictures/);
  assert.match(words(layer({ mode: 'audio' })), /sound alone/);
  for (const why of ['wide', 'away', 'back', 'keyframe-cached', 'keyframe-asked',
    'keyframe-jump', 'sound-twice', 'sound-once']) {
    assert.ok(words(path(why, 0)).length > 15, why);
  }
});

test('a picture whose sizes are not known is named by its layer', () => {
  assert.match(storyOf([layer()])[0].text, /the smaller picture 1/);
  assert.match(storyOf([layer({ layer: 0 })])[0].text, /the best picture/);
});

test('the newest comes first, what is repeated is told once, and there is an end to it', () => {
  const list = storyOf([path('narrow', 1000), path('keyframe-cached', 2000), path('keyframe-cached', 65000), path('wide', 70000)]);
  assert.deepEqual(list.map(({ at, times }) => [at, times]), [['1:10', 1], ['1:05', 2], ['0:01', 1]]);
  const many = Array.from({ length: 32 }, (_, i) => path('narrow', 1000 * i, { queue_ms: i }));
  assert.equal(storyOf(many).length, 8);
});

test('loss is told, and its end', () => {
  const [clean, lossy] = storyOf([path('lossy', 1000), path('clean', 40000)]);
  assert.match(lossy.text, /Packets are lost/);
  assert.match(clean.text, /at once/);
});

test('what makes no sense is left out', () => {
  assert.deepEqual(storyOf([null, 7, {}, { why: 'new' }]), []);
  assert.deepEqual(storyOf('x'), []);
});
