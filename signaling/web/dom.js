/* What every part of the viewer page does to its elements. */

export const FADE = 300; // ms; what leaves has gone by then, see the transitions in viewer.css
const TOAST_FOR = 2500;

export const $ = (selector) => document.querySelector(selector);

/* Writes only what changed, so that screen readers are not told the same thing every second. */
export function write(element, words) {
  if (element.textContent !== words) {
    element.textContent = words;
  }
}

export const press = (command, pressed) => $(`[data-command="${command}"]`).setAttribute('aria-pressed', String(pressed));

let toasting = null;

/* A word about what a key has just done. */
export function toast(words) {
  clearTimeout(toasting);
  write($('#toast'), words);
  $('#toast').classList.add('shown');
  toasting = setTimeout(() => {
    $('#toast').classList.remove('shown');
    toasting = setTimeout(() => write($('#toast'), ''), FADE);
  }, TOAST_FOR);
}
