/* The viewer page: wires the protocol client, the session, the player and the controls together.
 *
 * For tests and the curious, `window.amphi` is:
 *   state            the state's name (see state.js)
 *   firstFrameMs     navigation start to the first painted frame, null before
 *   player, client, session, camera
 *   peerConnection   the RTCPeerConnection that is watched, or null; peerConnections: all that are open
 *   stats()          a promise of the current figures of the watched stream (see stats.js), or null */

import { AmphiClient, socketUrl } from './amphi.js';
import { Board, LAYOUTS, streamLabel } from './board.js';
import { Camera } from './camera.js';
import { Controls } from './controls.js';
import { verdict } from './doctor.js';
import { FrameClock, LiveEdge } from './live.js';
import { Player } from './player.js';
import { codeFromPath } from './roomcode.js';
import { Glances, Selector, qualities, selectionOf } from './selection.js';
import { ViewerSession } from './session.js';
import { Settings } from './settings.js';
import { describe } from './state.js';
import { StatsPanel, figures, rows, sample } from './stats.js';
import { storyOf } from './story.js';

const TICK = 1000;
const COUNTDOWN_TICK = 250;
const FADE = 300; // ms; what leaves has gone by then, see the transitions in viewer.css
const STORY_EVERY = 2; // ticks between two questions for it, while the statistics are open
const REPORT_EVERY = 5; // ticks between two viewer-stats messages
const HIDDEN_AFTER = 3000; // ms; a glance at another tab costs nothing
const NOTICE_FOR = 8000; // ms that the end of a stream is told
const TOAST_FOR = 2500;
const SETTLE = 300; // ms after the last move of a zoom or scroll
const SUFFERS_AFTER = 5; // ticks in which the same thing limits the picture, before it is told unasked
const ZOOM_STEP = 1.25;
const ARROW_STEP = 80; // px
const VOLUME_STEP = 0.05;

const $ = (selector) => document.querySelector(selector);
const room = codeFromPath(location.pathname);
const main = $('#viewer');

const client = new AmphiClient();
const session = new ViewerSession(client, {
  createConnection: (configuration) => new RTCPeerConnection(configuration),
  now: () => performance.now(),
  isHidden: () => document.hidden,
});
const settings = new Settings();
const player = new Player($('#stage'));
const camera = new Camera($('#stage'), $('#map'), player);
const board = new Board($('#board'), $('#row-map'));
const glances = new Glances();
const edge = new LiveEdge();
const clock = new FrameClock();
const panel = new StatsPanel($('#stats-list'));
const selector = new Selector((message) => client.protocol >= 1 && client.send(message));

const page = {
  view: null,
  picked: null, // the stream the person chose; null follows the presenter's focus
  follow: settings.get('follow'),
  layout: 'focus', // what is shown; the choice is in the settings
  quality: new Map(), // trackId -> the layer that the person chose
  floor: new Map(), // trackId -> the best layer that this device decodes in time
  selection: new Map(), // what the server was asked for
  halted: false, // paused by the person
  verdict: null,
  suffers: 0, // ticks of a verdict that is bad
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
  toasting: null,
  settling: null,
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
    trackId: id, windowName: '', appName: '', isFocused: false, paused: false, codec: '', audio: null, endReason: '', width: 0, height: 0,
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
  const wanted = !page.selection.get(stream?.trackId)?.paused;
  session.watch(track?.id ?? null, !stream || (wanted && flows(peer, stream)));
  renewCodec(peer, stream);
}

/* What is in front, or will be. */
function watchedStream(streams) {
  return streams.find((s) => s.trackId === player.shown?.trackId) ?? choose(streams);
}

