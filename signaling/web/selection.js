/* Selection: what this page wants to receive of each stream, so that nothing is sent that nobody sees.
 *
 * selectionOf(facts) is pure: the watched picture as good as it goes, thumbnails small, the rest not at
 * all; in a hidden tab nothing, or the smallest picture when there is sound to listen to. Selector tells
 * the server what has changed since it was told last. */

const FULL = { layer: 'auto', maxTemporal: 'auto', paused: false };
const NOTHING = { layer: 'auto', maxTemporal: 'auto', paused: true };
const LAYERS_MAX = 3;

/* The smallest layer a stream has, at its lowest frame rate. */
function smallest({ layers }) {
  const count = Number.isInteger(layers) && layers > 1 ? Math.min(layers, LAYERS_MAX) : 1;
  return { layer: count - 1, maxTemporal: 0, paused: false };
}

/* facts:
 *   streams     as announced
 *   watched     the trackIds in the player: the one in front and the one that is being prepared
 *   thumbnails  whether they can be seen
 *   hidden      the page cannot be seen, nor its picture in picture
 *   muted       and would not be heard
 * -> Map trackId -> {layer, maxTemporal, paused} */
export function selectionOf({ streams, watched, thumbnails, hidden, muted }) {
  const choose = (stream) => {
    if (watched.includes(stream.trackId)) {
      const heard = stream.audio && !muted;
      return hidden ? (heard ? smallest(stream) : NOTHING) : FULL;
    }
    return thumbnails && !hidden ? smallest(stream) : NOTHING;
  };
  return new Map(streams.map((stream) => [stream.trackId, choose(stream)]));
}

const same = (a, b) => a.layer === b.layer && a.maxTemporal === b.maxTemporal && a.paused === b.paused;

export class Selector {
  #send;
  #told = new Map();

  /* `send(message)` is false when it could not be sent; then it is said again the next time. */
  constructor(send) {
    this.#send = send;
  }

  /* A new join: the server begins with everything at its best. */
  reset() {
    this.#told.clear();
  }

  update(wanted) {
    const changed = [...wanted].filter(([id, choice]) => !same(this.#told.get(id) ?? FULL, choice));
    if (changed.length === 0) {
      return;
    }
    const streams = changed.map(([trackId, choice]) => ({ trackId, ...choice }));
    if (this.#send({ type: 'select', streams })) {
      changed.forEach(([id, choice]) => this.#told.set(id, choice));
    }
  }
}
