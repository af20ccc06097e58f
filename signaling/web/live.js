/* Live: keeps the picture at the live edge, and measures how far behind it is.
 *
 * The browser holds frames back in a jitter buffer. LiveEdge asks it to hold none, unless packets are lost
 * and have to be waited for; then as long as a resend takes, and less again little by little, so that the
 * picture catches up without a jump. Only one that is a second late for a while is set anew. */

const LOSSY = 2; // percent, from which waiting for resends pays
const TARGET_MAX = 400; // ms
const DECAY = 20; // ms a step
const BEHIND = 1000;
const PATIENCE = 3; // steps
const SKIP_EVERY = 5000;
const REJOIN_EVERY = 30000;

export class LiveEdge {
  #late = 0;
  #skippedAt = -Infinity;
  #rejoinedAt = -Infinity;

  constructor() {
    this.targetMs = 0; // of the jitter buffer
    this.behind = false; // by a second or more
  }

  /* Once a second, with the figures of stats.js -> '', 'refresh' (play it in a new element) or 'rejoin'
   * (that did not help). Pure but for what it remembers. */
  step({ lossPercent, rttMs, jitterMs, jitterBufferMs }, now) {
    const wanted = lossPercent >= LOSSY && rttMs !== null ? Math.min(TARGET_MAX, 1.5 * rttMs + (jitterMs ?? 0) + 10) : 0;
    this.targetMs = Math.round(Math.max(wanted, this.targetMs - DECAY));
    this.behind = jitterBufferMs !== null && jitterBufferMs - this.targetMs > BEHIND;
    this.#late = this.behind ? this.#late + 1 : 0;
    return this.#late >= PATIENCE ? this.skip(now) : '';
  }

  /* What to do to be live at once; '' when it was done a moment ago. */
  skip(now) {
    if (now - this.#skippedAt < SKIP_EVERY) {
      return '';
    }
    const again = now - this.#skippedAt < 3 * SKIP_EVERY && now - this.#rejoinedAt > REJOIN_EVERY;
    this.#skippedAt = now;
    this.#late = 0;
    if (again) {
      this.#rejoinedAt = now;
    }
    return again ? 'rejoin' : 'refresh';
  }
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1] ?? null;

/* FrameClock: from capture to screen and from arrival to screen, in ms: the median of the last frames.
 * Both come from what the browser says of each frame it presents. It knows when a frame was captured only
 * where sender and receiver have compared their clocks; else `glassMs` is null, and nothing is guessed. */
export class FrameClock {
  static FRAMES = 60;

  #video = null;
  #glass = [];
  #arrival = [];

  get glassMs() {
    return median(this.#glass);
  }

  get screenMs() {
    return median(this.#arrival);
  }

  watch(video) {
    if (this.#video !== video) {
      this.#video = video;
      this.#glass = [];
      this.#arrival = [];
      this.#ask(video);
    }
  }

  add({ expectedDisplayTime, captureTime, receiveTime }) {
    const keep = (list, since) => {
      if (Number.isFinite(since) && expectedDisplayTime >= since) {
        list.push(expectedDisplayTime - since);
        list.splice(0, list.length - FrameClock.FRAMES);
      }
    };
    keep(this.#glass, captureTime);
    keep(this.#arrival, receiveTime);
  }

  #ask(video) {
    video?.requestVideoFrameCallback?.((_, frame) => {
      if (this.#video === video) {
        this.add(frame);
        this.#ask(video);
      }
    });
  }
}
