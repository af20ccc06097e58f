/* Back-off for reconnects: how long to wait before the n-th try.
 *
 * The n-th delay is uniform in [first, min(max, first * 2^n)]. The spread is wide on purpose: when a
 * server restarts, all its viewers lose their socket in the same millisecond and must not come back
 * in the same one. Times are milliseconds. Pure: the random source is an argument. */

export class Backoff {
  constructor({ first = 500, max = 8000, random = Math.random } = {}) {
    this.first = first;
    this.max = max;
    this.random = random;
    this.attempt = 0;
  }

  /* The next delay; counts the attempt. */
  next() {
    this.attempt += 1;
    // 2^30 is far beyond any max and still an exact number.
    const ceiling = Math.min(this.max, this.first * 2 ** Math.min(this.attempt, 30));
    return this.first + this.random() * (ceiling - this.first);
  }

  reset() {
    this.attempt = 0;
  }
}
