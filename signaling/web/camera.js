/* Camera: how the picture lies in the stage: Fit, Fill or Native, zoomed by wheel and pinch around the
 * pointer, panned by a drag, and going along with the presenter's cursor where asked to. A small map
 * shows the whole picture while only a part is seen. All sums are in geometry.js.
 *
 * It sets --x, --y, --width and --height on the stage and draws on the map five times a second. */

import { baseScale, clampCamera, overflows, panBy, pictureBox, visiblePart, zoomAt } from './geometry.js';

const LERP = 0.05; // of the way to the cursor, each frame
const HANDS_OFF = 3000; // ms after the person moved the picture in which the cursor does not
const MAP_EVERY = 200;
const MAP_WIDTH = 120;
const MAP_WIDTH_SMALL = 100;
const SMALL = 768;
const TAP = 8; // px a finger may slip in a tap

const WHOLE = { zoom: 1, x: 0.5, y: 0.5 };

export class Camera extends EventTarget {
  #stage;
  #map;
  #player;
  #camera = WHOLE;
  #natural = null;
  #target = null; // {x, y} of the picture
  #frame = null;
  #touchedAt = -Infinity;
  #pointers = new Map(); // pointerId -> {x, y}
  #still = matchMedia('(prefers-reduced-motion: reduce)');

