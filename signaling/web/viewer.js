/* The viewer page: makes its parts, and leads keys, buttons and events from one to the other. What is decided
 * is decided in them: see the list in README.md.
 *
 * For tests and the curious, `window.amphi` is:
 *   state            the state's name (see state.js)
 *   firstFrameMs     navigation start to the first painted frame, null before
 *   player, client, session, camera
 *   peerConnection   the RTCPeerConnection that is watched, or null; peerConnections: all that are open
 *   stats()          a promise of the current figures of the watched stream (see stats.js), or null */

import { AmphiClient, socketUrl } from './amphi.js';
import { Board, streamLabel } from './board.js';
import { Camera } from './camera.js';
import { Controls } from './controls.js';
import { Covers } from './covers.js';
import { $, toast, write } from './dom.js';
import { Layout } from './layout.js';
import { Monitor } from './monitor.js';
import { News, endOf, noticeOf, stopWords } from './notice.js';
import { PasswordDialog } from './password.js';
import { Player } from './player.js';
import { codeFromPath } from './roomcode.js';
import { qualities } from './selection.js';
import { ViewerSession } from './session.js';
import { Settings } from './settings.js';
import { snapshot } from './snapshot.js';
import { Sound } from './sound.js';
import { describe } from './state.js';
import { Watching } from './watching.js';

const TICK = 1000;

const room = codeFromPath(location.pathname);
const main = $('#viewer');
const supported = 'RTCPeerConnection' in window;

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
const watching = new Watching({
  client, session, player, board, camera, stage: $('#stage'), follow: settings.get('follow'), isCalm: () => controls.calm,
});
const sound = new Sound(player, settings);
const monitor = new Monitor({ client, session, player, watching });
const layout = new Layout(main, { client, player, board, camera, settings, watching, sound });
const covers = new Covers(main, render);
const end = new News(render);
const stop = new News(render);
const passwords = new PasswordDialog(room, (password) => client.joinWith(password));

let view = null; // what describe() said last
let blocked = false; // the browser wants a tap first
let wakeLock = null;

/* ---- words ---- */

function notice() {
  const stream = watching.coming;
  const peer = session.current ?? session.next;
  return noticeOf({
    stream,
    plays: !stream || !peer || peer.plays(stream.trackId, stream.codec),
    live: session.sharer === 'live',
    streams: client.streams,
    ended: client.ended,
    news: stop.text || end.text,
    trouble: session.media === 'live' ? monitor.trouble : '',
  });
}

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
    halted: player.paused,
    notice: notice(),
    hasPicture: player.firstFrameMs !== null,
    blocked,
    supported,
  };
}

function render() {
  view = describe(facts());
  covers.show(view, { hasPicture: player.firstFrameMs !== null });
}

/* ---- commands ---- */

/* The picture stays; nothing is sent meanwhile, and afterwards it is live again. */
function setHalted(halted) {
  if (player.firstFrameMs === null) {
    return;
  }
  player.setPaused(halted);
  $('.dock [data-command="pause"]').setAttribute('aria-pressed', String(halted));
  watching.update();
  session.wake();
  render();
}

function goLive() {
  setHalted(false);
  monitor.goLive();
  toast('Live');
}

function showQuality(stream) {
  const choices = stream ? qualities(stream) : [];
  const select = $('#quality');
  $('#quality-box').hidden = choices.length < 3; // auto, and one size: there is nothing to choose
  const before = [...select.options].map((option) => option.text).join();
  if (before !== choices.map(({ label }) => label).join()) {
    select.replaceChildren(...choices.map(({ value, label }) => new Option(label, value)));
  }
  select.value = String(watching.qualityOf(stream?.trackId));
}

