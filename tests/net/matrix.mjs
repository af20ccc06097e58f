/* tests/net/matrix: loss x delay x impairment, a row of a Markdown table for each cell. Several lanes
 * take cells from one list; each lane has a Chromium of its own, so that all are in front, and so has
 * the neighbour on a direct path that watches through the whole run. Its figures are worth what the
 * machine is: the neighbour's columns tell what the same machine did without the network. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startAmphi, startBrowser } from '../e2e/lib.mjs';
import { IMPAIRMENTS, between, chromiumCell, loadCell, look, openWatched, sleep } from './cells.mjs';
import { goals, loadGoals, table } from './report.mjs';

const USAGE = `usage: tests/net/matrix [OPTIONS]
  --loss 0,1,2,5,10     percent, each way
  --rtt 0,50,200        milliseconds, half of it each way
  --with none,1mbit,blackout,rebind
  --seconds 60          per cell, after the first frame
  --lanes 4             cells at a time, each a Chromium
  --minutes 29          no cell begins that would not be over by then
  --output FILE         the table and the goals; kept up to date while it runs
  --seed 1
  --size 640x360  --fps 20  --bitrate 800
  --load N              N viewers of amphi-load per cell, each behind a link of its own, and
                        --beside 5 next to them, one cell at a time; without Chromium
Needs a program in build/release. A freeze is a pause of more than 200 ms between two frames shown (with
--load: beyond the usual). "back": the first picture captured after the end of the blackout (change of
address), after that; the pause itself is not counted as a freeze.`;

const SETTLE_MS = 4000; /* the server forgets the viewers of the cell before */
const ALONE_MS = 20000;
const CELL_EXTRA_MS = 60000; /* what joining and leaving may take of a cell that fails */

const OPTIONS = {
  loss: '0,1,2,5,10', rtt: '0,50,200', with: Object.keys(IMPAIRMENTS).join(), seconds: '60', lanes: '4',
  minutes: '29', output: '', seed: '1', size: '640x360', fps: '20', bitrate: '800', load: '0', beside: '5',
};

function options() {
  const { values } = parseArgs({ options: {
    ...Object.fromEntries(Object.entries(OPTIONS).map(([name, text]) =>
      [name, { type: 'string', default: text }])),
    help: { type: 'boolean', default: false },
  } });
  const list = (text) => text.split(',').map(Number);
  const [width, height] = values.size.split('x').map(Number);
  const o = { ...values, loss: list(values.loss), rtt: list(values.rtt), with: values.with.split(','),
    width, height };
  for (const name of ['seconds', 'lanes', 'minutes', 'seed', 'load', 'beside']) {
    o[name] = Number(values[name]);
  }
  const numbers = [...o.loss, ...o.rtt, o.seconds, o.minutes, o.seed, width, height];
  const isCount = (n, most) => Number.isInteger(n) && n >= 0 && n <= most;
  if (numbers.some((n) => !(n >= 0)) || o.seconds < 5 || o.with.some((name) => !(name in IMPAIRMENTS)) ||
      !isCount(o.lanes - 1, 7) || !isCount(o.load, 60) || !isCount(o.beside - 1, 60)) {
    throw new Error('not a number, less than 5 seconds, too many, or an unknown impairment');
  }
  return o;
}

const cellsOf = (o) => o.with.flatMap((name) => o.rtt.flatMap((rtt) => o.loss.map((loss) =>
  ({ name, rtt, loss, seconds: o.seconds, seed: o.seed, viewers: o.load, beside: o.beside }))));

/** A result for each cell, in their order, whatever fails: `run` does one, `renew` mends
 * the lane after one that failed. */
async function drain(cells, { until, run, renew, done }) {
  const results = new Array(cells.length).fill(null);
  let next = 0;
  const lane = async (number) => {
    while (next < cells.length) {
      const i = next++, cell = cells[i], bound = cell.seconds * 1000 + CELL_EXTRA_MS;
      if (Date.now() + cell.seconds * 1000 > until) {
        results[i] = { ...cell, error: 'no time left' };
        continue;
      }
      let timer;
      const late = new Promise((_, reject) => {
        timer = setTimeout(reject, bound, new Error(`not over after ${bound} ms`));
      });
      try {
        results[i] = await Promise.race([run(number, cell), late]);
      } catch (error) {
        results[i] = { ...cell, error: error.message.split('\n')[0] };
        await renew(number);
      }
      clearTimeout(timer);
      done(results.filter(Boolean), results[i]);
    }
  };
  return { results, lanes: (n) => Promise.all(Array.from({ length: n }, (_, number) => lane(number))) };
}

function reporter(o, about, begun, alone) {
  return (results, newest = null) => {
    if (newest) {
      console.log(table([newest], o.load > 0).split('\n').at(-1));
    }
    const list = o.load > 0 ? loadGoals(results) : goals(results, alone());
    const text = [about, '', table(results, o.load > 0), '', ...list, '',
      `${results.length} cells in ${((Date.now() - begun) / 60000).toFixed(1)} minutes`, ''].join('\n');
    if (o.output) {
      writeFileSync(o.output, text);
    }
    return text;
  };
}

async function chromiumMatrix(o, amphi, port, report, setAlone, until) {
  const browsers = await Promise.all(Array.from({ length: o.lanes + 1 }, () => startBrowser()));
  const near = browsers[o.lanes];
  try {
    const page = await openWatched(near.context, amphi.url, o);
    const from = await look(page);
    await sleep(ALONE_MS);
    setAlone(between([from, await look(page)]));
    const { results, lanes } = await drain(cellsOf(o), {
      until,
      run: (n, cell) => chromiumCell(
        { amphi, context: browsers[n].context, port, near: page, size: o }, cell),
      renew: async (n) => {
        await browsers[n].close().catch(() => {});
        browsers[n] = await startBrowser();
      },
      done: report,
    });
    await lanes(o.lanes);
    return results;
  } finally {
    await Promise.all(browsers.map((browser) => browser.close().catch(() => {})));
  }
}

async function loadMatrix(o, amphi, port, report, until) {
  const { results, lanes } = await drain(cellsOf(o), {
    until,
    run: async (_, cell) => {
      const result = await loadCell({ amphi, port }, cell);
      await sleep(SETTLE_MS);
      return result;
    },
    renew: () => sleep(SETTLE_MS),
    done: report,
  });
  await lanes(1);
  return results;
}

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
  const begun = Date.now(), until = begun + o.minutes * 60000;
  let alone = null;
  const about = `${o.load ? `${o.load} viewers of amphi-load and ${o.beside} neighbours` : `Chromium, ${o.lanes} cells at a time`}, ` +
    `${o.size} at ${o.fps} fps and ${o.bitrate} kbit/s, ${o.seconds} s a cell, loss each way, seed ${o.seed}.`;
  const report = reporter(o, about, begun, () => alone);
  const amphi = await startAmphi(
    ['--source', `pattern:${o.size}`, '--fps', o.fps, '--bitrate', o.bitrate]);
  try {
    const { udp_port: port } = await amphi.stats();
    const results = o.load > 0 ? await loadMatrix(o, amphi, port, report, until)
      : await chromiumMatrix(o, amphi, port, report, (figures) => (alone = figures), until);
    console.log(`\n${report(results)}`);
  } finally {
    await amphi.stop();
  }
}

await main();