function describeStreams(peer) {
  const streams = available(peer);
  board.update(streams, peer, player.shown?.trackId);
  const index = streams.findIndex((s) => s.trackId === player.shown?.trackId);
  const watched = streams[index] ?? null;
  if (!page.follow && watched) {
    page.picked ??= watched.trackId;
  }
  write($('#title'), watched ? watched.windowName || watched.appName : '');
  document.title = watched ? `${streamLabel(watched, index)} · ${room}` : `${room} · amphi`;
  camera.setNatural(watched);
  showLayout();
  showQuality(watched);
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
  const wanted = choose(client.streams);
  const ratio = devicePixelRatio * camera.zoom;
  const { clientWidth, clientHeight } = $('#stage');
  page.selection = selectionOf({
    streams: client.streams,
    watched: wanted ? [...player.watched, wanted.trackId] : player.watched,
    layout: page.layout,
    thumbnails: !controls.calm,
    glances: glances.open,
    sizeOf: (id) => board.sizeOf(id),
    stage: camera.scale === 'native' ? null : { width: clientWidth * ratio, height: clientHeight * ratio },
    quality: (id) => page.quality.get(id) ?? page.floor.get(id) ?? 'auto',
    hidden: isUnseen() && page.firstFrameMs !== null,
    muted: player.muted,
    halted: page.halted,
  });
  selector.update(page.selection);
  watchFrames();
}

const isUnseen = () => page.hidden && document.pictureInPictureElement === null;

/* For what changes with each move of a pointer. */
function selectSoon() {
  clearTimeout(page.settling);
  page.settling = setTimeout(updateSelection, SETTLE);
}

