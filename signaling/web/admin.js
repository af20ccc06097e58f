/* The dashboard: rooms, what they carry, who publishes and who watches, from `GET /api/v1/stats`.
 *
 * The admin token is kept in sessionStorage: it is gone with the tab, and is in no link. Everything is read
 * anew every 2 s while the page is seen; rows are kept, so that buttons stay under the pointer. */

import { bytes, count, duration, publisherHealth, rate, streamHealth, viewerHealth } from './health.js';

const EVERY = 2000;
const VIEWERS_SHOWN = 200; // of each room; the others are counted
const RATES = [500, 1500, 3000, 6000, 10000, 15000, 20000, 50000];

const $ = (selector) => document.querySelector(selector);
const write = (element, words) => element.textContent !== words && (element.textContent = words);

const page = { token: read(), before: null, sources: [], timer: null };

function read() {
  try {
    return sessionStorage.getItem('amphi.admin') ?? '';
  } catch {
    return '';
  }
}

function keep(token) {
  page.token = token;
  try {
    sessionStorage.setItem('amphi.admin', token);
  } catch {
    // then it is asked for again after a reload
  }
}

function say(words) {
  write($('#notice'), words);
  $('#notice').hidden = !words;
}

/* ---- the server ---- */

async function ask(method, path, body) {
  const headers = { authorization: `Bearer ${page.token}`, ...(body && { 'content-type': 'application/json' }) };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  const said = /json/.test(answer.headers.get('content-type') ?? '') && text ? JSON.parse(text) : {};
  if (!answer.ok) {
    throw Object.assign(new Error(said.detail ?? `The server answered ${answer.status}.`), { status: answer.status });
  }
  return said;
}

/* A button's order; what the server says against it is shown, and the figures are read again. */
async function order(method, path, body) {
  try {
    await ask(method, path, body);
    say('');
  } catch (error) {
    say(error.message);
  }
  refresh();
}

/* ---- rows that stay ---- */

/* One child of `parent` for each item, by key, in the items' order; `make` and `fill` them. */
function rows(parent, items, key, make, fill) {
  const old = new Map([...parent.children].map((row) => [row.dataset.key, row]));
  items.forEach((item, i) => {
    const name = String(key(item));
    let row = old.get(name);
    old.delete(name);
    if (!row) {
      row = make(item);
      row.dataset.key = name;
    }
    if (parent.children[i] !== row) {
      parent.insertBefore(row, parent.children[i] ?? null);
    }
    fill(row, item);
  });
  old.forEach((row) => row.remove());
}

function cells(row, words) {
  while (row.cells.length < words.length) {
    row.insertCell();
  }
  words.forEach((text, i) => write(row.cells[i], text));
}

function button(words, action) {
  const element = document.createElement('button');
  element.type = 'button';
  element.className = 'quiet small';
  element.textContent = words;
  element.addEventListener('click', action);
  return element;
}

const newRow = () => document.createElement('tr');
const known = (value, words) => (Number.isFinite(value) ? words(value) : '–');

/* ---- what is shown ---- */

function fillTotals(stats) {
  const sent = stats.workers.reduce((sum, w) => sum + w.bytes_sent, 0);
  const viewers = stats.workers.reduce((sum, w) => sum + w.viewers, 0);
  const before = page.before;
  const seconds = before ? stats.uptime_s - before.uptime : 0;
  const steady = seconds > 0; // else the server was started again
  const totals = [
    ['viewers', String(viewers)],
    ['rooms', String(stats.rooms.length)],
    ['sending', steady ? rate((8 * Math.max(0, sent - before.sent)) / seconds) : '–'],
    ['processor', steady ? `${Math.round((stats.process.cpu_us - before.cpu) / seconds / 1e4)} %` : '–'],
    ['memory', bytes(stats.process.rss_bytes)],
    ['sent', bytes(sent)],
  ];
  page.before = { uptime: stats.uptime_s, sent, cpu: stats.process.cpu_us };
  rows($('#totals'), totals, ([name]) => name, ([name]) => {
    const box = document.createElement('div');
    box.append(Object.assign(document.createElement('dt'), { textContent: name }), document.createElement('dd'));
    return box;
  }, (box, [, words]) => write(box.lastElementChild, words));
  write($('#status-detail'), `${stats.node}, amphi ${stats.version}, up ${duration(stats.uptime_s)}${stats.draining ? ', draining: takes nobody new' : ''}`);
}

