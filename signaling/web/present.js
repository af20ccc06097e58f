/* The presenter page: wires capture, Publisher, the protocol client and the words together.
 *
 * Secret and password of a room are kept in localStorage, by room, and never in a link. What this tab shares is
 * kept in sessionStorage, so that a reload takes the room over again: cameras and microphones come back
 * by themselves, a screen has to be chosen again, which browsers insist on.
 *
 * For tests and the curious, `window.amphi` is {state, room, client, publisher, figures}. */

import { captureAdvice, describe, environmentAdvice, explain, limitAdvice } from './advice.js';
import { AmphiClient, createRoom, socketUrl } from './amphi.js';
import { Backoff } from './backoff.js';
import { Mixer, captureCamera, captureMicrophone, captureScreen, devicesOf } from './capture.js';
import { stopWords } from './notice.js';
import { Publisher } from './publisher.js';
import { isCode, normalizeCode } from './roomcode.js';
import { offerTickets, showTickets } from './ticket.js';

const QUALITIES = [
  ['low', 500], ['medium', 1500], ['high', 3000], ['very-high', 6000],
  ['ultra', 10000], ['extreme', 15000], ['max', 20000], ['insane', 50000],
];
const CODECS = { h264: 'H.264', vp8: 'VP8', vp9: 'VP9', av1: 'AV1' };
const ROOMS_KEPT = 20;

const $ = (selector) => document.querySelector(selector);
const write = (element, words) => element.textContent !== words && (element.textContent = words);

/* Storage may be switched off, or hold what another version wrote. */
function load(storage, key, fallback) {
  try {
    return { ...fallback, ...JSON.parse(window[storage].getItem(`amphi.${key}`)) };
  } catch {
    return fallback;
  }
}

function save(storage, key, value) {
  try {
    window[storage].setItem(`amphi.${key}`, JSON.stringify(value));
  } catch {
    // then it is forgotten with this page
  }
}

const able = new Set((window.RTCRtpSender?.getCapabilities?.('video')?.codecs ?? []).map((c) => c.mimeType.toLowerCase().slice(6)));
const settings = load('localStorage', 'publish', { quality: 'very-high', fps: 30, codec: 'h264', simulcast: false });
if (!able.has(settings.codec)) {
  settings.codec = Object.keys(CODECS).find((name) => able.has(name)) ?? 'vp8';
}
const forPublisher = () => ({ ...settings, bitrate: 1000 * (new Map(QUALITIES).get(settings.quality) ?? 6000) });

const client = new AmphiClient({ backoff: new Backoff({ first: 1000, max: 30000 }) });
const publisher = new Publisher(client, { settings: forPublisher() });
const mixer = new Mixer();
const cards = new Map(); // source -> its <li>

const page = {
  room: '',
  secret: '',
  password: '', // that viewers need; '': none
  making: null, // the promise of a room that is being made
  remade: 0,
  mic: null,
  sounds: new Map(), // source -> its sound tracks
  figures: new Map(),
  notice: '',
};

/* ---- words ---- */

function say(words) {
  page.notice = words;
  write($('#notice'), words);
  $('#notice').hidden = !words;
}

function view() {
  const retryInS = client.retryAt === null ? 0 : Math.max(0, Math.ceil((client.retryAt - performance.now()) / 1000));
  return describe({
    client: { state: client.state, reason: client.reason, retryInS },
    media: publisher.media,
    failure: publisher.failure,
    way: publisher.way,
    sharing: publisher.active.length > 0 || page.mic !== null,
    paused: publisher.active.length > 0 && publisher.active.every((source) => source.paused),
  });
}

