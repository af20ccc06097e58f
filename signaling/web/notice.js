/* Why there is no picture, though the connection is well: of streams, their ends and their codecs.
 *
 * All but News are pure; that is what is told for a while. */

const NEWS_FOR = 8000; // ms

const named = (stream) => stream.windowName || stream.appName || 'This stream';
const sentence = (words) => words.replace(/[.\s]*$/, '.');

/* facts:
 *   stream   what is watched, or null
 *   plays    whether its codec was agreed upon
 *   live     whether the presenter sends
 *   streams, ended   as announced
 *   news     what is told for a while
 *   trouble  what the monitor has to say of a picture that plays
 * -> one sentence or several, or '' */
export function noticeOf({ stream, plays, live, streams, ended, news, trouble }) {
  if (stream?.endReason) {
    return sentence(`${named(stream)}: ${stream.endReason}`);
  }
  if (stream && !plays) {
    return `This browser cannot decode ${stream.codec.toUpperCase()}, which ${named(stream)} is sent in.`;
  }
  if (stream?.paused && live) {
    return sentence(`${named(stream)} is paused by the presenter`);
  }
  if (streams.length === 0 && ended.length > 0) {
    return ended.filter((s) => s.endReason).map((s) => sentence(`${named(s)}: ${s.endReason}`)).join(' ');
  }
  return news || trouble;
}

/* `ended`: the streams that have ended, `trackId`: what was watched. */
export function endOf(ended, trackId) {
  const stream = ended.find((s) => s.trackId === trackId && s.endReason);
  return stream ? sentence(`${named(stream)} has ended: ${stream.endReason}`) : '';
}

/* Of a server that stops in so many seconds, or before. */
export function stopWords({ endsInS }) {
  const when = endsInS > 90 ? `within ${Math.ceil(endsInS / 60)} minutes` : 'in a moment';
  return `The server stops ${when}. This page comes back when it does.`;
}

export class News {
  #over;
  #timer = null;

  /* `over()`: its time is over. */
  constructor(over) {
    this.#over = over;
    this.text = '';
  }

  tell(text) {
    if (text === this.text) {
      return;
    }
    clearTimeout(this.#timer);
    this.text = text;
    if (text) {
      this.#timer = setTimeout(() => {
        this.text = '';
        this.#over();
      }, NEWS_FOR);
    }
  }
}
