/* Settings: what this browser remembers of a person's choices, for every room. What cannot be stored, or is
 * not what it should be, is as if it had never been said. */

const KEY = 'amphi.viewer';
const oneOf = (...values) => (value) => values.includes(value);
const isBoolean = (value) => typeof value === 'boolean';

const KNOWN = {
  scale: oneOf('fit', 'fill', 'native'),
  layout: oneOf('focus', 'grid', 'row'),
  equal: isBoolean,
  follow: isBoolean,
  sound: isBoolean, // wanted, that is; browsers ask for a tap first
  volume: (value) => Number.isFinite(value) && value >= 0 && value <= 1,
  stats: isBoolean,
};

export const DEFAULTS = { scale: 'fit', layout: 'focus', equal: false, follow: true, sound: false, volume: 1, stats: false };

export class Settings {
  #storage;
  #values;

  /* `storage()` may throw: some browsers forbid it to pages in frames. */
  constructor(storage = () => globalThis.localStorage) {
    this.#storage = storage;
    this.#values = { ...DEFAULTS, ...this.#read() };
  }

  get(name) {
    return this.#values[name];
  }

  set(name, value) {
    if (this.#values[name] === value || !KNOWN[name]?.(value)) {
      return;
    }
    this.#values[name] = value;
    try {
      this.#storage().setItem(KEY, JSON.stringify(this.#values));
    } catch {
      // full or forbidden: it holds for this visit
    }
  }

  #read() {
    try {
      const stored = Object.entries(JSON.parse(this.#storage().getItem(KEY)) ?? {});
      return Object.fromEntries(stored.filter(([name, value]) => KNOWN[name]?.(value)));
    } catch {
      return {};
    }
  }
}
