/* Peers in programs of their own: GStreamer's webrtcbin and aiortc, in Python. As in node_peers.mjs:
 * publish(url, secret, codec) gives {stop}; watch(url, frames, codec) what was seen. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { start, until } from '../e2e/lib.mjs';

const PYTHON = '/usr/bin/python3'; /* Debian's: the packages are its */

function peer(script) {
  const file = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname),
    script);
  return {
    publish: async (url, secret, codec) => {
      const child = spawn(PYTHON, [file, 'publish', url, secret, codec],
        { stdio: ['pipe', 'ignore', 'pipe'] });
      let said = '';
      child.stderr.on('data', (data) => (said += data));
      const ended = new Promise((resolve) => child.on('close', resolve));
      return {
        stop: async () => {
          child.stdin.end();
          const code = await ended;
          if (code !== 0) {
            throw new Error(`${script} ended with ${code}: ${said}`);
          }
        },
      };
    },
    watch: async (url, frames, codec) => {
      const run = start(PYTHON, [file, 'watch', url, String(frames), codec]);
      try {
        await until(`${frames} frames in ${script}`, () => run.stdout.includes('}') ||
          run.child.exitCode, { within: 25000 });
      } catch (error) {
        await run.stop('SIGKILL');
        throw new Error(`${error.message}: ${run.stderr}`);
      }
      const { code } = await run.exited;
      if (code !== 0) {
        throw new Error(`${script} ended with ${code}: ${run.stderr}`);
      }
      return JSON.parse(run.stdout);
    },
  };
}

export const gstreamer = peer('gstreamer_peer.py');
export const aiortc = peer('aiortc_peer.py');
