/* PasswordDialog: asks for the room's password until it is right. */

import { $, write } from './dom.js';

export class PasswordDialog {
  #dialog = $('#password-dialog');
  #input = $('#password');

  /* `submit(password)` tries it; the server's word about it comes to ask() or close(). */
  constructor(room, submit) {
    write($('#password-room'), room);
    $('#password-form').addEventListener('submit', (event) => {
      event.preventDefault();
      submit(this.#input.value);
    });
    $('#password-reveal').addEventListener('click', () => {
      const shown = this.#input.type === 'text';
      this.#input.type = shown ? 'password' : 'text';
      $('#password-reveal').setAttribute('aria-pressed', String(!shown));
    });
  }

  ask(error) {
    write($('#password-error'), error);
    this.#input.setAttribute('aria-invalid', String(Boolean(error)));
    if (!this.#dialog.open) {
      this.#dialog.showModal();
    }
    this.#input.select();
  }

  close() {
    if (this.#dialog.open) {
      this.#dialog.close();
    }
  }
}
