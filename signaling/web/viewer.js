/* The viewer page: wires the protocol client, the session, the player and the controls together.
 *
 * For tests and the curious, `window.amphi` is:
 *   state            the state's name (see state.js)
 *   firstFrameMs     navigation start to the first painted frame, null before
 *   player, client, session
 *   peerConnection   the RTCPeerConnection that is watched, or null; peerConnections: all that are open
 *   stats()          a promise of the current figures of the watched stream (see stats.js), or null */

import { AmphiClient, socketUrl } from './amphi.js';
import { Controls } from './controls.js';
import { Player } from './player.js';
import { codeFromPath } from './roomcode.js';
import { Selector, selectionOf } from './selection.js';
import { ViewerSession } from './session.js';
import { describe } from './state.js';
import { StatsPanel, figures, rows, sample } from './stats.js';
import { Strip, streamLabel } from './strip.js';

const TICK = 1000;
const COUNTDOWN_TICK = 250;
const FADE = 300; // ms; what leaves has gone by then, see the transitions in viewer.css
const REPORT_EVERY = 5; // ticks between two viewer-stats messages
const HIDDEN_AFTER = 3000; // ms; a glance at another tab costs nothing
const NOTICE_FOR = 8000; // ms that the end of a stream is told

const $ = (selector) => document.querySelector(selector);
const room = codeFromPath(location.pathname);
const main = $('#viewer');

const client = new AmphiClient();
const session = new ViewerSession(client, {
  createConnection: (configuration) => new RTCPeerConnection(configuration),
  now: () => performance.now(),
  isHidden: () => document.hidden,
});
const player = new Player($('#stage'));
const strip = new Strip($('#strip'));
const panel = new StatsPanel($('#stats-list'));
const selector = new Selector((message) => client.protocol >= 1 && client.send(message));

const page = {
  view: null,
  picked: null, // the stream the person chose; null follows the presenter's focus
  blocked: false,
  firstFrameMs: null,
  sample: null,
  figures: null,
  ticks: 0,
  countdown: null,
  fading: null,
  wakeLock: null,
  hidden: false, // for longer than HIDDEN_AFTER
  hiding: null,
  ended: null, // {text, timer}: why the stream that was watched is gone
  heard: false, // sound was turned on or off by the person: nobody needs to be asked again
  renewed: new Set(), // codecs that were asked for by a new offer
};

/* ---- which stream ---- */

/* The streams to choose from: what was announced, or what arrived where nothing is ever announced. */
function available(peer) {
  if (client.announced) {
    return client.streams.filter((s) => peer.tracks.get(s.trackId)?.kind === 'video');
  }
  return peer.videoTracks().map(({ id }) => ({
    trackId: id, windowName: '', appName: '', isFocused: false, paused: false, codec: '', audio: null, endReason: '',
  }));
}

function choose(streams) {
  const picked = streams.find((s) => s.trackId === page.picked);
  const best = picked ?? streams.find((s) => s.isFocused && !s.paused) ?? streams.find((s) => !s.paused);
  return best ?? streams[0] ?? null;
}

/* Where the server does not say whether a stream has sound, a track for it is a promise. */
function hasSound(peer, stream) {
  return Boolean(stream) && (stream.audio ?? true) && Boolean(peer.soundOf(stream.trackId));
}

function showStreams() {
  for (const peer of session.peers) {
    const stream = choose(available(peer));
    if (stream && (peer === session.next || player.shown?.peer === peer)) {
      player.show(peer, stream.trackId, { sound: hasSound(peer, stream) });
    }
  }
  watchFrames();
  if (session.current) {
    describeStreams(session.current);
  }
  updateSelection();
}

/* Tells the session which frames to expect, if any. */
function watchFrames() {
  const peer = session.current ?? session.next;
  const stream = peer && watchedStream(available(peer));
  const track = session.current && stream && peer.tracks.get(stream.trackId)?.track;
  session.watch(track?.id ?? null, !stream || flows(peer, stream));
  renewCodec(peer, stream);
}

/* What is in front, or will be. */
function watchedStream(streams) {
  return streams.find((s) => s.trackId === player.shown?.trackId) ?? choose(streams);
}

