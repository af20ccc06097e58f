/* Links for one viewer: each has a signed token that opens the room once, in place of its password. The server
 * makes them, if it has a secret to sign with; else, and where no password is asked for, the page offers none. */

const $ = (selector) => document.querySelector(selector);
const say = (words) => ($('#ticket-said').textContent = words);

/* Shows whether the room may have such links; call it whenever its password may have changed. */
export async function showTickets(room) {
  const answer = await fetch(`/api/v1/rooms/${room}`).catch(() => null);
  const { tokens = false, password_required: locked = false } = answer?.ok ? await answer.json() : {};
  $('#ticket').hidden = !tokens || !locked;
}

async function make({ room, secret }) {
  const answer = await fetch(`/api/v1/rooms/${room}/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
    body: JSON.stringify({ expires_in: Number($('#ticket-lasts').value), max_layer: Number($('#ticket-layer').value) }),
  });
  const said = await answer.json();
  if (answer.status !== 201) {
    throw new Error(said.detail);
  }
  return said.url;
}

/* `page` has {room, secret} at the time of a press. */
export function offerTickets(page) {
  $('#ticket-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const link = $('#ticket-link');
    link.hidden = true;
    try {
      link.textContent = new URL(await make(page), location.origin).href;
    } catch (error) {
      say(`No link was made: ${error.message}`);
      return;
    }
    try {
      await navigator.clipboard.writeText(link.textContent);
      say('Copied. It opens the room once; who loads the page again needs another one.');
    } catch { // pages without https may not copy by themselves
      link.hidden = false;
      getSelection().selectAllChildren(link);
      say('Copy it now. It opens the room once; who loads the page again needs another one.');
    }
  });
}
