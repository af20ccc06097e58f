/* VP8 in RTP for peers that bring no codec: packets of a moving picture, made by GStreamer, and a
 * counter of the frames that arrive, which reads their size (RFC 7741, RFC 6386 9.1). */
import dgram from 'node:dgram';
import { start } from '../e2e/lib.mjs';

export const PAYLOAD_TYPE = 96;

/** Calls `take` with each packet of a picture of 320x240, with a keyframe each second. */
export async function makePackets(take) {
  const socket = dgram.createSocket('udp4', (packet) => take(packet));
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const gst = start('gst-launch-1.0', ['-q', ...('videotestsrc is-live=true pattern=ball ! ' +
    'video/x-raw,width=320,height=240,framerate=15/1 ! vp8enc deadline=1 cpu-used=8 ' +
    `keyframe-max-dist=15 ! rtpvp8pay pt=${PAYLOAD_TYPE} ssrc=42 picture-id-mode=2 mtu=1100 ! ` +
    `udpsink host=127.0.0.1 port=${socket.address().port}`).split(' ')]);
  return {
    stop: async () => {
      await gst.stop('SIGINT');
      socket.close();
    },
  };
}

/* Where the frame's own bytes begin behind the payload descriptor; -1: it is cut off. */
function descriptorSize(payload) {
  let at = 1;
  if (payload.length > 1 && payload[0] & 0x80) {
    const extended = payload[1];
    at = 2;
    if (extended & 0x80) {
      at += payload[at] & 0x80 ? 2 : 1;
    }
    at += extended & 0x40 ? 1 : 0;
    at += extended & 0x30 ? 1 : 0;
  }
  return at < payload.length ? at : -1;
}

/** Counts frames whose packets have all arrived, from the first keyframe on. */
export class FrameCounter {
  constructor() {
    this.seen = { frames: 0, width: 0, height: 0 };
    this.whole = false;
    this.next = null;
  }

  take({ marker, sequenceNumber, payload }) {
    const at = descriptorSize(payload);
    if (at < 0) {
      return; /* padding */
    }
    const begins = (payload[0] & 0x1f) === 0x10;
    if (begins) {
      this.whole = true;
    } else if (sequenceNumber !== this.next) {
      this.whole = false;
    }
    this.next = (sequenceNumber + 1) & 0xffff;
    if (begins && !(payload[at] & 1) && payload.length >= at + 10) {
      this.seen.width = payload.readUInt16LE(at + 6) & 0x3fff;
      this.seen.height = payload.readUInt16LE(at + 8) & 0x3fff;
    }
    if (marker && this.whole && this.seen.width > 0) {
      this.seen.frames++;
    }
  }
}

/** The parts of an RTP packet that the counter looks at; null if it is none. */
export function readPacket(packet) {
  const offset = 12 + 4 * (packet[0] & 15);
  if (packet.length < offset || packet[0] >> 6 !== 2 || (packet[1] & 0x7f) >= 64 &&
    (packet[1] & 0x7f) < 96) {
    return null;
  }
  const extension = packet[0] & 0x10 ? 4 + 4 * packet.readUInt16BE(offset + 2) : 0;
  const padding = packet[0] & 0x20 ? packet[packet.length - 1] : 0;
  return {
    marker: packet[1] >> 7 === 1,
    payloadType: packet[1] & 0x7f,
    sequenceNumber: packet.readUInt16BE(2),
    payload: packet.subarray(offset + extension, packet.length - padding),
  };
}
