/* Why there is no picture, though the connection is well: of streams, their ends and their codecs.
 *
 * noticeOf(facts) is pure. LastEnd remembers for a while that the stream that was watched has ended. */

const NOTICE_FOR = 8000; // ms that the end of a stream is told

const named = (stream) => stream.windowName || stream.appName || 'This stream';
const sentence = (words) => words.replace(/[.\s]*$/, '.');

/* facts:
 *   stream   what is watched, or null
 *   plays    whether its codec was agreed upon
 *   live     whether the presenter sends
 *   streams, ended   as announced
 *   lastEnd  of LastEnd
 *   trouble  what the monitor has to say of a picture that plays
 * -> one sentence or several, or '' */
export function noticeOf({ stream, plays, live, streams, ended, lastEnd, trouble }) {
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
  return lastEnd || trouble;
}

export class LastEnd {
  #forgotten;
  #timer = null;

  /* `forgotten()`: its time is over. */
  constructor(forgotten) {
    this.#forgotten = forgotten;
    this.text = '';
  }

  /* `ended`: the streams that have ended, `trackId`: what was watched. */
  note(ended, trackId) {
    const stream = ended.find((s) => s.trackId === trackId && s.endReason);
    const text = stream ? sentence(`${named(stream)} has ended: ${stream.endReason}`) : '';
    if (text === this.text) {
      return;
    }
    clearTimeout(this.#timer);
    this.text = text;
    if (text) {
      this.#timer = setTimeout(() => {
        this.text = '';
        this.#forgotten();
      }, NOTICE_FOR);
    }
  }
}
