/* Board: one live tile per stream, where a room has more than one: as thumbnails beside the picture
 * (Focus), all side by side in the space there is (Grid), or in their own size in a row (Row).
 *
 * Each tile is a player of its own, so that none is black while a connection is replaced. Boxes come
 * from geometry.js. Events: `pick` (detail: trackId), `open` (the same, in Focus), `painted` (trackId: a
 * tile that was asked for by look() has shown a new picture). */

import { frame } from './camera.js';
import { gridBoxes, neighbour } from './geometry.js';
import { Player } from './player.js';

const DOUBLE = 250; // ms in which a second click means another thing
const DRAG = { mouse: 1.5 }; // how much further the row goes than a pointer; a finger goes along with it
const LERP = 0.05;
const SLIP = 6;
const MAP_EVERY = 200;
const MAP_HEIGHT = 36;

export const LAYOUTS = ['focus', 'grid', 'row'];

export function streamLabel(stream, index) {
  return stream.windowName || stream.appName || `Stream ${index + 1}`;
}

export class Board extends EventTarget {
  #element;
  #map;
  #tiles = new Map(); // trackId -> {id, button, player, label, name, size}
  #streams = [];
  #boxes = [];
  #equal = false;
  #click = null;
  #drag = null;
  #dragged = false;
  #target = null;
  #frame = null;

  constructor(element, map) {
    super();
    this.#element = element;
    this.#map = map;
    this.layout = 'focus';
    this.#listen();
    setInterval(() => this.#drawMap(), MAP_EVERY);
  }

  get count() {
    return this.#tiles.size;
  }

  /* `streams` as in streams-info, `peer` whose tracks they are, `selected` the watched one. */
  update(streams, peer, selected) {
    const wanted = streams.length > 1 ? streams : [];
    this.#streams = wanted;
    this.#element.hidden = wanted.length === 0;
    for (const [id, tile] of this.#tiles) {
      if (!wanted.some((stream) => stream.trackId === id)) {
        tile.player.close();
        tile.button.remove();
        this.#tiles.delete(id);
      }
    }
    wanted.forEach((stream, index) => {
      const tile = this.#tiles.get(stream.trackId) ?? this.#add(stream.trackId);
      const name = streamLabel(stream, index);
      tile.name.textContent = name;
      tile.size = { width: stream.width || 16, height: stream.height || 9 };
      tile.button.setAttribute('aria-label', `Watch ${name}${stream.isFocused ? ', the presenter’s focus' : ''}`);
      tile.button.setAttribute('aria-pressed', String(stream.trackId === selected));
      tile.button.classList.toggle('focused', stream.isFocused);
      tile.button.classList.toggle('paused', stream.paused);
      if (peer.tracks.has(stream.trackId)) {
        tile.player.show(peer, stream.trackId, { sound: false });
      }
    });
    this.place();
  }

  setLayout(layout, equal) {
    this.layout = layout;
    this.#equal = equal;
    this.#target = null;
    this.place();
  }

  /* Puts every tile where it belongs. */
  place() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.#element;
    const list = [...this.#ordered()];
    this.#boxes = this.layout === 'grid' ? gridBoxes(list.map((tile) => tile.size), { width, height }, this.#equal) : [];
    list.forEach(({ button, size }, index) => {
      const own = { left: 0, top: 0, width: size.width / ratio, height: size.height / ratio };
      for (const [name, value] of Object.entries(this.#boxes[index] ?? own)) {
        button.style.setProperty(`--${name}`, `${value}px`);
      }
    });
    this.#map.hidden = this.layout !== 'row' || this.#element.scrollWidth <= width + 1;
  }

  /* The size in pixels of the screen that a stream has there, and whether it is in sight. */
  sizeOf(trackId) {
    const box = this.#tiles.get(trackId)?.button.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    return box && {
      width: box.width * ratio,
      height: box.height * ratio,
      seen: box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight,
    };
  }

  /* Says `painted` when a tile has shown its next picture. */
  look(trackId) {
    const video = this.#tiles.get(trackId)?.player.video;
    const painted = () => this.dispatchEvent(new CustomEvent('painted', { detail: trackId }));
    if (video?.requestVideoFrameCallback) {
      video.requestVideoFrameCallback(painted);
    } else {
      this.#tiles.get(trackId)?.player.addEventListener('shown', painted, { once: true });
    }
  }

  /* In Grid the arrows go from one to the next; in Row they scroll. */
  arrow(key, selected) {
    const list = [...this.#ordered()];
    const at = Math.max(0, list.findIndex((tile) => tile.id === selected));
    if (this.layout === 'row') {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
      this.#element.scrollBy(way[0] * 120, way[1] * 120);
    } else if (list.length > 0) {
      const to = neighbour(this.#boxes, at, key);
      if (to !== at) {
        this.#pick(list[to].id);
        list[to].button.focus({ preventScroll: true });
      }
    }
  }

  /* In Row: goes along with the presenter's cursor, 0-1 of that picture. */
  follow(trackId, point) {
    const button = this.#tiles.get(trackId)?.button;
    if (this.layout !== 'row' || !button || this.#drag) {
      return;
    }
    const { clientWidth, clientHeight } = this.#element;
    this.#target = {
      left: button.offsetLeft + point.x * button.offsetWidth - clientWidth / 2,
      top: button.offsetTop + point.y * button.offsetHeight - clientHeight / 2,
    };
    this.#frame ??= requestAnimationFrame(() => this.#step());
  }

  rest() {
    this.#target = null;
  }

  *#ordered() {
    for (const { trackId } of this.#streams) {
      yield this.#tiles.get(trackId);
    }
  }

  #step() {
    this.#frame = null;
    const to = this.#target;
    if (!to || this.layout !== 'row') {
      return;
    }
    const element = this.#element;
    const before = [element.scrollLeft, element.scrollTop];
    const share = matchMedia('(prefers-reduced-motion: reduce)').matches ? 1 : LERP;
    const next = (from, end) => from + Math.sign(end - from) * Math.ceil(Math.abs(end - from) * share);
    element.scrollTo(next(before[0], to.left), next(before[1], to.top));
    if (element.scrollLeft !== before[0] || element.scrollTop !== before[1]) {
      this.#frame = requestAnimationFrame(() => this.#step());
    }
  }

