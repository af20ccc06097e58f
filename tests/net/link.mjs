/* One direction of a bad network, on whatever clock its caller has: which datagrams pass, and when.
 * Everything random comes from the seed; each datagram draws the same number of values whatever is
 * set, so a setting changed on the way does not change what the others do. Times in milliseconds. */

export const PERFECT = {
  loss: 0, // 0..1, of datagrams in the good state (the only one without a burst)
  burst: null, // Gilbert-Elliott: {enter, leave, loss}: probabilities per datagram
  delay: 0, // one way
  jitter: 0, // up to so much more, evenly spread; the order stays
  reorder: 0, // 0..1, of datagrams that are held up and may be overtaken ...
  reorderBy: 20, // ... for so long
  duplicate: 0, // 0..1
  rate: 0, // bit/s through a bottleneck; 0: none
  queue: 32 * 1024, // bytes that wait in front of the bottleneck; more are dropped
};

const MAXIMUM = {
  loss: 1, delay: 60000, jitter: 60000, reorder: 1, reorderBy: 60000, duplicate: 1,
  rate: 1e10, queue: 64 * 1024 * 1024,
};
const BURST = ['enter', 'leave', 'loss'];

/** Numbers from 0 to below 1, the same ones for the same seed (a 32-bit Weyl sequence, mixed). */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

const within = (value, maximum) => Number.isFinite(value) && value >= 0 && value <= maximum;

function check(change) {
  for (const [name, value] of Object.entries(change)) {
    const fine = name === 'burst'
      ? value === null || BURST.every((part) => within(value[part], 1))
      : name in MAXIMUM && within(value, MAXIMUM[name]);
    if (!fine) {
      throw new RangeError(`${name}: ${JSON.stringify(value)}`);
    }
  }
}

export class Link {
  #random;
  #bad = false; // the state of the burst
  #freeAt = 0; // when the bottleneck has sent what waits
  #lastAt = 0; // when the latest one in order arrives
  #darkUntil = 0;

  constructor(seed, settings = {}) {
    this.#random = seeded(seed);
    this.settings = { ...PERFECT };
    this.counters = { in: 0, out: 0, lost: 0, dark: 0, full: 0, duplicated: 0, reordered: 0 };
    this.set(settings);
  }

  /** Throws a RangeError, and changes nothing, for what is unknown or out of range. */
  set(change) {
    check(change);
    Object.assign(this.settings, change);
  }

  /** Nothing passes before `until`. */
  blackout(until) {
    this.#darkUntil = until;
  }

  /** When a datagram of `size` bytes that comes at `now` arrives: never, once or twice. */
  pass(now, size) {
    const drawn = Array.from({ length: 6 }, this.#random);
    const { settings: s, counters: c } = this;
    c.in++;
    const lost = this.#isLost(drawn[0], drawn[1]);
    if (now < this.#darkUntil) {
      c.dark++;
      return [];
    }
    if (lost) {
      c.lost++;
      return [];
    }
    const sent = this.#sentAt(now, size);
    if (sent === null) {
      c.full++;
      return [];
    }
    const arrivals = [this.#arrivesAt(sent + s.delay + s.jitter * drawn[2], drawn[3])];
    if (drawn[4] < s.duplicate) {
      c.duplicated++;
      arrivals.push(arrivals[0] + s.jitter * drawn[5]);
    }
    c.out += arrivals.length;
    return arrivals;
  }

  #isLost(turn, fate) {
    const { burst, loss } = this.settings;
    if (!burst) {
      this.#bad = false;
      return fate < loss;
    }
    this.#bad = this.#bad ? turn >= burst.leave : turn < burst.enter;
    return fate < (this.#bad ? burst.loss : loss);
  }

  #sentAt(now, size) {
    const { rate, queue } = this.settings;
    if (rate === 0) {
      return now;
    }
    const begin = Math.max(now, this.#freeAt);
    if (((begin - now) / 8000) * rate + size > queue) {
      return null;
    }
    this.#freeAt = begin + (size * 8000) / rate;
    return this.#freeAt;
  }

  #arrivesAt(at, turn) {
    if (turn < this.settings.reorder) {
      this.counters.reordered++;
      return at + this.settings.reorderBy;
    }
    this.#lastAt = Math.max(this.#lastAt, at);
    return this.#lastAt;
  }
}
