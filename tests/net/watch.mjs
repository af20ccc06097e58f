/* A viewer page whose media goes through a relay, and what it has seen. The page is the one everybody
 * gets: only the port in the candidates it is offered is another one. */
import { readBarcode, until, watchBarcode } from '../e2e/lib.mjs';

/* Nothing but UDP, or the page would go round the relay over TCP. */
function throughPort(port) {
  const plain = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const lines = description.sdp.split('\r\n').filter((line) => !/^a=candidate:\S+ \d+ tcp/i.test(line));
    const sdp = lines.map((line) =>
      line.replace(/^(a=candidate:\S+ \d+ udp \d+ \S+) \d+/i, `$1 ${port}`)).join('\r\n');
    return plain.call(this, { type: description.type, sdp });
  };
}

/** A page that watches through `relay`, or directly where there is none; `size` of its window, since
 * a browser without a graphics card pays for each pixel. */
export async function openPage(context, url, relay = null, size = null) {
  const page = await context.newPage();
  if (size) {
    await page.setViewportSize(size);
  }
  if (relay) {
    await page.addInitScript(throughPort, relay.port);
  }
  await page.goto(url);
  return page;
}

/** Until the page has a picture; then its barcode is read, also after the page has made itself a new
 * connection, and the present one is remembered. */
export async function watch(page, within = 20000) {
  await page.waitForFunction(() => window.amphi?.firstFrameMs > 0, null, { timeout: within });
  await page.evaluate(() => (window.firstConnection = window.amphi.peerConnection));
  await watchBarcode(page);
  await page.evaluate(() => {
    setInterval(() => window.watched.isConnected || window.barcode.follow(), 50);
  });
}

const inbound = (page) => page.evaluate(async () => {
  const sum = { packets: 0, lost: 0, repaired: 0, nacks: 0, plis: 0, frames: 0, dropped: 0, freezes: 0 };
  const { peerConnection } = window.amphi;
  for (const s of peerConnection ? (await peerConnection.getStats()).values() : []) {
    if (s.type === 'inbound-rtp' && s.kind === 'video') {
      sum.packets += s.packetsReceived;
      sum.lost += s.packetsLost;
      sum.repaired += s.retransmittedPacketsReceived ?? 0;
      sum.nacks += s.nackCount;
      sum.plis += s.pliCount;
      sum.frames += s.framesDecoded;
      sum.dropped += s.framesDropped;
      sum.freezes += s.freezeCount;
    }
  }
  return sum;
});

/** Everything known of a page: the barcodes (of lib.mjs), the browser's own statistics, and whether it
 * is still the connection that the page had when watch() began. */
export async function seen(page) {
  const [code, stats, sameConnection, firstFrameMs] = [
    await readBarcode(page),
    await inbound(page),
    await page.evaluate(() => window.amphi.peerConnection === window.firstConnection),
    await page.evaluate(() => window.amphi.firstFrameMs),
  ];
  return { ...code, ...stats, sameConnection, firstFrameMs, presented: code.frames };
}

/** How long after `since` (Date.now()) a picture captured after it was shown. */
export async function backAfter(page, since, within) {
  /* Date.now() in tenths of a millisecond, in as many bits as the barcode has */
  const captured = (since * 10) % 2 ** 32;
  const at = await until('new pictures are shown', () => page.evaluate(
    (least) => window.barcode.newest >= least && window.barcode.shownAt, captured),
  { within, every: 20 });
  return at - since;
}