function describeStreams(peer) {
  const tracks = new Map(peer.videoTracks().map(({ id, track }) => [id, track]));
  const streams = available(peer);
  strip.update(streams, tracks, player.shown?.trackId);
  const index = streams.findIndex((s) => s.trackId === player.shown?.trackId);
  const watched = streams[index] ?? null;
  $('#title').textContent = watched ? watched.windowName || watched.appName : '';
  $('#follow').hidden = streams.length < 2;
  $('#follow').setAttribute('aria-pressed', String(page.picked === null));
  document.title = watched ? `${streamLabel(watched, index)} · ${room}` : `${room} · amphi`;
  showSound(hasSound(peer, watched));
}

const flows = (peer, stream) => !stream.paused && !stream.endReason && peer.plays(stream.trackId, stream.codec);

function showSound(has) {
  $('#sound').hidden = !has;
  $('#unmute').hidden = !has || page.heard || !player.muted;
}

/* Some browsers agree to one codec only. If the stream has changed to another one that this browser
 * plays as well, a new offer puts that first. Once: what does not help is not repeated. */
function renewCodec(peer, stream) {
  const codec = stream?.codec?.toLowerCase();
  if (!codec || page.renewed.has(codec) || peer.plays(stream.trackId, codec)) {
    return;
  }
  const known = RTCRtpReceiver.getCapabilities?.('video')?.codecs ?? [];
  if (known.some(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`)) {
    page.renewed.add(codec);
    client.rejoin();
  }
}

/* What nobody sees is not sent. */
function updateSelection() {
  const picture = document.pictureInPictureElement !== null;
  const wanted = choose(client.streams);
  selector.update(selectionOf({
    streams: client.streams,
    watched: wanted ? [...player.watched, wanted.trackId] : player.watched,
    thumbnails: !controls.calm,
    hidden: page.hidden && !picture && page.firstFrameMs !== null,
    muted: player.muted,
  }));
}

function onVisibility() {
  clearTimeout(page.hiding);
  if (document.hidden) {
    page.hiding = setTimeout(() => {
      page.hidden = true;
      updateSelection();
    }, HIDDEN_AFTER);
    return;
  }
  page.hidden = false;
  updateSelection();
  session.wake();
  client.retryNow();
  client.probe();
  keepAwake();
}

/* ---- why there is no picture ---- */

const named = (stream) => stream.windowName || stream.appName || 'This stream';
const sentence = (words) => words.replace(/[.\s]*$/, '.');

/* Tells for a while that the stream that was watched has ended, and why. */
function noteEnd(ended) {
  const stream = ended.find((s) => s.trackId === player.shown?.trackId && s.endReason);
  const text = stream ? sentence(`${named(stream)} has ended: ${stream.endReason}`) : '';
  if (text === (page.ended?.text ?? '')) {
    return;
  }
  clearTimeout(page.ended?.timer);
  page.ended = text ? { text, timer: setTimeout(forgetEnd, NOTICE_FOR) } : null;
}

function forgetEnd() {
  page.ended = null;
  render();
}

function notice() {
  const stream = watchedStream(client.streams);
  const peer = session.current ?? session.next;
  if (stream?.endReason) {
    return sentence(`${named(stream)}: ${stream.endReason}`);
  }
  if (stream && peer && !peer.plays(stream.trackId, stream.codec)) {
    return `This browser cannot decode ${stream.codec.toUpperCase()}, which ${named(stream)} is sent in.`;
  }
  if (stream?.paused && session.sharer === 'live') {
    return sentence(`${named(stream)} is paused by the presenter`);
  }
  if (client.streams.length === 0 && client.ended.length > 0) {
    return client.ended.filter((s) => s.endReason).map((s) => sentence(`${named(s)}: ${s.endReason}`)).join(' ');
  }
  return page.ended?.text ?? '';
}

/* ---- words ---- */

function facts() {
  const left = client.retryAt === null ? null : Math.ceil((client.retryAt - performance.now()) / 1000);
  return {
    signal: {
      state: client.state,
      reason: client.reason,
      attempt: client.attempt,
      retryInS: left === null ? null : Math.max(0, left),
    },
    media: session.media,
    quiet: session.quiet,
    sharer: session.sharer,
    failure: session.failure,
    notice: notice(),
    hasPicture: page.firstFrameMs !== null,
    blocked: page.blocked,
    supported: 'RTCPeerConnection' in window,
  };
}

const ACTIONS = { retry: 'Try now', play: 'Play', password: 'Enter password' };

/* Writes only what changed, so that screen readers are not told the same thing every second. */
function write(element, words) {
  if (element.textContent !== words) {
    element.textContent = words;
  }
}

function retryWords({ attempt, retryInS }) {
  if (retryInS === null) {
    return '';
  }
  const when = retryInS > 0 ? `next try in ${retryInS} s` : 'trying now';
  return attempt > 1 ? `Try ${attempt} · ${when}` : when.replace(/^./, (c) => c.toUpperCase());
}

/* The words of each cover. One that leaves keeps them until it has faded, then it is emptied, so that
 * screen readers hear the same words again when they are news again. */
const covers = {
  card: (view) => {
    write($('#status-title'), view?.title ?? '');
    write($('#status-detail'), view?.detail ?? '');
    write($('#status-retry'), view ? retryWords(view) : '');
    $('#status-action').hidden = !view?.action;
    write($('#status-action'), ACTIONS[view?.action] ?? '');
  },
  pill: (view) => {
    write($('#pill-title'), view?.title ?? '');
    write($('#pill-retry'), view ? retryWords(view) : '');
    $('#pill').title = view?.reason ?? '';
  },
};

function emptyCovers() {
  for (const [name, say] of Object.entries(covers)) {
    if (name !== page.view.cover) {
      say(null);
    }
  }
}

function render() {
  const view = describe(facts());
  page.view = view;
  covers[view.cover]?.(view);
  if (main.dataset.cover !== view.cover) {
    clearTimeout(page.fading);
    page.fading = setTimeout(emptyCovers, FADE);
  }
  main.dataset.state = view.state;
  main.dataset.cover = view.cover;
  main.classList.toggle('busy', view.busy);
  main.classList.toggle('has-picture', page.firstFrameMs !== null);
  $('#live').hidden = view.state !== 'connected';
  clearTimeout(page.countdown);
  if (view.retryInS !== null) {
    page.countdown = setTimeout(render, COUNTDOWN_TICK);
  }
}

/* ---- password ---- */

const dialog = $('#password-dialog');

function askPassword(error) {
  write($('#password-error'), error);
  $('#password').setAttribute('aria-invalid', String(Boolean(error)));
  if (!dialog.open) {
    dialog.showModal();
  }
  $('#password').select();
}

$('#password-form').addEventListener('submit', (event) => {
  event.preventDefault();
  client.joinWith($('#password').value);
});
$('#password-reveal').addEventListener('click', () => {
  const shown = $('#password').type === 'text';
  $('#password').type = shown ? 'password' : 'text';
  $('#password-reveal').setAttribute('aria-pressed', String(!shown));
});

/* ---- commands ---- */

function toggleStats(open = $('#stats').hidden) {
  $('#stats').hidden = !open;
  $('[data-command="stats"]').setAttribute('aria-pressed', String(open));
  refreshStats();
}

function setScale(scale) {
  player.setScale(scale);
  for (const name of ['fit', 'fill', 'native']) {
    $(`[data-command="${name}"]`).setAttribute('aria-pressed', String(name === scale));
  }
}

function setMuted(muted) {
  player.setMuted(muted);
  page.heard = true;
  const button = $('[data-command="mute"]');
  button.setAttribute('aria-pressed', String(!muted));
  button.setAttribute('aria-label', muted ? 'Turn sound on' : 'Turn sound off');
  $('#unmute').hidden = true;
  updateSelection();
}

function toggleMute() {
  if (!$('#sound').hidden) {
    setMuted(!player.muted);
  }
}

$('#volume').addEventListener('input', ({ target }) => {
  player.setVolume(target.valueAsNumber / 100);
  setMuted(target.valueAsNumber === 0);
});

function toggleHelp() {
  const help = $('#help');
  if (help.open) {
    help.close();
  } else {
    help.showModal();
  }
}

function act() {
  if (page.view.action === 'play') {
    player.resume().then(() => {
      page.blocked = false;
      render();
    });
  } else if (page.view.action === 'password') {
    askPassword('');
  } else if (page.view.action === 'retry') {
    session.retryNow();
  }
}

const controls = new Controls(main, player, {
  actions: {
    stats: () => toggleStats(),
    mute: toggleMute,
    unmute: () => setMuted(false),
    fit: () => setScale('fit'),
    fill: () => setScale('fill'),
    native: () => setScale('native'),
    help: toggleHelp,
    escape: () => toggleStats(false), // browsers leave fullscreen and close dialogs by themselves
    follow: () => {
      page.picked = null;
      showStreams();
    },
    act,
  },
  mayHide: () => session.media === 'live',
  onCalm: () => updateSelection(),
});

/* ---- statistics ---- */

function takeReport({ peer, report }) {
  const track = peer.tracks.get(player.shown?.trackId)?.track;
  const now = track && sample(report, track.id);
  if (!now) {
    return;
  }
  page.figures = figures(page.sample, now);
  page.sample = now;
  refreshStats();
}

function refreshStats() {
  if (!$('#stats').hidden && page.figures) {
    panel.update(rows(page.figures, page.firstFrameMs));
  }
}

/* The player's side of the story, for the presenter's and the operator's eyes. */
function tellServer() {
  const f = page.figures;
  if (client.state !== 'joined' || client.protocol < 1 || !f) {
    return;
  }
  client.send({
    type: 'viewer-stats',
    peerId: session.current?.peerId ?? client.peerId,
    framesDecoded: f.framesDecoded,
    framesDropped: f.framesDropped,
    freezes: f.freezes,
    jitterBufferMs: f.jitterBufferMs,
    rttMs: f.rttMs,
  });
}

async function tick() {
  await session.tick();
  page.ticks += 1;
  if (page.ticks % REPORT_EVERY === 0) {
    tellServer();
  }
}

/* ---- events ---- */

async function keepAwake() {
  if (page.wakeLock || document.hidden || session.media !== 'live') {
    return;
  }
  try {
    page.wakeLock = await navigator.wakeLock.request('screen');
    page.wakeLock.addEventListener('release', () => (page.wakeLock = null));
  } catch {
    page.wakeLock = null; // not offered, or the battery is low: the screen follows its own rules
  }
}

client.addEventListener('state', ({ detail }) => {
  if (detail.state === 'joined' && dialog.open) {
    dialog.close();
  }
  render();
});
client.addEventListener('password', ({ detail }) => askPassword(detail.error));
client.addEventListener('joined', () => selector.reset());
client.addEventListener('streams', ({ detail }) => {
  noteEnd(detail.ended);
  showStreams();
  render();
});
client.addEventListener('error', ({ detail }) => console.warn('amphi: server error', detail.code, detail.error));
session.addEventListener('peer', showStreams);
session.addEventListener('stuck', () => {
  const trackId = player.shown?.trackId;
  if (trackId && client.protocol >= 1) {
    client.send({ type: 'keyframe', trackId });
  }
});
session.addEventListener('change', () => {
  if (session.media === 'live') {
    keepAwake();
  }
  render();
});
session.addEventListener('report', ({ detail }) => takeReport(detail));
player.addEventListener('shown', ({ detail }) => {
  page.firstFrameMs ??= Math.round(detail.at);
  page.blocked = false;
  session.shown(detail.peer);
  showStreams();
  render();
});
player.addEventListener('blocked', ({ detail }) => {
  page.blocked = detail;
  render();
});
strip.addEventListener('pick', ({ detail }) => {
  page.picked = detail;
  showStreams();
});

addEventListener('online', () => {
  client.retryNow();
  client.probe();
});
document.addEventListener('visibilitychange', onVisibility);
document.addEventListener('enterpictureinpicture', updateSelection);
document.addEventListener('leavepictureinpicture', updateSelection);
// A closed tab says nothing by itself: closing the connections tells the server that a seat is free.
addEventListener('pagehide', () => {
  client.close();
  session.close();
});
addEventListener('pageshow', (event) => event.persisted && location.reload());

window.amphi = {
  get state() {
    return page.view.state;
  },
  get firstFrameMs() {
    return page.firstFrameMs;
  },
  get peerConnection() {
    return session.current?.pc ?? null;
  },
  get peerConnections() {
    return session.peers.map((peer) => peer.pc);
  },
  async stats() {
    const peer = session.current;
    const track = peer?.tracks.get(player.shown?.trackId)?.track;
    const now = track && sample(await peer.pc.getStats(), track.id);
    return now ? { ...page.figures, ...now, firstFrameMs: page.firstFrameMs } : null;
  },
  player,
  client,
  session,
};

$('#room').textContent = room;
document.title = `${room} · amphi`;
if ('RTCPeerConnection' in window) {
  client.connect(socketUrl('/ws', location.href), room);
}
setInterval(tick, TICK);
setScale('fit');
render();
controls.wake();
