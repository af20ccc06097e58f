/* Layout: Focus, Grid or Row, how the picture fits, and whether the page goes along with the presenter. */

import { LAYOUTS } from './board.js';
import { $, press, toast } from './dom.js';

const ZOOM_STEP = 1.25;
const ARROW_STEP = 80; // px

export class Layout {
  #main;
  #client;
  #player;
  #board;
  #camera;
  #settings;
  #watching;
  #sound;

  constructor(main, { client, player, board, camera, settings, watching, sound }) {
    this.#main = main;
    this.#client = client;
    this.#player = player;
    this.#board = board;
    this.#camera = camera;
    this.#settings = settings;
    this.#watching = watching;
    this.#sound = sound;
    client.addEventListener('cursor', ({ detail }) => this.#onCursor(detail));
    camera.addEventListener('change', () => {
      this.#showFollow();
      watching.updateSoon();
    });
  }

  get #several() {
    return this.#board.count > 1;
  }

  /* One stream is always in Focus; the choice is kept for the next one. */
  show() {
    const layout = this.#several ? this.#settings.get('layout') : 'focus';
    $('#layouts').hidden = !this.#several;
    LAYOUTS.forEach((name) => press(name, name === layout));
    $('[data-command="equal"]').hidden = layout !== 'grid';
    press('equal', this.#settings.get('equal'));
    this.#showFollow();
    if (this.#main.dataset.layout !== layout) {
      this.#main.dataset.layout = layout;
      this.#main.classList.toggle('wide', layout !== 'focus');
      this.#board.setLayout(layout, this.#settings.get('equal'));
      this.#watching.update();
    }
  }

  set(layout) {
    if (this.#several) {
      this.#settings.set('layout', layout);
      this.show();
    }
  }

  next() {
    this.set(LAYOUTS[(LAYOUTS.indexOf(this.#board.layout) + 1) % LAYOUTS.length]);
    if (this.#several) {
      toast({ focus: 'Focus', grid: 'Grid', row: 'Row' }[this.#board.layout]);
    }
  }

  toggleEqual() {
    if (this.#board.layout === 'grid') {
      const equal = !this.#settings.get('equal');
      this.#settings.set('equal', equal);
      this.#board.setLayout('grid', equal);
      press('equal', equal);
      toast(equal ? 'All the same size' : 'Larger ones get more room');
      this.#watching.updateSoon();
    }
  }

  setScale(scale) {
    this.#camera.setScale(scale);
    this.#main.dataset.scale = scale;
    this.#settings.set('scale', scale);
    ['fit', 'fill', 'native'].forEach((name) => press(name, name === scale));
  }

  zoomIn() {
    this.#zoom(ZOOM_STEP);
  }

  zoomOut() {
    this.#zoom(1 / ZOOM_STEP);
  }

  toggleFollow() {
    const follow = !this.#watching.follow;
    this.#settings.set('follow', follow);
    this.#camera.rest();
    this.#board.rest();
    toast(follow ? 'Following the presenter' : 'Not following');
    this.#watching.setFollow(follow);
    this.#showFollow();
  }

  /* Arrows: among tiles, over a picture that is larger than the window, or among streams; up and down are
   * the volume. */
  arrow(key) {
    const { streams } = this.#client;
    const trackId = this.#player.shown?.trackId;
    if (this.#board.layout !== 'focus') {
      this.#board.arrow(key, trackId);
      return;
    }
    const [dx, dy] = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key];
    if (this.#camera.partial) {
      this.#camera.panBy(dx * ARROW_STEP, dy * ARROW_STEP);
    } else if (dx && streams.length > 1) {
      const at = streams.findIndex((s) => s.trackId === trackId);
      this.#watching.pick(streams.at((at - dx) % streams.length).trackId);
    } else if (dy) {
      this.#sound.louder(dy);
    }
  }

  #zoom(factor) {
    if (this.#board.layout === 'focus') {
      this.#camera.zoomBy(factor);
      toast(`${Math.round(100 * this.#camera.zoom)} %`);
    }
  }

  #showFollow() {
    $('[data-command="follow"]').hidden = !this.#several && !this.#camera.partial;
    press('follow', this.#watching.follow);
  }

  #onCursor({ trackId, x, y, inView }) {
    const point = { x: x / 100, y: y / 100 };
    if (!this.#watching.follow || !inView) {
      return;
    }
    if (this.#board.layout === 'row') {
      this.#board.follow(trackId, point);
    } else if (trackId === this.#player.shown?.trackId) {
      this.#camera.follow(point);
    }
  }
}
