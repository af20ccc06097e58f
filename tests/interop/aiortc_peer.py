#!/usr/bin/python3
"""aiortc as a WHIP publisher and a WHEP player.

    aiortc_peer.py publish URL SECRET CODEC     until standard input ends
    aiortc_peer.py watch URL FRAMES CODEC       one line of JSON: frames, width, height
"""
import asyncio
import json
import sys
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from av import VideoFrame

MIME = {"vp8": "video/VP8", "h264": "video/H264"}


class Moving(VideoStreamTrack):
    """320x240, and every frame is different."""

    count = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(width=320, height=240, format="yuv420p")
        for i, plane in enumerate(frame.planes):
            plane.update(bytes([(self.count * 5 + 64 * i) & 255]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        self.count += 1
        return frame


def ask(method, url, secret, body=None):
    headers = {"Content-Type": "application/sdp"} if body else {}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=15) as answer:
        return answer.headers.get("Location"), answer.read().decode()


async def connect(pc, url, secret):
    await pc.setLocalDescription(await pc.createOffer())
    location, answer = await asyncio.to_thread(ask, "POST", url, secret,
                                               pc.localDescription.sdp.encode())
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return urllib.parse.urljoin(url, location)


def prefer(transceiver, codec):
    known = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([c for c in known if c.mimeType in (MIME[codec], "video/rtx")])


async def publish(url, secret, codec):
    pc = RTCPeerConnection()
    transceiver = pc.addTransceiver(Moving(), direction="sendonly")
    prefer(transceiver, codec)
    location = await connect(pc, url, secret)
    await asyncio.to_thread(sys.stdin.read)
    ask("DELETE", location, secret)
    await pc.close()
    print("stopped", flush=True)


async def watch(url, wanted, codec):
    pc, seen, done = RTCPeerConnection(), {"frames": 0}, asyncio.Event()
    prefer(pc.addTransceiver("video", direction="recvonly"), codec)

    @pc.on("track")
    def on_track(track):
        async def count():
            while seen["frames"] < wanted:
                frame = await track.recv()
                seen.update(frames=seen["frames"] + 1, width=frame.width, height=frame.height)
            done.set()
        asyncio.ensure_future(count())

    location = await connect(pc, url, None)
    await done.wait()
    ask("DELETE", location, None)
    print(json.dumps(seen), flush=True)
    await pc.close()


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        asyncio.run(publish(sys.argv[2], sys.argv[3], sys.argv[4]))
    else:
        asyncio.run(watch(sys.argv[2], int(sys.argv[3]), sys.argv[4]))
