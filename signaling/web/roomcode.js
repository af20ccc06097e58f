/* Room codes as people type, paste and link them. Pure.
 *
 * Made-up codes are ADJECTIVE-NOUN-NNN; a presenter may choose any other of the same characters. */

const CODE = /^[A-Z0-9-]{1,63}$/;

/* What the person meant: the last part of a pasted link, upper case, one dash between the parts. */
export function normalizeCode(text) {
  const path = text.trim().replace(/[?#].*$/, '').replace(/\/+$/, '');
  return path
    .slice(path.lastIndexOf('/') + 1)
    .toUpperCase()
    .replace(/[\s_.\-\u2010-\u2015]+/g, '-')
    .replace(/^-|-$/g, '');
}

export function isCode(code) {
  return CODE.test(code);
}

/* The room of a viewer page's path, "/SWIFT-OTTER-042"; an empty string when there is none. */
export function codeFromPath(pathname) {
  const [, first = ''] = pathname.split('/');
  try {
    return decodeURIComponent(first).toUpperCase();
  } catch {
    return first.toUpperCase(); // a stray % is no reason to show nothing: the server will refuse it
  }
}