function render() {
  const { state, title, detail, retry } = view();
  document.body.dataset.state = state;
  write($('#status-title'), title);
  write($('#status-detail'), detail);
  $('#retry').hidden = !retry;
  $('#stop').hidden = publisher.active.length === 0 && !page.mic;
  $('#empty').hidden = publisher.active.length > 0;
  $('#mic').classList.toggle('on', page.mic !== null);
  write($('#mic'), page.mic ? 'Microphone is on' : 'Microphone');
  const deaf = page.mic && publisher.active.length === 0;
  $('#sound-hint').hidden = !deaf;
  write($('#sound-hint'), deaf ? 'Viewers hear you as soon as there is a picture.' : '');
  $('#room-form').hidden = page.room !== '';
  $('#room-live').hidden = page.room === '';
  document.title = state === 'ready' ? 'Present · amphi' : `${title} · ${page.room || 'amphi'}`;
  renderCards();
}

function createCard(source) {
  const card = $('#source').content.firstElementChild.cloneNode(true);
  const find = (name) => card.querySelector(name);
  find('video').srcObject = new MediaStream([source.track]);
  find('.name').value = source.name;
  find('.name').addEventListener('change', ({ target }) => publisher.change(source.slot, { name: target.value.trim() }));
  find('.hint-of').value = source.hint;
  find('.hint-of').addEventListener('change', ({ target }) => publisher.change(source.slot, { hint: target.value }));
  find('.front').addEventListener('click', () => publisher.focus(source.slot));
  find('.pause').addEventListener('click', () => publisher.change(source.slot, { paused: !source.paused }));
  find('.end').addEventListener('click', () => endSource(source));
  return card;
}

const rateWords = (bps) => (bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`);

function figureWords(source) {
  const f = page.figures.get(source.slot);
  if (source.paused || !f || !f.width) {
    return source.paused ? 'Paused' : '';
  }
  const limited = f.steady ? limitAdvice(f.limited) : '';
  const words = [`${f.codec} ${f.width}×${f.height}`, `${Math.round(f.fps)}/s`, f.bps !== null && rateWords(f.bps)];
  return words.filter(Boolean).join(' · ') + (limited ? `. Less than asked: ${limited}.` : '');
}

function renderCards() {
  for (const [source, card] of cards) {
    if (!publisher.active.includes(source)) {
      card.remove();
      cards.delete(source);
      dropSounds(source);
    }
  }
  for (const source of publisher.active) {
    if (!cards.has(source)) {
      cards.set(source, createCard(source));
      $('#sources').append(cards.get(source));
    }
    const card = cards.get(source);
    card.classList.toggle('paused', source.paused);
    card.querySelector('.pause').classList.toggle('on', source.paused);
    write(card.querySelector('.pause'), source.paused ? 'Go on' : 'Pause');
    card.querySelector('.front').setAttribute('aria-pressed', String(source.slot === publisher.focused));
    card.querySelector('.front').hidden = publisher.active.length < 2;
    write(card.querySelector('.figures'), figureWords(source));
  }
}

function renderAudience({ viewers, good, poor, joining, worst }) {
  const counts = { viewers, good, poor, joining };
  for (const [name, value] of Object.entries(counts)) {
    if (Number.isInteger(value)) {
      write($(`#${name}`), String(value));
    }
  }
  write($('#worst'), worst ? `Who fares worst: ${worst}.` : '');
}

/* ---- the room ---- */

const rooms = () => load('localStorage', 'rooms', {});

function keep() {
  const kept = Object.entries({ ...rooms(), [page.room]: { secret: page.secret, password: page.password, at: Date.now() } });
  kept.sort(([, a], [, b]) => b.at - a.at);
  save('localStorage', 'rooms', Object.fromEntries(kept.slice(0, ROOMS_KEPT)));
  remember();
}

/* What a reload goes on with. */
function remember() {
  const camera = publisher.active.some((source) => source.kind === 'camera');
  const screens = publisher.active.filter((source) => source.kind === 'screen').length;
  save('sessionStorage', 'present', { room: page.room, camera, screens, mic: page.mic !== null });
}

