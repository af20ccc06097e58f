/* Controls: keys, buttons, fullscreen, picture-in-picture, and hiding all of it after 3 s of calm.
 *
 * A command is a name; a button names it in data-command, a key in KEYS. The page gives the commands
 * that are its own (`actions`), those of the screen are here. */

const HIDE_AFTER = 3000;

/* Key -> command; letters match in either case. */
export const KEYS = new Map([
  ['f', 'fullscreen'],
  ['p', 'pip'],
  ['i', 'stats'],
  ['m', 'mute'],
  ['1', 'fit'],
  ['2', 'fill'],
  ['3', 'native'],
  ['?', 'help'],
  ['Escape', 'escape'],
]);

/* The command of a key press, or undefined: typing and the browser's own shortcuts are left alone.
 * A dialog that was just closed keeps the focus until the next frame; its keys are the page's again. */
export function commandOf(event) {
  const dialog = event.target?.closest?.('dialog');
  const typing = dialog ? dialog.open : event.target?.closest?.('input, textarea, select');
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) {
    return undefined;
  }
  return KEYS.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
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

  run(command) {
    this.#actions[command]?.();
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
    const busy = this.#root.querySelector('.bar:hover, .bar :focus-visible, dialog[open]');
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
    stage.addEventListener('pointerup', (event) => this.#onTap(event));
    for (const name of ['fullscreenchange', 'webkitfullscreenchange']) {
      document.addEventListener(name, () => this.#onFullscreen());
    }
    this.#drag(stage);
  }

  #onKey(event) {
    const command = commandOf(event);
    if (command && this.#actions[command]) {
      event.preventDefault();
      this.run(command);
    }
    this.wake();
  }

  /* A finger shows the controls or puts them away; a mouse has already shown them by moving. */
  #onTap(event) {
    if (event.pointerType !== 'touch') {
      return;
    }
    if (this.calm || !this.mayHide()) {
      this.wake();
    } else {
      clearTimeout(this.#timer);
      this.#setCalm(true);
    }
  }

  #onFullscreen() {
    const full = Boolean(document.fullscreenElement || document.webkitFullscreenElement);
    const button = this.#root.querySelector('[data-command="fullscreen"]');
    button.setAttribute('aria-pressed', String(full));
    button.setAttribute('aria-label', full ? 'Leave fullscreen' : 'Fullscreen');
    this.wake();
  }

  /* Buttons only for what this browser can do. */
  #capabilities() {
    const element = document.documentElement;
    const full = element.requestFullscreen || element.webkitRequestFullscreen
      || HTMLVideoElement.prototype.webkitEnterFullscreen;
    this.#root.querySelector('[data-command="fullscreen"]').hidden = !full;
    this.#root.querySelector('[data-command="pip"]').hidden = !document.pictureInPictureEnabled;
  }

  /* In Native the stage scrolls: fingers and wheels do it by themselves, a mouse drags. */
  #drag(stage) {
    let from = null;
    stage.addEventListener('pointerdown', (event) => {
      if (event.pointerType === 'mouse' && event.button === 0 && stage.dataset.scale === 'native') {
        from = { x: event.clientX + stage.scrollLeft, y: event.clientY + stage.scrollTop };
        stage.setPointerCapture(event.pointerId);
      }
    });
    stage.addEventListener('pointermove', (event) => {
      if (from) {
        stage.scrollTo(from.x - event.clientX, from.y - event.clientY);
      }
    });
    for (const name of ['pointerup', 'pointercancel']) {
      stage.addEventListener(name, () => (from = null));
    }
  }
}
