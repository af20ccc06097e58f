/* Selection: what this page wants to receive of each stream, so that nothing is sent that nobody sees.
 *
 * selectionOf(facts) is pure: the watched picture as good as it can be shown, thumbnails small, the rest
 * not at all; in a hidden tab nothing, or the smallest picture when there is sound to listen to. Selector
 * tells the server what has changed since it was told last. Glances are for thumbnails of streams that
 * come in one size only: they are received for a moment now and then. */

const NOTHING = { layer: 'auto', maxTemporal: 'auto', paused: true };
const LAYERS_MAX = 3;
const ENOUGH = 0.9; // of the pixels that could be shown, in one direction

const layersOf = ({ layers }) => (Number.isInteger(layers) && layers > 1 ? Math.min(layers, LAYERS_MAX) : 1);
const full = (layer = 'auto') => ({ layer, maxTemporal: 'auto', paused: false });

/* The smallest layer a stream has, at its lowest frame rate. */
const smallest = (stream) => ({ layer: layersOf(stream) - 1, maxTemporal: 0, paused: false });

/* The smallest layer that still has every pixel that `size` can show; 'auto' where that is the best. */
export function layerFor(stream, size) {
  const sizes = stream.layerSizes ?? [];
  const enough = ({ width, height }) => width >= ENOUGH * size.width || height >= ENOUGH * size.height;
  const best = size ? sizes.findLastIndex(enough) : 0;
  return best > 0 ? best : 'auto';
}

/* facts:
 *   streams     as announced
 *   watched     the trackIds in the player: the one in front and the one that is being prepared
 *   layout      'focus' | 'grid' | 'row'
 *   thumbnails  whether they can be seen, in Focus
 *   glances     the trackIds of which a thumbnail is due
 *   sizeOf      trackId -> {width, height, seen} of its place in Grid and Row, in pixels of the screen
 *   stage       {width, height} of the picture's place in Focus, null: whatever there is
 *   quality     trackId -> 'auto' or a layer that the person chose
 *   hidden      the page cannot be seen, nor its picture in picture
 *   muted       and would not be heard
 *   halted      the person has paused it
 * -> Map trackId -> {layer, maxTemporal, paused} */
export function selectionOf(facts) {
  const { streams, watched, layout = 'focus', glances = new Set(), quality = () => 'auto' } = facts;
  const best = (stream, size) => {
    const chosen = quality(stream.trackId);
    return full(chosen === 'auto' ? layerFor(stream, size) : Math.min(chosen, layersOf(stream) - 1));
  };
  const choose = (stream) => {
    const inFront = watched.includes(stream.trackId);
    const unseen = inFront && stream.audio && !facts.muted ? smallest(stream) : NOTHING;
    if (facts.halted) {
      return NOTHING;
    }
    if (facts.hidden) {
      return unseen;
    }
    if (layout !== 'focus' && streams.length > 1) {
      const size = facts.sizeOf(stream.trackId);
      return !size || size.seen ? best(stream, size) : unseen;
    }
    if (inFront) {
      return best(stream, facts.stage);
    }
    const small = layersOf(stream) > 1 || glances.has(stream.trackId);
    return facts.thumbnails && small ? smallest(stream) : NOTHING;
  };
  return new Map(streams.map((stream) => [stream.trackId, choose(stream)]));
}

/* The choices of quality: [{value, label}]; the first one is 'auto'. */
export function qualities({ layers, layerSizes }) {
  const count = layersOf({ layers });
  const speed = (bps) => (bps > 0 ? ` · ${bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`}` : '');
  const names = ['Best', count > 2 ? 'Middle' : 'Small', 'Small'];
  const label = (size, i) => (size?.width > 0 ? `${size.width} × ${size.height}${speed(size.bitrate)}` : names[i]);
  const list = Array.from({ length: count }, (_, i) => ({ value: String(i), label: label(layerSizes?.[i], i) }));
  return [{ value: 'auto', label: 'Auto' }, ...list];
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
    const changed = [...wanted].filter(([id, choice]) => !same(this.#told.get(id) ?? full(), choice));
    if (changed.length === 0) {
      return;
    }
    const streams = changed.map(([trackId, choice]) => ({ trackId, ...choice }));
    if (this.#send({ type: 'select', streams })) {
      changed.forEach(([id, choice]) => this.#told.set(id, choice));
    }
  }
}

const GLANCE_EVERY = 8000; // ms; each one begins with the last keyframe and what followed it
const GLANCE_FOR = 2500; // until a picture has come
const GLANCE_AFTER = 600; // and so long after it, since the first may be the one of the last keyframe

export class Glances {
  #streams = new Map(); // trackId -> {from, until, open}

  /* The trackIds that are received now. */
  get open() {
    return new Set([...this.#streams].filter(([, glance]) => glance.open).map(([id]) => id));
  }

  /* `wanted`: of which streams there are to be glances -> those that have begun. Call it each second. */
  update(wanted, now) {
    for (const id of this.#streams.keys()) {
      if (!wanted.includes(id)) {
        this.#streams.delete(id);
      }
    }
    const due = wanted.filter((id) => now - (this.#streams.get(id)?.from ?? -Infinity) >= GLANCE_EVERY);
    due.forEach((id) => this.#streams.set(id, { from: now, until: now + GLANCE_FOR, open: true }));
    this.#close(now);
    return due;
  }

  /* It has painted: ms until close(now) is worth a call. */
  painted(id, now) {
    const glance = this.#streams.get(id);
    if (glance?.open) {
      glance.until = Math.min(glance.until, now + GLANCE_AFTER);
    }
    return GLANCE_AFTER;
  }

  close(now) {
    this.#close(now);
  }

  #close(now) {
    for (const glance of this.#streams.values()) {
      glance.open = glance.open && now < glance.until;
    }
  }
}
