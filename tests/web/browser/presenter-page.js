/* The presenter of the tests: draws, and sends each viewer what the canvas shows. */

const peers = new Map(); // peerId -> RTCPeerConnection
const count = Number(new URLSearchParams(location.search).get('streams') ?? 1);
const NAMES = [['Quarterly review', 'Slides'], ['main.c', 'Editor'], ['Terminal', 'Terminal']];
const audio = new URLSearchParams(location.search).has('audio')
  ? new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0]
  : null;
const COLOURS = ['#e8edf5', '#dff3e4', '#f7e6d3'];
const WIDTH = 640; // small: many of these are encoded and decoded at once, in software
const HEIGHT = 360;
let drawing = true;

function draw(context, index, frame) {
  const { width, height } = context.canvas;
  context.fillStyle = COLOURS[index % COLOURS.length];
  context.fillRect(0, 0, width, height);
  context.fillStyle = '#263145';
  context.fillRect(0, 0, width, height * 0.09);
  context.font = `600 ${height / 14}px sans-serif`;
  context.fillText(NAMES[index % NAMES.length][0], width * 0.06, height * 0.24);
  for (let bar = 0; bar < 9; bar += 1) {
    const tall = (0.25 + 0.2 * Math.sin(frame / 20 + bar)) * height;
    context.fillStyle = bar % 3 ? '#5b7fb5' : '#e39a4b';
    context.fillRect(width * (0.07 + bar * 0.097), height * 0.88 - tall, width * 0.06, tall);
  }
}

const streams = Array.from({ length: count }, (_, index) => {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext('2d');
  const media = canvas.captureStream(30);
  let frame = 0;
  setInterval(() => drawing && draw(context, index, frame++), 33);
  return { media, track: media.getVideoTracks()[0] };
});

const socket = new WebSocket(`ws://${location.host}/mock/ws`);
const send = (message) => socket.send(JSON.stringify(message));

async function offer(peerId) {
  const pc = new RTCPeerConnection();
  peers.set(peerId, pc);
  for (const { media, track } of streams) {
    pc.addTransceiver(track, { direction: 'sendonly', streams: [media] });
  }
  if (audio) {
    pc.addTransceiver(audio, { direction: 'sendonly', streams: [streams[0].media] });
  }
  pc.onicecandidate = ({ candidate }) => {
    send({ type: 'ice', peerId, candidate: candidate?.candidate ? JSON.stringify(candidate) : '' });
  };
  await pc.setLocalDescription();
  send({ type: 'offer', peerId, sdp: pc.localDescription.sdp });
}

socket.onopen = () => {
  const list = streams.map(({ track }, index) => ({
    trackId: track.id,
    windowName: NAMES[index % NAMES.length][0],
    appName: NAMES[index % NAMES.length][1],
    isFocused: index === 0,
    width: WIDTH,
    height: HEIGHT,
    codec: 'vp8',
    layers: 1,
    paused: false,
  }));
  send({ type: 'streams', streams: list });
  window.ready = true;
};

socket.onmessage = async ({ data }) => {
  const message = JSON.parse(data);
  const pc = peers.get(message.peerId);
  if (message.type === 'viewer') {
    await offer(message.peerId);
  } else if (message.type === 'answer') {
    await pc.setRemoteDescription({ type: 'answer', sdp: message.sdp });
  } else if (message.type === 'ice' && message.candidate) {
    await pc.addIceCandidate(JSON.parse(message.candidate));
  } else if (message.type === 'drawing') {
    drawing = message.on;
  } else if (message.type === 'hang-up') {
    peers.forEach((peer) => peer.close());
  }
};
