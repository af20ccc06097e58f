import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULTS, Settings } from '../../../signaling/web/settings.js';

function storage(text = null) {
  return {
    text,
    getItem() {
      return this.text;
    },
    setItem(_, value) {
      this.text = value;
    },
  };
}

test('what was chosen is there the next time', () => {
  const kept = storage();
  new Settings(() => kept).set('layout', 'grid');
  const again = new Settings(() => kept);
  assert.equal(again.get('layout'), 'grid');
  assert.equal(again.get('volume'), DEFAULTS.volume);
});

test('what makes no sense is forgotten', () => {
  for (const text of ['{"layout":"spiral","volume":7,"scale":"fill","toString":1}', 'no json', 'null', '[]']) {
    const settings = new Settings(() => storage(text));
    assert.equal(settings.get('layout'), 'focus');
    assert.equal(settings.get('volume'), 1);
    settings.set('volume', -1);
    assert.equal(settings.get('volume'), 1);
  }
  assert.equal(new Settings(() => storage('{"scale":"fill"}')).get('scale'), 'fill');
});

test('a browser that forbids storage still remembers for this visit', () => {
  const settings = new Settings(() => {
    throw new Error('forbidden');
  });
  settings.set('equal', true);
  assert.equal(settings.get('equal'), true);
});