  #pick(trackId, type = 'pick') {
    this.dispatchEvent(new CustomEvent(type, { detail: trackId }));
  }

  #add(trackId) {
    const button = document.createElement('button');
    const view = document.createElement('span');
    const name = document.createElement('span');
    button.type = 'button';
    button.className = 'tile';
    view.className = 'view';
    name.className = 'name';
    button.append(view, name);
    button.addEventListener('click', () => this.#onClick(trackId));
    this.#element.append(button);
    const player = new Player(view, { thumbnail: true });
    const tile = { id: trackId, button, player, name, size: { width: 16, height: 9 } };
    this.#tiles.set(trackId, tile);
    return tile;
  }

  /* A thumbnail switches at once. In Grid and Row a click waits a moment: a second one opens. */
  #onClick(trackId) {
    if (this.#dragged) {
      return;
    }
    const waiting = this.#click;
    clearTimeout(waiting?.timer);
    this.#click = null;
    if (this.layout === 'focus') {
      this.#pick(trackId);
    } else if (waiting?.trackId === trackId) {
      this.#pick(trackId, 'open');
    } else {
      this.#click = { trackId, timer: setTimeout(() => {
        this.#click = null;
        this.#pick(trackId);
      }, DOUBLE) };
    }
  }

  #listen() {
    const element = this.#element;
    new ResizeObserver(() => this.place()).observe(element);
    element.addEventListener('pointerdown', (event) => {
      this.#dragged = false;
      if (this.layout === 'row' && event.isPrimary && event.button === 0 && event.pointerType !== 'touch') {
        this.#drag = { x: event.clientX, y: event.clientY, left: element.scrollLeft, top: element.scrollTop };
      }
    });
    element.addEventListener('pointermove', (event) => this.#onMove(event));
    for (const name of ['pointerup', 'pointercancel', 'pointerleave']) {
      element.addEventListener(name, () => (this.#drag = null));
    }
    element.addEventListener('wheel', (event) => {
      if (this.layout === 'row' && !event.shiftKey && !event.deltaX) {
        element.scrollBy(event.deltaY, 0);
        event.preventDefault();
      }
    }, { passive: false });
    this.#map.addEventListener('click', ({ clientX }) => {
      const { left, width } = this.#map.getBoundingClientRect();
      this.#target = null;
      element.scrollTo({ left: ((clientX - left) / width) * element.scrollWidth - element.clientWidth / 2 });
    });
  }

  #onMove(event) {
    if (!this.#drag) {
      return;
    }
    const dx = event.clientX - this.#drag.x;
    const dy = event.clientY - this.#drag.y;
    if (Math.hypot(dx, dy) > SLIP) {
      this.#dragged = true;
      this.#target = null;
    }
    if (this.#dragged) {
      this.#element.scrollTo(this.#drag.left - dx * DRAG.mouse, this.#drag.top - dy * DRAG.mouse);
    }
  }

  #drawMap() {
    const element = this.#element;
    if (this.#map.hidden || document.hidden) {
      return;
    }
    const ratio = devicePixelRatio || 1;
    const scale = (MAP_HEIGHT * ratio) / element.scrollHeight;
    const map = this.#map;
    map.height = MAP_HEIGHT * ratio;
    map.width = element.scrollWidth * scale;
    const context = map.getContext('2d');
    for (const { button, player } of this.#tiles.values()) {
      const box = [button.offsetLeft, button.offsetTop, button.offsetWidth, button.offsetHeight];
      if (player.video?.videoWidth) {
        context.drawImage(player.video, ...box.map((length) => length * scale));
      }
    }
    frame(context, {
      left: element.scrollLeft / element.scrollWidth,
      top: element.scrollTop / element.scrollHeight,
      width: element.clientWidth / element.scrollWidth,
      height: element.clientHeight / element.scrollHeight,
    });
  }
}