function enter(room, secret, password) {
  Object.assign(page, { room, secret, password });
  $('#password').value = password;
  const link = new URL(`/${room}`, location.origin).href;
  write($('#room-code'), room);
  write($('#link'), link);
  write($('#whip'), new URL(`/whip/${room}`, location.origin).href);
  $('#link').href = link;
  $('#qr').src = `/assets/qr.svg?text=${encodeURIComponent(link)}`;
  keep();
  client.connect(socketUrl('/ws', location.href), room, { role: 'sharer', secret });
  render();
}

/* The room of this page: the one that is there, one whose secret is known, or a new one. */
function ensureRoom() {
  if (page.room) {
    return Promise.resolve();
  }
  page.making ??= makeRoom().finally(() => (page.making = null));
  return page.making;
}

async function makeRoom() {
  const room = normalizeCode($('#code').value);
  const password = $('#first-password').value;
  const secret = $('#secret').value.trim() || rooms()[room]?.secret;
  if (room && !isCode(room)) {
    throw Object.assign(new Error(''), { code: 'bad-code' });
  }
  if (room && secret) {
    enter(room, secret, rooms()[room]?.password ?? '');
    return;
  }
  const made = await createRoom(location.origin, { ...(room && { room }), ...(password && { password }) });
  enter(made.room, made.secret, password);
}

/* The server has forgotten the room, as after a restart: the same code and password again, with a new secret. */
async function remakeRoom() {
  page.remade += 1;
  const { room, password } = page;
  try {
    const made = await createRoom(location.origin, { room, ...(password && { password }) });
    enter(made.room, made.secret, password);
  } catch (error) {
    roomFailed(error);
  }
}

function roomFailed(error) {
  say(error.code === 'bad-code' ? 'A room code has only letters, digits and dashes.' : explain({ code: error.code, text: error.message }));
}

function leave() {
  if (page.mic) {
    toggleMic();
  }
  publisher.stop();
  client.close();
  Object.assign(page, { room: '', secret: '', password: '', remade: 0 });
  save('sessionStorage', 'present', {});
  $('#code').value = '';
  say('');
  render();
}

/* ---- sharing ---- */

async function share(kind, capture) {
  say('');
  let source;
  try {
    if (publisher.active.length >= publisher.sources.length) {
      throw Object.assign(new Error(''), { code: 'slots' });
    }
    source = await capture(settings.fps);
    await ensureRoom();
    const slot = publisher.add(source);
    publisher.sources[slot].kind = kind;
    page.sounds.set(publisher.sources[slot], source.sounds);
    source.sounds.forEach((track) => publisher.setSound(mixer.add(track)));
    keep();
    render();
    listDevices();
  } catch (error) {
    [source?.track, ...(source?.sounds ?? [])].forEach((track) => track?.stop());
    if (error.code && typeof error.code === 'string') {
      roomFailed(error);
    } else {
      say(captureAdvice(error, kind));
    }
  }
}

const addScreen = () => share('screen', captureScreen);
const addCamera = () => share('camera', (fps) => captureCamera(fps, deviceFor('videoinput')));

function endSource(source) {
  publisher.remove(source.slot);
  remember();
}

function dropSounds(source) {
  (page.sounds.get(source) ?? []).forEach((track) => publisher.setSound(mixer.remove(track)));
  page.sounds.delete(source);
}

async function toggleMic() {
  if (page.mic) {
    publisher.setSound(mixer.remove(page.mic));
    page.mic = null;
  } else {
    try {
      const track = await captureMicrophone(deviceFor('audioinput'));
      await ensureRoom();
      page.mic = track;
      track.addEventListener('ended', () => page.mic === track && toggleMic());
      publisher.setSound(mixer.add(track));
      listDevices();
    } catch (error) {
      if (typeof error.code === 'string') {
        roomFailed(error);
      } else {
        say(captureAdvice(error, 'microphone'));
      }
    }
  }
  remember();
  render();
}