/* Streams of this machine can be changed; those of publishers are theirs. */
const isNative = (stream) => Boolean(stream.encoder);

function streamRow(room) {
  return (stream) => {
    const row = newRow();
    cells(row, ['', '', '', '', '']);
    if (!isNative(stream)) {
      return row;
    }
    const path = `/api/v1/rooms/${room}/sources/${stream.track_id}`;
    const select = document.createElement('select');
    select.className = 'field small';
    select.setAttribute('aria-label', 'Rate');
    select.append(new Option('rate …', ''), ...RATES.map((kbps) => new Option(`${kbps / 1000} Mbit/s`, kbps)));
    select.addEventListener('change', () => {
      order('PATCH', path, { bitrate_kbps: Number(select.value) });
      select.value = '';
    });
    const pause = button('Pause', () => order('PATCH', path, { paused: pause.textContent === 'Pause' }));
    pause.classList.add('pause');
    row.cells[4].append(select, pause, button('Remove', () => order('DELETE', path)));
    return row;
  };
}

function fillStream(row, s) {
  const health = streamHealth(s);
  const layers = s.layers?.length > 1 ? `, ${s.layers.length} layers` : '';
  cells(row, [
    [s.track_id, s.name].filter(Boolean).join(' · '),
    `${(s.codec ?? '').toUpperCase()} ${s.width}×${s.height}${layers}${s.encoder ? ` by ${s.encoder}` : ''}`,
    `${rate(s.bitrate_bps ?? 0)}, ${Math.round(s.encode_fps ?? 0)}/s`,
    health.words || 'Well.',
  ]);
  row.cells[3].className = health.level;
  const pause = row.querySelector('.pause');
  if (pause) {
    write(pause, s.paused ? 'Go on' : 'Pause');
  }
}

const disconnect = (id) => button('Disconnect', () => order('DELETE', `/api/v1/viewers/${id}`));

/* Who publishes into the room, as a row among its streams. */
function publisherRow({ id }) {
  const row = newRow();
  cells(row, ['', '', '', '', '']);
  row.cells[4].append(disconnect(id));
  return row;
}

function fillPublisher(row, p) {
  const health = publisherHealth(p);
  cells(row, [
    `Publisher ${p.id} (${p.kind || 'unknown kind'})`,
    [p.remote, p.transport === 'tcp' ? 'TCP' : '', known(p.rtt_ms, (ms) => `${Math.round(ms)} ms`)].filter(Boolean).join(' '),
    known(p.bitrate_bps, rate), health.words || 'Well.',
  ]);
  row.cells[3].className = health.level;
}

function viewerRow(v) {
  const row = newRow();
  cells(row, Array(10).fill(''));
  row.cells[9].append(disconnect(v.id));
  return row;
}

function fillViewer(row, v) {
  const health = viewerHealth(v);
  cells(row, [
    v.id, health.words, duration(v.since_s), [v.remote, v.transport === 'tcp' ? 'TCP' : ''].filter(Boolean).join(' '),
    String(v.layer ?? '–'), known(v.sent_bps, rate), known(v.rtt_ms, (ms) => `${Math.round(ms)} ms`),
    known(v.loss_percent, (p) => `${p.toFixed(1)} %`), known(v.first_frame_ms, (ms) => `${Math.round(ms)} ms`),
  ]);
  row.cells[1].className = health.level;
}

