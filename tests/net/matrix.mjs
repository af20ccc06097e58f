/* tests/net/matrix: one viewer behind the relay per cell and one beside it on a direct path, each in a
 * Chromium of its own; a row of a markdown table for each cell. Its figures are worth what the machine
 * is: the neighbour's columns tell what the same machine did without the network. */
import { parseArgs } from 'node:util';
import { startAmphi, startBrowser } from '../e2e/lib.mjs';
import { Relay } from './relay.mjs';
import { backAfter, openPage, seen, watch } from './watch.mjs';

const USAGE = `usage: tests/net/matrix [OPTIONS]
  --loss 0,1,2,5,10     percent, each way
  --rtt 0,50,200        milliseconds, half of it each way
  --with none,1mbit,blackout,rebind
  --seconds 20          per cell, after the first frame
  --seed 1
  --source pattern:640x360  --fps 20  --bitrate 800
Needs a program in build/release. A freeze is a pause of more than 200 ms between two frames shown.
"back": the first picture captured after the end of the blackout (change of address), after that.`;

const RATE = 1e6;
const BLACKOUT_MS = 3000;
const BACK_WITHIN_MS = 30000, NEVER = Infinity;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* What happens to a viewer in the middle of its cell; resolves to when it is over. */
const IMPAIRMENTS = {
  none: null,
  '1mbit': null, // from the beginning
  blackout: async (relay) => {
    relay.blackout(BLACKOUT_MS);
    await sleep(BLACKOUT_MS);
    return Date.now();
  },
  rebind: async (relay) => {
    await relay.rebind();
    return Date.now();
  },
};

function options() {
  const { values } = parseArgs({ options: {
    loss: { type: 'string', default: '0,1,2,5,10' },
    rtt: { type: 'string', default: '0,50,200' },
    with: { type: 'string', default: Object.keys(IMPAIRMENTS).join() },
    seconds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    source: { type: 'string', default: 'pattern:640x360' },
    fps: { type: 'string', default: '20' },
    bitrate: { type: 'string', default: '800' },
    help: { type: 'boolean', default: false },
  } });
  const list = (text) => text.split(',').map(Number);
  const o = { ...values, loss: list(values.loss), rtt: list(values.rtt), with: values.with.split(','),
    seconds: Number(values.seconds), seed: Number(values.seed) };
  const numbers = [...o.loss, ...o.rtt, o.seconds, o.seed];
  if (numbers.some((n) => !(n >= 0)) || o.seconds < 5 || o.with.some((name) => !(name in IMPAIRMENTS))) {
    throw new Error('not a number, less than 5 seconds, or an unknown impairment');
  }
  return o;
}

const fixed = (value, digits = 0) => Number.isFinite(value) ? value.toFixed(digits) : '-';

/** From `before` to `now`, both of seen(), `ms` apart. */
function freezesOf(before, now, ms) {
  const gaps = now.gapsMs.slice(before.gapsMs.length);
  const sum = gaps.reduce((total, gap) => total + gap, 0);
  return { perMinute: (gaps.length * 60000) / ms, mean: gaps.length ? sum / gaps.length : 0,
    longest: Math.max(0, ...gaps) };
}

const rate = (before, now, ms) => ((now.presented - before.presented) * 1000) / ms;

const medianBetween = (before, now) => {
  const delays = now.delaysMs.slice(before.delaysMs.length).sort((a, b) => a - b);
  return delays[delays.length >> 1];
};

/** seen() with every barcode's delay. */
async function look(page) {
  return { ...await seen(page), delaysMs: await page.evaluate(() => window.barcode.delaysMs) };
}

async function cell({ amphi, browsers, port, near }, { loss, rtt, name, seconds, seed }) {
  const settings = { loss: loss / 100, delay: rtt / 2 };
  const relay = await Relay.start(port,
    { seed, up: settings, down: { ...settings, rate: name === '1mbit' ? RATE : 0 } });
  const page = await openPage(browsers[1].context, amphi.url, relay);
  try {
    await watch(page, 60000);
    const [before, beside] = await Promise.all([look(page), look(near)]);
    const begun = Date.now();
    let back;
    if (IMPAIRMENTS[name]) {
      await sleep((seconds * 1000) / 4);
      const over = await IMPAIRMENTS[name](relay);
      back = await backAfter(page, over, BACK_WITHIN_MS).catch(() => NEVER);
    }
    await sleep(Math.max(0, begun + seconds * 1000 - Date.now()));
    const ms = Date.now() - begun;
    const [now, besideNow] = await Promise.all([look(page), look(near)]);
    const freezes = freezesOf(before, now, ms), besides = freezesOf(beside, besideNow, ms);
    return [`${loss} %`, rtt, name, fixed(now.firstFrameMs), fixed(freezes.perMinute, 1),
      fixed(freezes.mean), fixed(freezes.longest), back === NEVER ? 'never' : fixed(back),
      fixed(rate(before, now, ms), 1), now.lost - before.lost,
      now.repaired - before.repaired, fixed(medianBetween(before, now) - medianBetween(beside, besideNow)),
      now.sameConnection ? 'no' : 'yes', fixed(rate(beside, besideNow, ms), 1),
      fixed(besides.perMinute, 1), fixed(besides.longest), besideNow.lost - beside.lost];
  } finally {
    await page.close();
    relay.close();
  }
}

const HEAD = ['loss', 'RTT', 'with', 'first frame ms', 'freezes/min', 'mean ms', 'longest ms', 'back ms',
  'fps', 'lost', 'RTX and probing', 'added latency ms', 'new connection', 'neighbour fps',
  'its freezes/min', 'its longest ms', 'its losses'];
const row = (cells) => console.log(`| ${cells.join(' | ')} |`);

async function main() {
  let o;
  try {
    o = options();
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (o.help) {
    console.log(USAGE);
    return;
  }
  const amphi = await startAmphi(['--source', o.source, '--fps', o.fps, '--bitrate', o.bitrate]);
  const browsers = [];
  try {
    browsers.push(await startBrowser(), await startBrowser());
    const near = await openPage(browsers[0].context, amphi.url);
    await watch(near);
    const { udp_port: port } = await amphi.stats();
    row(HEAD);
    row(HEAD.map(() => '---'));
    for (const name of o.with) {
      for (const rtt of o.rtt) {
        for (const loss of o.loss) {
          row(await cell({ amphi, browsers, port, near },
            { loss, rtt, name, seconds: o.seconds, seed: o.seed }));
        }
      }
    }
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()));
    await amphi.stop();
  }
}

await main();
