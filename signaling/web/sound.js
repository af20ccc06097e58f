/* Sound: its buttons, and the offer to turn it on. It starts off, since browsers want a tap first.
 * Event: `change`, when it was turned on or off. */

import { $, press, toast } from './dom.js';

const STEP = 0.05;

export class Sound extends EventTarget {
  #player;
  #settings;
  #heard = false; // turned on or off by the person: nobody needs to be asked again

  constructor(player, settings) {
    super();
    this.#player = player;
    this.#settings = settings;
    player.setVolume(settings.get('volume'));
    $('#volume').value = String(Math.round(100 * player.volume));
    $('#volume').addEventListener('input', ({ target }) => this.#setVolume(target.valueAsNumber / 100));
  }

  /* Whether what is watched has any. */
  show(has) {
    $('#sound').hidden = !has;
    $('#unmute').hidden = !has || this.#heard || !this.#player.muted;
  }

  get #has() {
    return !$('#sound').hidden;
  }

  setMuted(muted) {
    this.#player.setMuted(muted);
    this.#heard = true;
    press('mute', !muted);
    $('#unmute').hidden = true;
    this.dispatchEvent(new CustomEvent('change'));
  }

  toggle() {
    if (this.#has) {
      this.setMuted(!this.#player.muted);
    }
  }

  /* Louder by so many steps, or less. */
  louder(steps) {
    if (this.#has) {
      this.#setVolume(Math.min(1, Math.max(0, this.#player.volume + steps * STEP)));
      toast(`Volume ${Math.round(100 * this.#player.volume)} %`);
    }
  }

  #setVolume(volume) {
    this.#player.setVolume(volume);
    this.#settings.set('volume', volume);
    $('#volume').value = String(Math.round(100 * volume));
    this.setMuted(volume === 0);
  }
}
