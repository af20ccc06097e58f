/* The server's end of a presenter's connection: answers his offers, and counts the pictures that come. */

let pc = null;
let offers = 0;

const socket = new WebSocket(`ws://${location.host}/mock/ws`);
const send = (message) => socket.send(JSON.stringify(message));

async function answer({ sdp, peerId }) {
  pc?.close();
  offers += 1;
  const mine = (pc = new RTCPeerConnection());
  mine.onicecandidate = ({ candidate }) => {
    if (mine === pc) {
      send({ type: 'ice', peerId, candidate: candidate?.candidate ? JSON.stringify(candidate) : '' });
    }
  };
  await mine.setRemoteDescription({ type: 'offer', sdp });
  await mine.setLocalDescription(await mine.createAnswer());
  send({ type: 'answer', peerId, sdp: mine.localDescription.sdp });
}

/* What arrives, by mid: {kind, codec, frames, width, bytes}. */
async function arriving() {
  const report = await pc?.getStats();
  const rows = [...(report?.values() ?? [])].filter(({ type }) => type === 'inbound-rtp');
  return Object.fromEntries(rows.map((r) => [r.mid, {
    kind: r.kind, codec: report.get(r.codecId)?.mimeType, frames: r.framesDecoded ?? 0, width: r.frameWidth ?? 0, bytes: r.bytesReceived,
  }]));
}

window.stage = { arriving, hangUp: () => pc?.close(), get offers() { return offers; } };

socket.onopen = () => (window.ready = true);
socket.onmessage = async ({ data }) => {
  const message = JSON.parse(data);
  if (message.type === 'offer') {
    await answer(message);
  } else if (message.type === 'ice' && message.candidate) {
    await pc?.addIceCandidate(JSON.parse(message.candidate)).catch(() => {});
  }
};