/* Thumbnails of streams that have no small size are received for a moment now and then. */
function glance() {
  const visible = page.layout === 'focus' && !controls.calm && !page.hidden && !page.halted && board.count > 0;
  const one = ({ trackId, layers, paused }) => !paused && !(layers > 1) && !player.watched.includes(trackId);
  const ids = visible ? client.streams.filter(one).map(({ trackId }) => trackId) : [];
  glances.update(ids, performance.now()).forEach((id) => board.look(id));
  updateSelection();
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
  if (page.ended) {
    return page.ended.text;
  }
  return page.suffers >= SUFFERS_AFTER && session.media === 'live' ? page.verdict.text : '';
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
    halted: page.halted,
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
  $('#resume').hidden = view.state !== 'paused';
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

write($('#password-room'), room);

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

const press = (command, pressed) => $(`[data-command="${command}"]`).setAttribute('aria-pressed', String(pressed));

/* A word about what a key has just done. */
function toast(words) {
  clearTimeout(page.toasting);
  write($('#toast'), words);
  $('#toast').classList.add('shown');
  page.toasting = setTimeout(() => {
    $('#toast').classList.remove('shown');
    page.toasting = setTimeout(() => write($('#toast'), ''), FADE);
  }, TOAST_FOR);
}

function toggleStats(open = $('#stats').hidden) {
  $('#stats').hidden = !open;
  press('stats', open);
  refreshStats();
  askStory();
}

function setScale(scale) {
  camera.setScale(scale);
  main.dataset.scale = scale;
  settings.set('scale', scale);
  ['fit', 'fill', 'native'].forEach((name) => press(name, name === scale));
}

function zoom(factor) {
  if (page.layout === 'focus') {
    camera.zoomBy(factor);
    toast(`${Math.round(100 * camera.zoom)} %`);
  }
}

/* One stream is always in Focus; the choice is kept for the next one. */
function showLayout() {
  const several = board.count > 1;
  const layout = several ? settings.get('layout') : 'focus';
  $('#layouts').hidden = !several;
  LAYOUTS.forEach((name) => press(name, name === layout));
  $('[data-command="equal"]').hidden = layout !== 'grid';
  press('equal', settings.get('equal'));
  showFollow();
  if (main.dataset.layout !== layout) {
    main.dataset.layout = page.layout = layout;
    main.classList.toggle('wide', layout !== 'focus');
    board.setLayout(layout, settings.get('equal'));
    updateSelection();
  }
}

function showFollow() {
  const useful = board.count > 1 || camera.partial;
  $('[data-command="follow"]').hidden = !useful;
  press('follow', page.follow);
}

function setLayout(layout) {
  if (board.count > 1) {
    settings.set('layout', layout);
    showLayout();
  }
}

function nextLayout() {
  setLayout(LAYOUTS[(LAYOUTS.indexOf(page.layout) + 1) % LAYOUTS.length]);
  if (board.count > 1) {
    toast({ focus: 'Focus', grid: 'Grid', row: 'Row' }[page.layout]);
  }
}

function toggleEqual() {
  if (page.layout === 'grid') {
    settings.set('equal', !settings.get('equal'));
    board.setLayout('grid', settings.get('equal'));
    press('equal', settings.get('equal'));
    toast(settings.get('equal') ? 'All the same size' : 'Larger ones get more room');
    selectSoon();
  }
}

function pick(trackId) {
  page.picked = trackId;
  page.follow = false;
  showStreams();
}

function toggleFollow() {
  page.follow = !page.follow;
  page.picked = page.follow ? null : player.shown?.trackId ?? null;
  settings.set('follow', page.follow);
  camera.rest();
  board.rest();
  toast(page.follow ? 'Following the presenter' : 'Not following');
  showStreams();
  showFollow();
}

/* Arrows: among tiles, over a picture that is larger than the window, or among streams; up and down are
 * the volume. */
function arrow({ key }) {
  if (page.layout !== 'focus') {
    board.arrow(key, player.shown?.trackId);
    return true;
  }
  const [dx, dy] = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key];
  if (camera.partial) {
    camera.panBy(dx * ARROW_STEP, dy * ARROW_STEP);
  } else if (dx && client.streams.length > 1) {
    const at = client.streams.findIndex((s) => s.trackId === player.shown?.trackId);
    pick(client.streams.at((at - dx) % client.streams.length).trackId);
  } else if (dy && !$('#sound').hidden) {
    setVolume(Math.min(1, Math.max(0, player.volume + dy * VOLUME_STEP)));
    toast(`Volume ${Math.round(100 * player.volume)} %`);
  }
  return true;
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

function setVolume(volume) {
  player.setVolume(volume);
  settings.set('volume', volume);
  $('#volume').value = String(Math.round(100 * volume));
  setMuted(volume === 0);
}

$('#volume').addEventListener('input', ({ target }) => setVolume(target.valueAsNumber / 100));

/* The picture stays; nothing is sent meanwhile, and afterwards it is live again. */
function setHalted(halted) {
  if (page.firstFrameMs === null) {
    return;
  }
  page.halted = halted;
  player.setPaused(halted);
  const button = $('.dock [data-command="pause"]');
  button.setAttribute('aria-pressed', String(halted));
  button.setAttribute('aria-label', halted ? 'Go on' : 'Pause');
  updateSelection();
  session.wake();
  render();
}

function goLive() {
  setHalted(false);
  skip(edge.skip(performance.now()));
  toast('Live');
}

function skip(how) {
  if (how === 'refresh') {
    player.refresh();
  } else if (how === 'rejoin') {
    client.rejoin();
  }
}

/* The picture as it is, in its own pixels, as a file. */
function snapshot() {
  const { video, size } = player;
  if (!size) {
    return;
  }
  const canvas = document.createElement('canvas');
  Object.assign(canvas, size);
  canvas.getContext('2d').drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    const link = document.createElement('a');
    const at = new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-');
    link.href = URL.createObjectURL(blob);
    link.download = `${room}-${at}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    toast(`Snapshot saved: ${size.width} × ${size.height}`);
  }, 'image/png');
}

function showQuality(stream) {
  const choices = stream ? qualities(stream) : [];
  const select = $('#quality');
  $('#quality-box').hidden = choices.length < 3; // auto, and one size: there is nothing to choose
  const before = [...select.options].map((option) => option.text).join();
  if (before !== choices.map(({ label }) => label).join()) {
    select.replaceChildren(...choices.map(({ value, label }) => new Option(label, value)));
  }
  select.value = String(page.quality.get(stream?.trackId) ?? 'auto');
}

$('#quality').addEventListener('change', ({ target }) => {
  const id = player.shown?.trackId;
  page.floor.delete(id);
  if (target.value === 'auto') {
    page.quality.delete(id);
  } else {
    page.quality.set(id, Number(target.value));
  }
  updateSelection();
  target.blur(); // so that the keys are the page's again
});

function focusQuality() {
  $('#quality').focus();
  $('#quality').showPicker?.();
}

function toggleHelp() {
  const help = $('#help');
  if (help.open) {
    help.close();
  } else {
    help.showModal();
    help.scrollTop = 0; // the focus is on the button at its end
  }
}

function toggleMore(open = $('[data-command="more"]').getAttribute('aria-expanded') !== 'true') {
  $('[data-command="more"]').setAttribute('aria-expanded', String(open));
}

/* Browsers leave fullscreen and close dialogs by themselves. */
function escape() {
  toggleMore(false);
  settings.set('stats', false);
  toggleStats(false);
  if (document.pictureInPictureElement) {
    document.exitPictureInPicture();
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
    stats: () => {
      toggleStats();
      settings.set('stats', !$('#stats').hidden);
    },
    mute: toggleMute,
    unmute: () => setMuted(false),
    fit: () => setScale('fit'),
    fill: () => setScale('fill'),
    native: () => setScale('native'),
    'zoom-in': () => zoom(ZOOM_STEP),
    'zoom-out': () => zoom(1 / ZOOM_STEP),
    'zoom-reset': () => camera.reset(),
    layout: nextLayout,
    focus: () => setLayout('focus'),
    grid: () => setLayout('grid'),
    row: () => setLayout('row'),
    equal: toggleEqual,
    enter: () => setLayout('focus'),
    arrow,
    pause: () => setHalted(!page.halted),
    live: goLive,
    snapshot,
    quality: focusQuality,
    help: toggleHelp,
    more: () => toggleMore(),
    escape,
    follow: toggleFollow,
    act,
  },
  mayHide: () => session.media === 'live' && !page.halted,
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
  if (!page.halted) {
    keepLive(peer);
    judge();
  }
  refreshStats();
}

function keepLive(peer) {
  const before = edge.targetMs;
  skip(edge.step(page.figures, performance.now()));
  $('#live').classList.toggle('behind', edge.behind);
  if (before !== edge.targetMs) {
    peer.setTarget(edge.targetMs);
  }
  Object.assign(page.figures, { targetMs: edge.targetMs, screenMs: clock.screenMs, glassMs: clock.glassMs });
}

/* What limits the picture. A device that decodes too slowly gets a smaller one, where there is one. */
function judge() {
  const stream = client.streams.find((s) => s.trackId === player.shown?.trackId);
  const quality = page.quality.get(stream?.trackId) ?? 'auto';
  page.verdict = verdict(page.figures, { stream, quality });
  const bad = page.verdict?.level === 'bad' && !document.hidden;
  page.suffers = bad ? page.suffers + 1 : 0;
  if (bad && page.suffers % SUFFERS_AFTER === 0 && page.verdict.cause === 'decoder' && quality === 'auto') {
    const at = stream?.layerSizes.findIndex(({ width }) => width <= page.figures.width) ?? -1;
    if (at >= 0 && at + 1 < stream.layerSizes.length) {
      page.floor.set(stream.trackId, at + 1);
      toast('A smaller picture: this device decodes too slowly');
      updateSelection();
    }
  }
  if (page.suffers === SUFFERS_AFTER || (!bad && page.view.cover === 'pill')) {
    render();
  }
}

function refreshStats() {
  if (!$('#stats').hidden && page.figures) {
    panel.update(rows(page.figures, page.firstFrameMs));
    write($('#verdict'), page.halted ? 'Paused: nothing is sent.' : page.verdict?.text ?? '');
    $('#verdict').className = page.verdict?.level ?? '';
  }
}

function askStory() {
  if (!$('#stats').hidden && client.state === 'joined' && client.protocol >= 1) {
    client.send({ type: 'viewer-story' });
  }
}

/* What the server did for this viewer, and when, counted from the start of its media. */
function tellStory(decisions) {
  const tracks = [...(session.current?.tracks.keys() ?? [])];
  const streamOf = (track) => client.streams.find((s) => s.trackId === tracks[track]) ?? null;
  const items = storyOf(decisions, streamOf).map(({ at, text, times }) => {
    const item = document.createElement('li');
    item.textContent = `${at}  ${text}${times > 1 ? ` (${times} times)` : ''}`;
    return item;
  });
  $('#story').replaceChildren(...items);
}

/* The player's side of the story, for the presenter's and the operator's eyes. What it does not know it
 * leaves out. */
function tellServer() {
  const f = page.figures;
  if (client.state !== 'joined' || client.protocol < 1 || !f) {
    return;
  }
  const message = {
    type: 'viewer-stats',
    peerId: session.current?.peerId ?? client.peerId,
    framesDecoded: f.framesDecoded,
    framesDropped: f.framesDropped,
    freezes: f.freezes,
    jitterBufferMs: f.jitterBufferMs,
    rttMs: f.rttMs,
  };
  client.send(clock.glassMs === null ? message : { ...message, glassToGlassMs: clock.glassMs });
}

async function tick() {
  await session.tick();
  page.ticks += 1;
  if (page.ticks % REPORT_EVERY === 0) {
    tellServer();
  }
  if (page.ticks % STORY_EVERY === 0) {
    askStory();
  }
  glance();
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
client.addEventListener('joined', () => client.resumed || selector.reset());
client.addEventListener('streams', ({ detail }) => {
  noteEnd(detail.ended);
  showStreams();
  render();
});
client.addEventListener('message', ({ detail }) => detail.type === 'viewer-story' && tellStory(detail.decisions));
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
  page.blocked &&= player.video.paused; // a browser that wants a tap may paint one picture
  clock.watch(player.video);
  session.shown(detail.peer);
  showStreams();
  render();
});
player.addEventListener('blocked', ({ detail }) => {
  page.blocked = detail;
  render();
});
board.addEventListener('pick', ({ detail }) => pick(detail));
board.addEventListener('open', ({ detail }) => {
  setLayout('focus');
  pick(detail);
});
board.addEventListener('painted', ({ detail }) => {
  const after = glances.painted(detail, performance.now());
  setTimeout(() => {
    glances.close(performance.now());
    updateSelection();
  }, after + 1);
});
$('#board').addEventListener('scroll', selectSoon, { passive: true });
client.addEventListener('cursor', ({ detail: { trackId, x, y, inView } }) => {
  const point = { x: x / 100, y: y / 100 };
  if (page.follow && inView && page.layout === 'row') {
    board.follow(trackId, point);
  } else if (page.follow && inView && trackId === player.shown?.trackId) {
    camera.follow(point);
  }
});
camera.addEventListener('tap', () => controls.tap());
camera.addEventListener('change', () => {
  showFollow();
  selectSoon();
});
$('#board').addEventListener('click', ({ target }) => {
  if (page.layout !== 'focus' && !target.closest('.tile')) {
    controls.tap();
  }
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
  camera,
};

$('#room').textContent = room;
document.title = `${room} · amphi`;
if ('RTCPeerConnection' in window) {
  // A watch token may come with the link; behind the # it stays out of the server's log.
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? new URLSearchParams(location.search).get('token');
  client.connect(socketUrl('/ws', location.href), room, { token: token ?? '' });
}
setInterval(tick, TICK);
player.setVolume(settings.get('volume'));
$('#volume').value = String(Math.round(100 * player.volume));
setScale(settings.get('scale'));
toggleStats(settings.get('stats'));
showLayout();
render();
controls.wake();
