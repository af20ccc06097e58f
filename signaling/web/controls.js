/* Controls: keys, buttons, fullscreen, picture-in-picture, and hiding all of it after 3 s of calm.
 *
 * A command is a name; a button names it in data-command, a key in KEYS. The page gives the commands
 * that are its own (`actions`), those of the screen are here. */

const HIDE_AFTER = 3000;

/* Key -> command; letters match in either case. */
export const KEYS = new Map([
  ['f', 'fullscreen'],
  ['p', 'pip'],
  ['g', 'layout'],
  ['e', 'equal'],
  ['c', 'follow'],
  ['i', 'stats'],
  ['m', 'mute'],
  [' ', 'pause'],
  ['k', 'pause'],
  ['s', 'snapshot'],
  ['l', 'live'],
  ['q', 'quality'],
  ['+', 'zoom-in'],
  ['=', 'zoom-in'],
  ['-', 'zoom-out'],
  ['0', 'zoom-reset'],
  ['Enter', 'enter'],
  ['ArrowLeft', 'arrow'],
  ['ArrowRight', 'arrow'],
  ['ArrowUp', 'arrow'],
  ['ArrowDown', 'arrow'],
  ['1', 'fit'],
  ['2', 'fill'],
  ['3', 'native'],
  ['?', 'help'],
  ['Escape', 'escape'],
]);

const REPEATED = new Set(['arrow', 'zoom-in', 'zoom-out']); // while the key is held

/* The command of a key press, or undefined: typing and the browser's own shortcuts are left alone, and the
 * keys that press a focused button. In Grid a tile's Enter is the page's.
 * A dialog that was just closed keeps the focus until the next frame; its keys are the page's again. */
export function commandOf(event) {
  const dialog = event.target?.closest?.('dialog');
  const typing = dialog ? dialog.open : event.target?.closest?.('input, textarea, select');
  const command = KEYS.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  if (typing || event.ctrlKey || event.metaKey || event.altKey || (event.repeat && !REPEATED.has(command))) {
    return undefined;
  }
  const presses = event.key === ' ' || event.key === 'Enter';
  return presses && event.target?.closest?.('button:not(.wide .tile), a') ? undefined : command;
}

export class Controls {
  #root;
  #player;
  #actions;
  #timer = null;

  /* `actions`: command -> function; `mayHide()`: whether there is a picture to look at; `onCalm()`: the
   * controls have hidden or come back, see `calm`. */
  constructor(root, player, { actions, mayHide, onCalm = () => {} }) {
    this.#root = root;
    this.#player = player;
    this.#actions = { fullscreen: () => this.fullscreen(), pip: () => this.pip(), ...actions };
    this.mayHide = mayHide;
    this.onCalm = onCalm;
    this.#listen();
    this.#capabilities();
    this.wake();
  }

  run(command, event) {
    return this.#actions[command]?.(event);
  }

  /* A finger has tapped the picture: shows the controls or puts them away. */
  tap() {
    if (this.calm || !this.mayHide()) {
      this.wake();
    } else {
      clearTimeout(this.#timer);
      this.#setCalm(true);
    }
  }

  /* Shows the controls and starts the 3 s again. */
  wake() {
    this.#setCalm(false);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#calm(), HIDE_AFTER);
  }

  async fullscreen() {
    const element = document.documentElement;
    const video = this.#player.video;
    try {
      if (document.fullscreenElement || document.webkitFullscreenElement) {
        await (document.exitFullscreen ?? document.webkitExitFullscreen).call(document);
      } else if (element.requestFullscreen) {
        await element.requestFullscreen({ navigationUI: 'hide' });
      } else if (element.webkitRequestFullscreen) {
        element.webkitRequestFullscreen();
      } else {
        video?.webkitEnterFullscreen?.(); // iPhones: only a video element may fill the screen
      }
    } catch {
      // Refused, for instance inside a frame without permission: the page stays as it is.
    }
  }

  async pip() {
    const video = this.#player.video;
    try {
      if (document.pictureInPictureElement) {
        await document.exitPictureInPicture();
      } else {
        await video?.requestPictureInPicture();
      }
    } catch {
      // Refused or not ready: the picture simply stays in the page.
    }
  }

  #calm() {
    const busy = this.#root.querySelector('.bar:hover, .bar :focus-visible, dialog[open], [aria-expanded="true"]');
    if (busy || !this.mayHide()) {
      this.wake();
      return;
    }
    this.#setCalm(true);
  }

  get calm() {
    return this.#root.classList.contains('calm');
  }

  #setCalm(calm) {
    if (this.calm !== calm) {
      this.#root.classList.toggle('calm', calm);
      this.onCalm();
    }
  }

  #listen() {
    const wake = () => this.wake();
    document.addEventListener('pointermove', (event) => event.pointerType !== 'touch' && wake());
    document.addEventListener('focusin', wake);
    document.addEventListener('keydown', (event) => this.#onKey(event));
    this.#root.addEventListener('click', (event) => {
      const command = event.target.closest('[data-command]')?.dataset.command;
      if (command) {
        this.run(command);
      }
    });
    const stage = this.#root.querySelector('.stage');
    stage.addEventListener('dblclick', () => this.fullscreen());
    for (const name of ['fullscreenchange', 'webkitfullscreenchange']) {
      document.addEventListener(name, () => this.#onFullscreen());
    }
  }

  #onKey(event) {
    const command = commandOf(event);
    if (command && this.#actions[command]) {
      event.preventDefault();
      this.run(command, event);
    }
    this.wake();
  }

  #onFullscreen() {
    const full = Boolean(document.fullscreenElement || document.webkitFullscreenElement);
    const button = this.#root.querySelector('[data-command="fullscreen"]');
    button.setAttribute('aria-pressed', String(full));
    this.wake();
  }

  /* Buttons only for what this browser can do. */
  #capabilities() {
    const element = document.documentElement;
    const full = element.requestFullscreen || element.webkitRequestFullscreen
      || HTMLVideoElement.prototype.webkitEnterFullscreen;
    this.#root.querySelector('[data-command="fullscreen"]').hidden = !full;
    this.#root.querySelector('[data-command="pip"]').hidden = !document.pictureInPictureEnabled
      || !('requestPictureInPicture' in HTMLVideoElement.prototype);
  }
}
