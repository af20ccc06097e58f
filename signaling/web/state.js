/* What the page says: from the facts of signaling and media to one state and its words. Pure.
 *
 * describe(facts) -> {state, cover, title, detail, reason, busy, action, retryInS, attempt}
 *   state   the name, also `amphi.state` and <main data-state>
 *   cover   'none' (just the picture) | 'pill' (a small note above it) | 'card' (in its place, or over a
 *           dimmed last frame)
 *   busy    something is under way: show the moving seats
 *   action  the button of the card: '' | 'retry' | 'play' | 'password'
 * facts:
 *   signal {state, reason, attempt, retryInS}   from AmphiClient; retryInS is null or whole seconds
 *   media, quiet, sharer, failure               from ViewerSession
 *   halted      the person has paused the picture
 *   notice      what is wrong with the watched stream, or why it ended, in the server's words; or ''
 *   hasPicture  a frame was painted once, so the last one is still there
 *   blocked     the browser wants a tap before it plays
 *   supported   the browser has WebRTC */

import { explain } from './doctor.js';

/* Losses that happen to healthy connections: worth a calm word, not the word failure. */
const TRANSIENT = new Set(['lost', 'unreachable', 'silent', 'redirect', 'rate-limited', 'draining', 'internal']);
const FAILED_AFTER = 2;

function card(state, title, detail, rest = {}) {
  return { state, cover: 'card', title, detail, reason: '', busy: true, action: '', ...rest };
}

function pill(state, title, rest = {}) {
  return { ...card(state, title, ''), cover: 'pill', ...rest };
}

function waitingForPresenter(facts) {
  if (facts.sharer === 'paused') {
    return card('waiting', 'The presenter has paused', 'The picture comes back here by itself.');
  }
  if (facts.sharer === 'reconnecting') {
    return facts.hasPicture
      ? pill('waiting', 'The presenter is reconnecting')
      : card('waiting', 'The presenter is reconnecting', 'Stay: the picture appears here by itself.');
  }
  if (facts.notice) {
    return card('waiting', 'There is no picture at the moment', facts.notice);
  }
  if (facts.hasPicture) {
    return card('waiting', 'The presenter has stopped', 'If the broadcast starts again, it continues here.');
  }
  return card('waiting', 'Waiting for the presenter', 'The picture appears here by itself.');
}

/* The room refuses, or the server said something is wrong with this page. */
function refused({ signal, hasPicture }) {
  const code = signal.reason.code;
  if (code === 'room-not-found' && hasPicture) {
    return card('not-found', 'The broadcast has ended', 'If it starts again under this code, it continues here.');
  }
  if (code === 'room-not-found') {
    const detail = 'Check the code. If the broadcast has not started yet, stay: this page keeps looking.';
    return card('not-found', 'Room not found', detail, { action: 'retry' });
  }
  if (code === 'room-full') {
    return card('full', 'Every seat is taken', 'This page takes the next one that becomes free.', { action: 'retry' });
  }
  return failed(signal.reason);
}

function failed(reason) {
  return card('failed', 'Connection failed', explain(reason), { busy: false, action: 'retry' });
}

function reconnecting({ signal, hasPicture, media }) {
  const rest = { reason: explain(signal.reason) };
  if (hasPicture && media !== 'idle') {
    return pill('reconnecting', 'Reconnecting', rest);
  }
  return card('reconnecting', 'Reconnecting', rest.reason, { action: 'retry' });
}

function bySignal(facts) {
  const { signal, failure } = facts;
  const name = signal.state;
  if (name === 'waiting' && !TRANSIENT.has(signal.reason?.code)) {
    return refused(facts);
  }
  if (failure && failure.count >= FAILED_AFTER && !facts.hasPicture) {
    return failed(failure);
  }
  if (name === 'waiting' || signal.attempt > 0 || facts.hasPicture) {
    return reconnecting(facts);
  }
  return name === 'joining'
    ? card('joining', 'Joining the room', '')
    : card('connecting', 'Connecting', '');
}

function byMedia(facts) {
  const { media, sharer, failure, hasPicture } = facts;
  if (sharer === 'stopped' || sharer === 'paused' || sharer === 'reconnecting') {
    return waitingForPresenter(facts);
  }
  if (failure && (failure.count >= FAILED_AFTER || failure.code === 'codec') && media !== 'idle') {
    return hasPicture
      ? pill('reconnecting', 'Reconnecting', { reason: explain(failure) })
      : failed(failure);
  }
  if (facts.notice && !hasPicture) {
    return waitingForPresenter(facts);
  }
  if (hasPicture) {
    return media === 'idle'
      ? pill('waiting', facts.notice || 'The picture is coming back')
      : pill('reconnecting', 'Reconnecting', { reason: explain(failure) });
  }
  return media === 'negotiating' || sharer === 'live'
    ? card('negotiating', 'Opening the picture', '')
    : waitingForPresenter(facts);
}

function choose(facts) {
  const { signal, media } = facts;
  if (!facts.supported) {
    const detail = 'It has no WebRTC, or it is switched off. Any current browser works.';
    return card('failed', 'This browser cannot play it', detail, { busy: false });
  }
  if (facts.blocked) {
    const detail = 'This browser asks for a tap before it plays.';
    return card('blocked', 'Ready to play', detail, { busy: false, action: 'play' });
  }
  if (facts.halted && facts.hasPicture && signal.state === 'joined') {
    return { ...pill('paused', ''), cover: 'none', busy: false };
  }
  if (media === 'live') {
    if (signal.state === 'joined' && facts.sharer === 'reconnecting' && facts.quiet) {
      return waitingForPresenter(facts);
    }
    if (signal.state === 'joined') {
      return facts.notice
        ? pill('connected', facts.notice, { busy: false })
        : { ...pill('connected', ''), cover: 'none', busy: false };
    }
    // Both gone: nobody would believe that only the signaling is.
    return facts.quiet
      ? reconnecting(facts)
      : pill('connected', 'Signaling reconnecting', { reason: explain(signal.reason) });
  }
  if (facts.failure?.code === 'removed') {
    return card('failed', 'You have been disconnected', explain(facts.failure), { busy: false, action: 'retry' });
  }
  if (signal.state === 'password' && signal.reason) {
    return card('password', 'This link does not let you in', explain(signal.reason), { busy: false, action: 'password' });
  }
  if (signal.state === 'password') {
    const detail = 'The presenter has set a password for this room.';
    return card('password', 'Password needed', detail, { busy: false, action: 'password' });
  }
  return signal.state === 'joined' ? byMedia(facts) : bySignal(facts);
}

export function describe(facts) {
  const { attempt, retryInS, state, reason } = facts.signal;
  const view = choose(facts);
  const tries = TRANSIENT.has(reason?.code) ? attempt : 0; // a room that refuses is asked without end
  return { ...view, attempt: tries, retryInS: state === 'waiting' && view.cover !== 'none' ? retryInS : null };
}