function stopAll() {
  if (page.mic) {
    toggleMic();
  }
  publisher.stop();
  remember();
  render();
}

/* ---- buttons, keys, choices ---- */

/* Pages without https may not use the clipboard: then it is done by hand. */
async function copy(button, text, byHand) {
  const words = button.dataset.words ?? button.textContent;
  button.dataset.words = words;
  try {
    await navigator.clipboard.writeText(text);
    write(button, 'Copied');
    setTimeout(() => write(button, words), 1500);
  } catch {
    byHand();
  }
}

const copyLink = () => copy($('#copy'), $('#link').href, () => getSelection().selectAllChildren($('#link')));
const copySecret = () => copy($('#copy-secret'), page.secret, () => window.prompt('The room’s secret', page.secret));

const retry = () => {
  if (client.state === 'closed') {
    client.connect(socketUrl('/ws', location.href), page.room, { role: 'sharer', secret: page.secret });
  }
  publisher.retryNow();
};

const clicks = {
  'add-screen': addScreen,
  'add-camera': addCamera,
  mic: toggleMic,
  stop: stopAll,
  retry,
  copy: copyLink,
  'copy-secret': copySecret,
  leave,
  send: () => navigator.share({ url: $('#link').href, title: 'amphi' }).catch(() => {}),
};
for (const [id, action] of Object.entries(clicks)) {
  $(`#${id}`).addEventListener('click', action);
}

const KEYS = { s: 'add-screen', c: 'add-camera', m: 'mic', l: 'copy' };
document.addEventListener('keydown', (event) => {
  const { key, target, ctrlKey, metaKey, altKey, repeat } = event;
  const id = KEYS[key.toLowerCase()];
  if (id && !ctrlKey && !metaKey && !altKey && !repeat && !target.closest('input, select, textarea')) {
    $(`#${id}`).click();
  }
});

$('#room-form').addEventListener('submit', (event) => {
  event.preventDefault();
  say('');
  ensureRoom().catch(roomFailed);
});

$('#password-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const password = $('#password').value;
  const sent = publisher.setPassword(password, page.secret);
  if (sent) {
    page.password = password;
    keep();
  }
  const done = password ? 'Who comes from now on needs the password.' : 'Nobody needs a password any more.';
  write($('#password-said'), sent ? done : 'The server is not connected at the moment; try again.');
});

/* Which camera and microphone, where there are several and they have names. */
async function listDevices() {
  for (const kind of ['videoinput', 'audioinput']) {
    const select = $(`#${kind}`);
    const devices = await devicesOf(kind);
    const chosen = deviceFor(kind);
    select.replaceChildren(...devices.map(({ deviceId, label }) => option(deviceId, label)));
    select.value = devices.some(({ deviceId }) => deviceId === chosen) ? chosen : devices[0]?.deviceId ?? '';
    select.parentElement.hidden = devices.length < 2;
  }
}

const devicesKept = () => load('localStorage', 'devices', {});
const deviceFor = (kind) => $(`#${kind}`).value || devicesKept()[kind] || '';

async function onDevice({ target }) {
  save('localStorage', 'devices', { ...devicesKept(), [target.id]: target.value });
  if (target.id === 'audioinput' && page.mic) {
    await toggleMic(); // off, and on again with the other one
    await toggleMic();
  }
}

function option(value, words) {
  const element = document.createElement('option');
  element.value = value;
  element.textContent = words;
  return element;
}

function onSettings() {
  Object.assign(settings, {
    quality: $('#quality').value, fps: Number($('#fps').value), codec: $('#codec').value, simulcast: $('#simulcast').checked,
  });
  save('localStorage', 'publish', settings);
  publisher.configure(forPublisher());
  for (const { track } of publisher.active) {
    track.applyConstraints({ frameRate: { ideal: settings.fps, max: settings.fps } }).catch(() => {});
  }
}

