/* Chromium and Firefox, in pages with nothing of ours in them. As in process_peers.mjs. */
import puppeteer from 'puppeteer-core';
import { startBrowser, until } from '../e2e/lib.mjs';

const PREFERENCES = {
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'permissions.default.camera': 1, /* without it only the address of the default route is used */
  'permissions.default.microphone': 1,
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

/* In the page: connects, in one direction, with one codec alone if it may be chosen. */
async function connect({ url, secret, codec, direction, width = 320, height = 240, encodings }) {
  const pc = new RTCPeerConnection();
  window.peer = { pc };
  let source = 'video';
  if (direction === 'sendonly') {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    document.body.append(canvas);
    const g = canvas.getContext('2d');
    let count = 0;
    setInterval(() => {
      g.fillStyle = `hsl(${(count++ * 7) % 360} 80% 50%)`;
      g.fillRect(0, 0, width, height);
    }, 60);
    [source] = canvas.captureStream(15).getVideoTracks();
  } else {
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    document.body.append(video);
    window.peer.video = video;
    pc.ontrack = ({ track }) => {
      video.srcObject = new MediaStream([track]);
      video.play();
    };
  }
  const transceiver = pc.addTransceiver(source,
    { direction, ...(encodings && { sendEncodings: encodings }) });
  const known = RTCRtpReceiver.getCapabilities('video').codecs
    .filter((c) => [`video/${codec}`, 'video/rtx'].includes(c.mimeType.toLowerCase()));
  transceiver.setCodecPreferences?.(known);
  await pc.setLocalDescription();
  const show = secret ? { Authorization: `Bearer ${secret}` } : {};
  const answer = await fetch(url, { method: 'POST', body: pc.localDescription.sdp,
    headers: { 'Content-Type': 'application/sdp', ...show } });
  const sdp = await answer.text();
  if (answer.status !== 201) {
    throw new Error(`${answer.status}: ${sdp}`);
  }
  window.peer.location = new URL(answer.headers.get('Location'), url).href;
  window.peer.end = () => fetch(window.peer.location, { method: 'DELETE', headers: show });
  await pc.setRemoteDescription({ type: 'answer', sdp });
}

async function look() {
  let frames = 0;
  for (const s of (await window.peer.pc.getStats()).values()) {
    frames += s.type === 'inbound-rtp' && s.kind === 'video' ? s.framesDecoded : 0;
  }
  const { video } = window.peer;
  return { frames, width: video.videoWidth, height: video.videoHeight };
}

function peer(newPage) {
  const open = async (url) => {
    const page = await newPage();
    await page.goto(new URL('/', url).href);
    await page.bringToFront();
    return page;
  };
  const close = async (page) => {
    await page.evaluate(async () => {
      await window.peer.end?.();
      window.peer.pc.close();
    });
    await page.close();
  };
  return {
    /* `more`: width, height, encodings */
    publish: async (url, secret, codec, more = {}) => {
      const page = await open(url);
      await page.evaluate(connect, { url, secret, codec, direction: 'sendonly', ...more });
      return { stop: () => close(page) };
    },
    /* `during`: called with `look` and the session's URL, before it ends */
    watch: async (url, frames, codec, during = async () => {}) => {
      const page = await open(url);
      await page.evaluate(connect, { url, codec, direction: 'recvonly' });
      try {
        const seen = await until(`${frames} frames are decoded`, async () => {
          const now = await page.evaluate(look);
          return now.frames >= frames && now.width > 0 && now;
        }, { within: 25000 });
        await during(() => page.evaluate(look), await page.evaluate(() => window.peer.location));
        return seen;
      } finally {
        await close(page);
      }
    },
  };
}

export async function startChromium() {
  const browser = await startBrowser();
  return { ...peer(() => browser.context.newPage()), close: () => browser.close() };
}

export async function startFirefox() {
  const browser = await puppeteer.launch({ browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr', headless: true, extraPrefsFirefox: PREFERENCES });
  return { ...peer(() => browser.newPage()), close: () => browser.close() };
}
