/* The landing page: from a room code, however it was typed or pasted, to the room. */

import { isCode, normalizeCode } from './roomcode.js';

const form = document.querySelector('#enter');
const input = document.querySelector('#code');
const error = document.querySelector('#code-error');

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const code = normalizeCode(input.value);
  if (isCode(code)) {
    location.assign(`/${code}`);
    return;
  }
  error.textContent = code
    ? 'A room code has only letters, digits and dashes.'
    : 'Enter the code the presenter gave you.';
  input.setAttribute('aria-invalid', 'true');
  input.focus();
});

input.addEventListener('input', () => {
  error.textContent = '';
  input.removeAttribute('aria-invalid');
});
