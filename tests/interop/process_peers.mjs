/* Peers in programs of their own, in Python and in node. Each publishes by WHIP and watches by WHEP:
 * publish(url, secret, codec) gives {stop}; watch(url, frames, codec) what was seen. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { start, until } from '../e2e/lib.mjs';

const PYTHON = '/usr/bin/python3'; /* Debian's: the packages are its */

const file = (script) => fileURLToPath(new URL(script, import.meta.url));

function peer(command, ...args) {
  const name = path.basename(args.at(-1));
  return {
    publish: async (url, secret, codec) => {
      const child = spawn(command, [...args, 'publish', url, secret, codec]);
      let said = '', stopped = '';
      child.stderr.on('data', (data) => (said += data));
      child.stdout.on('data', (data) => (stopped += data));
      const ended = new Promise((resolve) => child.on('close', resolve));
      return {
        stop: async () => {
          child.stdin.end();
          await ended;
          if (!stopped.includes('stopped')) {
            throw new Error(`${name} failed: ${said}`);
          }
        },
      };
    },
    watch: async (url, frames, codec) => {
      const run = start(command, [...args, 'watch', url, String(frames), codec]);
      let ended = false;
      run.exited.then(() => (ended = true));
      try {
        await until(`${frames} frames in ${name}`, () => run.stdout.includes('}') || ended,
          { within: 25000 });
        return JSON.parse(run.stdout);
      } catch (error) {
        throw new Error(`${error.message}: ${run.stderr}`);
      } finally {
        await until(`${name} ends`, () => ended).catch(() => run.stop('SIGKILL'));
      }
    },
  };
}

export const gstreamer = peer(PYTHON, file('gstreamer_peer.py'));
export const aiortc = peer(PYTHON, file('aiortc_peer.py'));
export const wrtc = peer(process.execPath, file('node_peer.mjs'), 'wrtc');
export const werift = peer(process.execPath, file('node_peer.mjs'), 'werift');
export const datachannel = peer(process.execPath, file('node_peer.mjs'), 'datachannel');
