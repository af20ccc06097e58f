/* Covers: the words over the picture, on a card where there is none, in a pill where there is one. What they
 * say is decided by describe(), see state.js. */

import { $, FADE, write } from './dom.js';

const COUNTDOWN_TICK = 250;
const ACTIONS = { retry: 'Try now', play: 'Play', password: 'Enter password' };

function retryWords({ attempt, retryInS }) {
  if (retryInS === null) {
    return '';
  }
  const when = retryInS > 0 ? `next try in ${retryInS} s` : 'trying now';
  return attempt > 1 ? `Try ${attempt} · ${when}` : when.replace(/^./, (c) => c.toUpperCase());
}

const covers = {
  card: (view) => {
    write($('#status-title'), view?.title ?? '');
    write($('#status-detail'), view?.detail ?? '');
    write($('#status-retry'), view ? retryWords(view) : '');
    $('#status-action').hidden = !view?.action;
    write($('#status-action'), ACTIONS[view?.action] ?? '');
  },
  pill: (view) => {
    write($('#pill-title'), view?.title ?? '');
    write($('#pill-retry'), view ? retryWords(view) : '');
    write($('#pill-reason'), view?.reason ?? '');
  },
};

export class Covers {
  #main;
  #again;
  #fading = null;
  #countdown = null;

  /* `again()`: the seconds of a countdown have changed. */
  constructor(main, again) {
    this.#main = main;
    this.#again = again;
  }

  show(view, { hasPicture }) {
    const main = this.#main;
    covers[view.cover]?.(view);
    if (main.dataset.cover !== view.cover) {
      clearTimeout(this.#fading);
      this.#fading = setTimeout(() => this.#empty(), FADE);
    }
    main.dataset.state = view.state;
    main.dataset.cover = view.cover;
    main.classList.toggle('busy', view.busy);
    main.classList.toggle('has-picture', hasPicture);
    $('#live').hidden = view.state !== 'connected';
    $('#resume').hidden = view.state !== 'paused';
    clearTimeout(this.#countdown);
    if (view.retryInS !== null) {
      this.#countdown = setTimeout(this.#again, COUNTDOWN_TICK);
    }
  }

  /* One that leaves keeps its words until it has faded, then it is emptied, so that screen readers hear the
   * same words again when they are news again. */
  #empty() {
    for (const [name, say] of Object.entries(covers)) {
      if (name !== this.#main.dataset.cover) {
        say(null);
      }
    }
  }
}