function fillSettings() {
  $('#quality').append(...QUALITIES.map(([name, kbps]) => option(name, `${name.replace('-', ' ')}, ${kbps / 1000} Mbit/s`)));
  $('#codec').append(...Object.entries(CODECS).filter(([name]) => able.has(name)).map(([name, words]) => option(name, words)));
  $('#quality').value = settings.quality;
  $('#fps').value = String(settings.fps);
  $('#codec').value = settings.codec;
  $('#simulcast').checked = settings.simulcast;
  for (const id of ['quality', 'fps', 'codec', 'simulcast']) {
    $(`#${id}`).addEventListener('change', onSettings);
  }
}

offerTickets(page);
for (const id of ['videoinput', 'audioinput']) {
  $(`#${id}`).addEventListener('change', onDevice);
}
navigator.mediaDevices?.addEventListener?.('devicechange', listDevices);

/* ---- events ---- */

client.addEventListener('state', render);
client.addEventListener('joined', ({ detail }) => {
  page.remade = 0;
  renderAudience({ viewers: detail.viewers });
  showTickets(page.room);
});
client.addEventListener('error', ({ detail }) => {
  console.warn('amphi: server error', detail.code, detail.error);
  if (detail.code === 'room-not-found' && page.remade < 3) {
    remakeRoom();
  }
});
client.addEventListener('message', ({ detail }) => {
  if (detail.type.startsWith('viewer-')) {
    renderAudience(detail);
  } else if (detail.type === 'password-updated') {
    showTickets(page.room);
  } else if (detail.type === 'draining') {
    say(stopWords(detail));
  }
});
publisher.addEventListener('change', render);
publisher.addEventListener('audience', ({ detail }) => renderAudience(detail));
publisher.addEventListener('wish', ({ detail }) => {
  const rate = detail.bitrate > 0 ? `${rateWords(detail.bitrate)} at most` : '';
  write($('#wish'), [rate && `The server asks for ${rate}`, detail.reason].filter(Boolean).join(': '));
});
publisher.addEventListener('ended', ({ detail }) => {
  say(`${detail.source.name} is no longer shared.`);
  remember();
});

window.addEventListener('online', retry);
document.addEventListener('visibilitychange', () => !document.hidden && (client.retryNow(), client.probe()));
window.addEventListener('pagehide', () => publisher.close());
window.addEventListener('pageshow', ({ persisted }) => persisted && location.reload());
window.addEventListener('beforeunload', (event) => publisher.active.some((s) => s.kind === 'screen') && event.preventDefault());

/* A countdown is words of their own; figures are read once a second. */
setInterval(async () => {
  page.figures = await publisher.tick();
  render();
}, 1000);

window.amphi = {
  get state() {
    return document.body.dataset.state;
  },
  get room() {
    return page.room;
  },
  get figures() {
    return page.figures;
  },
  client,
  publisher,
};

async function goOn() {
  const before = load('sessionStorage', 'present', { room: '' });
  const { secret, password = '' } = rooms()[before.room] ?? {};
  if (!before.room || !secret) {
    return;
  }
  enter(before.room, secret, password);
  if (before.camera) {
    await addCamera();
  }
  if (before.mic) {
    await toggleMic();
  }
  if (before.screens > 0) {
    say('You shared a screen before this page was loaded again. Choose it once more: your viewers are waiting.');
    save('sessionStorage', 'present', before);
  }
}

const lacks = environmentAdvice({
  secure: window.isSecureContext,
  webrtc: 'RTCPeerConnection' in window,
  devices: Boolean(navigator.mediaDevices?.getUserMedia),
  display: Boolean(navigator.mediaDevices?.getDisplayMedia),
  host: location.host,
});
say(lacks);
$('#add-screen').hidden = !navigator.mediaDevices?.getDisplayMedia;
$('#add-camera').disabled = $('#mic').disabled = !navigator.mediaDevices?.getUserMedia;
$('#send').hidden = !navigator.share;
fillSettings();
render();
goOn();