$('#quality').addEventListener('change', ({ target }) => {
  watching.setQuality(player.shown?.trackId, target.value === 'auto' ? 'auto' : Number(target.value));
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

function showStats(open) {
  settings.set('stats', open);
  monitor.show(open);
}

/* Browsers leave fullscreen and close dialogs by themselves. */
function escape() {
  toggleMore(false);
  showStats(false);
  if (document.pictureInPictureElement) {
    document.exitPictureInPicture();
  }
}

function act() {
  if (view.action === 'play') {
    player.resume().then(() => {
      blocked = false;
      render();
    });
  } else if (view.action === 'password') {
    passwords.ask('');
  } else if (view.action === 'retry') {
    session.retryNow();
  }
}

const controls = new Controls(main, player, {
  actions: {
    stats: () => showStats(!monitor.open),
    mute: () => sound.toggle(),
    unmute: () => sound.setMuted(false),
    fit: () => layout.setScale('fit'),
    fill: () => layout.setScale('fill'),
    native: () => layout.setScale('native'),
    'zoom-in': () => layout.zoomIn(),
    'zoom-out': () => layout.zoomOut(),
    'zoom-reset': () => camera.reset(),
    layout: () => layout.next(),
    focus: () => layout.set('focus'),
    grid: () => layout.set('grid'),
    row: () => layout.set('row'),
    equal: () => layout.toggleEqual(),
    enter: () => layout.set('focus'),
    arrow: ({ key }) => layout.arrow(key),
    follow: () => layout.toggleFollow(),
    pause: () => setHalted(!player.paused),
    live: goLive,
    snapshot: () => snapshot(player, room),
    quality: focusQuality,
    help: toggleHelp,
    more: () => toggleMore(),
    escape,
    act,
  },
  mayHide: () => session.media === 'live' && !player.paused,
  onCalm: () => watching.update(),
});

/* ---- events ---- */

async function keepAwake() {
  if (wakeLock || document.hidden || session.media !== 'live') {
    return;
  }
  try {
    wakeLock = await navigator.wakeLock.request('screen');
    wakeLock.addEventListener('release', () => (wakeLock = null));
  } catch {
    wakeLock = null; // not offered, or the battery is low: the screen follows its own rules
  }
}

client.addEventListener('state', ({ detail }) => {
  if (detail.state === 'joined') {
    passwords.close();
  }
  render();
});
client.addEventListener('password', ({ detail }) => passwords.ask(detail.error));
client.addEventListener('streams', ({ detail }) => {
  end.tell(endOf(detail.ended, player.shown?.trackId));
  watching.show();
  render();
});
client.addEventListener('message', ({ detail }) => {
  if (detail.type === 'draining') {
    stop.tell(stopWords(detail));
    render();
  }
});
client.addEventListener('error', ({ detail }) => console.warn('amphi: server error', detail.code, detail.error));
session.addEventListener('stuck', () => {
  const trackId = player.shown?.trackId;
  if (trackId && client.protocol >= 1) {
    client.send({ type: 'keyframe', trackId });
  }
});
session.addEventListener('change', () => {
  keepAwake();
  render();
});
watching.addEventListener('change', ({ detail: { stream, index, sound: has } }) => {
  write($('#title'), stream ? stream.windowName || stream.appName : '');
  document.title = stream ? `${streamLabel(stream, index)} · ${room}` : `${room} · amphi`;
  layout.show();
  showQuality(stream);
  sound.show(has);
});
sound.addEventListener('change', () => watching.update());
monitor.addEventListener('change', render);
player.addEventListener('shown', ({ detail }) => {
  blocked &&= player.video.paused; // a browser that wants a tap may paint one picture
  session.shown(detail.peer);
  watching.show();
  render();
});
player.addEventListener('blocked', ({ detail }) => {
  blocked = detail;
  render();
});
board.addEventListener('pick', ({ detail }) => watching.pick(detail));
board.addEventListener('open', ({ detail }) => {
  layout.set('focus');
  watching.pick(detail);
});
$('#board').addEventListener('scroll', () => watching.updateSoon(), { passive: true });
$('#board').addEventListener('click', ({ target }) => {
  if (board.layout !== 'focus' && !target.closest('.tile')) {
    controls.tap();
  }
});
camera.addEventListener('tap', () => controls.tap());

addEventListener('online', () => {
  client.retryNow();
  client.probe();
});
document.addEventListener('visibilitychange', () => {
  watching.setVisible(!document.hidden);
  if (!document.hidden) {
    session.wake();
    client.retryNow();
    client.probe();
    keepAwake();
  }
});
document.addEventListener('enterpictureinpicture', () => watching.update());
document.addEventListener('leavepictureinpicture', () => watching.update());
// A closed tab says nothing by itself: closing the connections tells the server that a seat is free.
addEventListener('pagehide', () => {
  client.close();
  session.close();
});
addEventListener('pageshow', (event) => event.persisted && location.reload());

async function tick() {
  await session.tick();
  monitor.tick();
  watching.glance();
}

window.amphi = {
  get state() {
    return view.state;
  },
  get firstFrameMs() {
    return player.firstFrameMs;
  },
  get peerConnection() {
    return session.current?.pc ?? null;
  },
  get peerConnections() {
    return session.peers.map((peer) => peer.pc);
  },
  stats: () => monitor.stats(),
  player,
  client,
  session,
  camera,
};

$('#room').textContent = room;
document.title = `${room} · amphi`;
if (supported) {
  // A watch token may come with the link; behind the # it stays out of the server's log.
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? new URLSearchParams(location.search).get('token');
  client.connect(socketUrl('/ws', location.href), room, { token: token ?? '' });
}
setInterval(tick, TICK);
layout.setScale(settings.get('scale'));
monitor.show(settings.get('stats'));
layout.show();
render();
controls.wake();