function createRoom({ room }) {
  const section = $('#room').content.firstElementChild.cloneNode(true);
  const link = section.querySelector('h2 a');
  link.href = `/${room}`;
  link.textContent = room;
  section.querySelector('.end').addEventListener('click', () => {
    if (confirm(`End ${room}, and disconnect all who are in it?`)) {
      order('DELETE', `/api/v1/rooms/${room}`);
    }
  });
  section.querySelector('.add').addEventListener('submit', (event) => {
    event.preventDefault();
    order('POST', `/api/v1/rooms/${room}/sources`, { source: section.querySelector('.add select').value });
  });
  return section;
}

function fillRoom(section, r) {
  const list = r.viewers_list ?? [];
  const sum = count(list);
  const about = [
    `${r.viewers} watching`, `${r.viewers_peak} at most`,
    sum.bad + sum.warn > 0 ? `${sum.bad + sum.warn} not at their best` : '', `for ${duration(r.uptime_s)}`,
    r.password_required ? 'with a password' : '', r.reconnecting ? 'the presenter reconnects' : '',
  ];
  write(section.querySelector('.about'), about.filter(Boolean).join(' · '));
  const streams = section.querySelector('.streams');
  const publishers = r.publishers ?? [];
  const lines = [...r.streams.map((s) => ({ key: `s ${s.track_id} ${isNative(s)}`, s })), ...publishers.map((p) => ({ key: `p ${p.id}`, p }))];
  rows(streams.tBodies[0], lines, ({ key }) => key, ({ s, p }) => (s ? streamRow(r.room)(s) : publisherRow(p)), (row, { s, p }) => (s ? fillStream(row, s) : fillPublisher(row, p)));
  streams.parentElement.hidden = lines.length === 0;
  const options = section.querySelector('.add select');
  if (options.options.length !== page.sources.length) {
    options.replaceChildren(...page.sources.map(({ source, name }) => new Option(name || source, source)));
  }
  section.querySelector('.add').hidden = page.sources.length === 0;
  const viewers = section.querySelector('.viewers');
  rows(viewers.tBodies[0], list.slice(0, VIEWERS_SHOWN), ({ id }) => id, viewerRow, fillViewer);
  viewers.parentElement.hidden = list.length === 0;
  const more = list.length - VIEWERS_SHOWN;
  write(section.querySelector('.more'), more > 0 ? `and ${more} more, who are in GET /api/v1/stats?viewers=1` : '');
}

function show(stats) {
  document.body.dataset.state = 'live';
  $('#enter').hidden = true;
  $('#forget').hidden = $('#totals').hidden = false;
  fillTotals(stats);
  rows($('#rooms'), stats.rooms, ({ room }) => room, createRoom, fillRoom);
}

function lock(words) {
  keep('');
  page.before = null;
  document.body.dataset.state = 'ready';
  $('#enter').hidden = false;
  $('#forget').hidden = $('#totals').hidden = true;
  write($('#status-detail'), '');
  $('#rooms').replaceChildren();
  say(words);
  $('#token').focus();
}

/* ---- the clock ---- */

async function refresh() {
  clearTimeout(page.timer);
  if (!page.token) {
    return;
  }
  try {
    show(await ask('GET', '/api/v1/stats?viewers=1'));
  } catch (error) {
    if (error.status === 401 || error.status === 403) {
      lock('This is not the token of this server.');
      return;
    }
    document.body.dataset.state = 'reconnecting';
    write($('#status-detail'), 'The server does not answer; it is asked again.');
  }
  clearTimeout(page.timer);
  page.timer = setTimeout(() => !document.hidden && refresh(), EVERY);
}

async function enter() {
  say('');
  await refresh();
  if (page.token) {
    const { sources = [] } = await ask('GET', '/api/v1/sources').catch(() => ({}));
    page.sources = sources;
  }
}

$('#enter').addEventListener('submit', (event) => {
  event.preventDefault();
  keep($('#token').value.trim());
  $('#token').value = '';
  enter();
});
$('#forget').addEventListener('click', () => lock(''));
document.addEventListener('visibilitychange', () => !document.hidden && refresh());

if (page.token) {
  enter();
} else {
  lock('');
}