  /* Events: `tap` (a finger that did not move the picture), `change` (zoom or scale). */
  constructor(stage, map, player) {
    super();
    this.#stage = stage;
    this.#map = map;
    this.#player = player;
    this.scale = 'fit';
    this.#listen();
    setInterval(() => this.#drawMap(), MAP_EVERY);
  }

  get zoom() {
    return this.#camera.zoom;
  }

  /* Whether a part of the picture is out of sight. */
  get partial() {
    const g = this.#geometry();
    return Boolean(g) && overflows(pictureBox(this.#camera, ...g.rest), g.stage);
  }

  setScale(scale) {
    this.scale = scale;
    this.#stage.dataset.scale = scale;
    this.reset();
  }

  reset() {
    this.#camera = WHOLE;
    this.#target = null;
    this.#touchedAt = -Infinity;
    this.layout();
  }

  /* The size that Native shows pixel by pixel: the stream's own, though a smaller one may come. */
  setNatural(size) {
    this.#natural = size;
    this.layout();
  }

  /* By a factor around a point of the window, or the middle. */
  zoomBy(factor, point = null) {
    const g = this.#geometry();
    if (g) {
      const at = point ?? { x: g.stage.width / 2, y: g.stage.height / 2 };
      this.#move(zoomAt(this.#camera, factor, at, ...g.rest));
    }
  }

  panBy(dx, dy) {
    const g = this.#geometry();
    if (g) {
      this.#move(panBy(this.#camera, dx, dy, ...g.rest));
    }
  }

  /* The presenter's cursor is there: 0-1 of the picture. */
  follow(point) {
    if (this.partial && performance.now() - this.#touchedAt > HANDS_OFF) {
      this.#target = point;
      this.#frame ??= requestAnimationFrame(() => this.#step());
    }
  }

  /* The cursor is not followed any more. */
  rest() {
    this.#target = null;
  }

  layout() {
    const g = this.#geometry();
    if (!g) {
      return;
    }
    this.#camera = clampCamera(this.#camera, ...g.rest);
    const box = pictureBox(this.#camera, ...g.rest);
    const set = (name, value) => this.#stage.style.setProperty(name, `${value}px`);
    set('--x', box.left);
    set('--y', box.top);
    set('--width', box.width);
    set('--height', box.height);
    const partial = overflows(box, g.stage);
    this.#stage.classList.toggle('partial', partial);
    this.#map.hidden = !partial;
    this.dispatchEvent(new CustomEvent('change'));
  }

  #geometry() {
    const got = this.#player.size;
    const { clientWidth: width, clientHeight: height } = this.#stage;
    if (!got || !width || !height) {
      return null;
    }
    const stage = { width, height };
    const own = this.#natural?.width && this.#natural.height ? this.#natural : got;
    // What is announced may be of a moment ago: the shape of what came is right.
    const alike = Math.abs((own.width * got.height) / (own.height * got.width) - 1) < 0.03;
    const picture = alike ? own : got;
    return { stage, picture, rest: [baseScale(this.scale, picture, stage, devicePixelRatio || 1), picture, stage] };
  }

  /* By hand: the cursor is not followed for a moment. */
  #move(camera) {
    this.#touchedAt = performance.now();
    this.#target = null;
    this.#camera = camera;
    this.layout();
  }

  #step() {
    this.#frame = null;
    const to = this.#target;
    const g = this.#geometry();
    if (!to || !g) {
      return;
    }
    const share = this.#still.matches ? 1 : LERP;
    const before = this.#camera;
    const { zoom, x, y } = before;
    this.#camera = clampCamera({ zoom, x: x + (to.x - x) * share, y: y + (to.y - y) * share }, ...g.rest);
    this.layout();
    const moved = Math.abs(this.#camera.x - before.x) + Math.abs(this.#camera.y - before.y);
    if (moved > 1e-4) {
      this.#frame = requestAnimationFrame(() => this.#step());
    }
  }

  /* ---- hands ---- */

  #at(event) {
    const { left, top } = this.#stage.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  #listen() {
    const stage = this.#stage;
    new ResizeObserver(() => this.layout()).observe(stage);
    this.#player.addEventListener('resize', () => this.layout());
    stage.addEventListener('wheel', (event) => this.#onWheel(event), { passive: false });
    stage.addEventListener('pointerdown', (event) => this.#onDown(event));
    stage.addEventListener('pointermove', (event) => this.#onMove(event));
    for (const name of ['pointerup', 'pointercancel']) {
      stage.addEventListener(name, (event) => this.#onUp(event));
    }
    this.#map.addEventListener('pointerdown', (event) => this.#onMap(event));
    this.#map.addEventListener('pointermove', (event) => event.buttons && this.#onMap(event));
  }

  /* A trackpad's pinch comes as a wheel with the control key, in small steps. */
  #onWheel(event) {
    event.preventDefault();
    const line = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) {
      this.panBy(-(event.deltaX || event.deltaY) * line, 0);
    } else {
      this.zoomBy(Math.exp(-event.deltaY * line * (event.ctrlKey ? 0.01 : 0.0018)), this.#at(event));
    }
  }

  #onDown(event) {
    if (event.pointerType === 'mouse' && event.button !== 0) {
      return;
    }
    const at = this.#at(event);
    this.#pointers.set(event.pointerId, { ...at, from: at, slipped: this.#pointers.size > 0 });
    this.#stage.setPointerCapture(event.pointerId);
  }

  #onMove(event) {
    const pointer = this.#pointers.get(event.pointerId);
    if (!pointer) {
      return;
    }
    const at = this.#at(event);
    const other = [...this.#pointers.values()].find((p) => p !== pointer);
    if (Math.hypot(at.x - pointer.from.x, at.y - pointer.from.y) > TAP || other) {
      pointer.slipped = true;
    }
    if (other) {
      const distance = (p) => Math.hypot(p.x - other.x, p.y - other.y) || 1;
      const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
      this.panBy((at.x - pointer.x) / 2, (at.y - pointer.y) / 2);
      this.zoomBy(distance(at) / distance(pointer), middle);
    } else if (pointer.slipped && this.partial) {
      this.panBy(at.x - pointer.x, at.y - pointer.y);
    }
    pointer.x = at.x;
    pointer.y = at.y;
  }

  #onUp(event) {
    const pointer = this.#pointers.get(event.pointerId);
    this.#pointers.delete(event.pointerId);
    if (pointer && !pointer.slipped && event.type === 'pointerup' && event.pointerType === 'touch') {
      this.dispatchEvent(new CustomEvent('tap'));
    }
  }

  #onMap(event) {
    const { left, top, width, height } = this.#map.getBoundingClientRect();
    const g = this.#geometry();
    if (g) {
      const x = (event.clientX - left) / width;
      const y = (event.clientY - top) / height;
      this.#move(clampCamera({ ...this.#camera, x, y }, ...g.rest));
    }
  }

  #drawMap() {
    const g = this.#map.hidden || document.hidden ? null : this.#geometry();
    if (!g) {
      return;
    }
    const map = this.#map;
    const ratio = devicePixelRatio || 1;
    const width = innerWidth <= SMALL ? MAP_WIDTH_SMALL : MAP_WIDTH;
    const height = Math.round((width * g.picture.height) / g.picture.width);
    map.width = width * ratio;
    map.height = height * ratio;
    map.style.setProperty('--map', `${width}px`);
    const context = map.getContext('2d');
    context.drawImage(this.#player.video, 0, 0, map.width, map.height);
    frame(context, visiblePart(pictureBox(this.#camera, ...g.rest), g.stage));
  }
}

/* What is out of sight is dimmed, what is seen is framed. */
export function frame(context, part) {
  const { width, height } = context.canvas;
  const box = [part.left * width, part.top * height, part.width * width, part.height * height];
  context.fillStyle = 'rgb(0 0 0 / 55%)';
  context.beginPath();
  context.rect(0, 0, width, height);
  context.rect(...box);
  context.fill('evenodd');
  context.strokeStyle = '#f4b860';
  context.lineWidth = 2 * (devicePixelRatio || 1);
  context.strokeRect(...box);
}
