"""A GoPeep presenter and its viewer page, as programs: written from what they say on the wire, and on
aiortc, which shares nothing with this server. Both know GoPeep's messages and no others.

What Go's encoder leaves out (omitempty: 0, "", false, empty lists) is left out here."""
import asyncio
import fractions
import json
import pathlib
import sys

import aioice.ice
import aiohttp
from aiortc import (RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription,
                    VideoStreamTrack)
from aiortc.sdp import candidate_from_sdp
from av import VideoFrame

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "schema"))
from amphi_schema import Schema  # noqa: E402

SLOTS = 4
# the server of the tests is on loopback, which aioice leaves out
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def omit_empty(value):
    if isinstance(value, dict):
        return {k: omit_empty(v) for k, v in value.items() if v not in (0, "", False, None, [], {})}
    return [omit_empty(v) for v in value] if isinstance(value, list) else value


class Socket:
    """One WebSocket on /ws/{ROOM}, without a subprotocol. Every message of both directions is held
    against the schemas."""

    def __init__(self, origin, room):
        self.url = f"{origin.replace('http', 'ws', 1)}/ws/{room}"
        self.client, self.server = Schema("client"), Schema("server")
        self.seen = []  # messages, as they came
        self.faults = []
        self.news = asyncio.Event()

    async def open(self):
        self.session = aiohttp.ClientSession()
        self.ws = await self.session.ws_connect(self.url, max_msg_size=1 << 20)
        self.reader = asyncio.ensure_future(self._read())
        return self

    async def _read(self):
        async for raw in self.ws:
            message = json.loads(raw.data)
            self.faults += self.server.faults(message) + self.server.unnamed(message)
            try:
                await self.on_message(message)
            except Exception as fault:  # a page's console would show it
                self.faults.append(repr(fault))
            self.seen.append(message)
            self.news.set()

    async def on_message(self, message):
        pass

    async def send(self, **message):
        message = omit_empty(message)
        self.faults += self.client.faults(message)
        await self.ws.send_str(json.dumps(message))

    def forget(self):
        self.seen.clear()

    async def until(self, what, within=20):
        """The first message since `forget` of this type, or of which this is true."""
        is_it = what if callable(what) else lambda m: m["type"] == what

        async def look():
            while True:
                self.news.clear()
                for message in self.seen:
                    if is_it(message):
                        return message
                await self.news.wait()
        try:
            return await asyncio.wait_for(look(), within)
        except asyncio.TimeoutError:
            raise AssertionError(f"{what} did not come, but {self.seen}") from None

    async def close(self):
        await self.ws.close()
        self.reader.cancel()
        await self.session.close()


class Window(VideoStreamTrack):
    """What is captured of one window, or nothing while none is in this slot."""

    def __init__(self, slot):
        super().__init__()
        self._id = f"video{slot}"
        self.active = asyncio.Event()
        self.width, self.height = 320, 240
        self.n = 0

    async def recv(self):
        await self.active.wait()
        await asyncio.sleep(1 / 15)
        self.n += 1
        frame = VideoFrame(self.width, self.height, "yuv420p")
        for i, plane in enumerate(frame.planes):
            plane.update(bytes([(self.n * 7 + i * 40) % 256]) * plane.buffer_size)
        frame.pts, frame.time_base = self.n * 6000, fractions.Fraction(1, 90000)
        return frame


class Presenter(Socket):
    def __init__(self, origin, room, secret, password="", codec="VP8"):
        super().__init__(origin, room)
        self.secret, self.password, self.codec = secret, password, codec
        self.windows = [Window(slot) for slot in range(SLOTS)]
        self.shown = {}  # slot -> StreamInfo
        self.peers = {}  # his own names of viewers
        self.count = 0

    async def join(self):
        await self.send(type="join", role="sharer", secret=self.secret, password=self.password)

    async def on_message(self, message):
        if message["type"] in ("viewer-joined", "viewer-reoffer"):
            await self.offer()
        elif message["type"] == "answer":
            pc = self.peers[message["peerId"]]
            await pc.setRemoteDescription(RTCSessionDescription(message["sdp"], "answer"))
        elif message["type"] == "ice":
            await add_candidate(self.peers[message["peerId"]], message["candidate"])

    async def offer(self):
        """Four slots of one codec, reserved once, whatever is shown."""
        self.count += 1
        name = f"viewer-{self.count}"
        pc = self.peers[name] = RTCPeerConnection(RTCConfiguration([]))
        codecs = [c for c in RTCRtpSender.getCapabilities("video").codecs
                  if c.mimeType == f"video/{self.codec}"]
        for window in self.windows:
            transceiver = pc.addTransceiver(window, direction="sendonly")
            transceiver.sender._stream_id = "gopeep-stream"
            transceiver.setCodecPreferences(codecs)
        await pc.setLocalDescription(await pc.createOffer())
        await self.send(type="offer", sdp=pc.localDescription.sdp, peerId=name)
        await self.tell_streams()

    async def tell_streams(self):
        await self.send(type="streams-info", streams=list(self.shown.values()))

    async def share(self, slot, window, app, focused=False):
        info = {"trackId": f"video{slot}", "windowName": window, "appName": app,
                "isFocused": focused, "width": 320, "height": 240}
        self.shown[slot] = info
        self.windows[slot].active.set()
        await self.send(type="stream-activated", streamActivated=info)

    async def unshare(self, slot):
        del self.shown[slot]
        self.windows[slot].active.clear()
        await self.send(type="stream-deactivated", streamDeactivated=f"video{slot}")

    async def start(self):
        await self.send(type="sharer-started")

    async def stop(self):
        for slot in list(self.shown):
            del self.shown[slot]
            self.windows[slot].active.clear()
        await self.send(type="sharer-stopped")
        await self.end_media()

    async def end_media(self):
        peers, self.peers = self.peers, {}
        for pc in peers.values():
            await pc.close()

    async def close(self):
        await super().close()
        await self.end_media()


class Page(Socket):
    """The viewer page: whatever the sharer does ends its connection, and an offer begins another."""

    def __init__(self, origin, room):
        super().__init__(origin, room)
        self.pc = None
        self.pictures = {}  # trackId -> how many were decoded
        self.sizes = {}
        self.offers = 0

    async def join(self, password=""):
        await self.send(type="join", role="viewer", password=password)

    async def on_message(self, message):
        if message["type"] == "offer":
            await self.answer(message)
        elif message["type"] == "ice":
            await add_candidate(self.pc, message["candidate"])
        elif message["type"] in ("sharer-ready", "sharer-stopped", "sharer-started"):
            await self.hang_up()

    async def answer(self, message):
        await self.hang_up()
        self.offers += 1
        pc = self.pc = RTCPeerConnection(RTCConfiguration([]))
        pc.on("track", lambda track: asyncio.ensure_future(self.play(pc, track)))
        await pc.setRemoteDescription(RTCSessionDescription(message["sdp"], "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        await self.send(type="answer", sdp=pc.localDescription.sdp, peerId=message.get("peerId"))

    async def play(self, pc, track):
        while pc is self.pc:
            try:
                frame = await track.recv()
            except Exception:  # the track has ended, in whatever way
                return
            if track.kind == "video":
                self.pictures[track.id] = self.pictures.get(track.id, 0) + 1
                self.sizes[track.id] = (frame.width, frame.height)
                self.news.set()

    async def plays(self, track_id, more=5, within=30):
        """More pictures of a track."""
        wanted = self.pictures.get(track_id, 0) + more

        async def look():
            while self.pictures.get(track_id, 0) < wanted:
                self.news.clear()
                await self.news.wait()
        try:
            await asyncio.wait_for(look(), within)
        except asyncio.TimeoutError:
            raise AssertionError(f"{track_id} does not play: {self.pictures}, {self.seen}") from None

    async def hang_up(self):
        pc, self.pc = self.pc, None
        if pc:
            await pc.close()

    async def close(self):
        await self.hang_up()
        await super().close()


async def add_candidate(pc, text):
    """GoPeep's candidates are the JSON of an RTCIceCandidateInit, as text."""
    init = json.loads(text) if text else {"candidate": ""}
    if not init["candidate"]:
        return
    candidate = candidate_from_sdp(init["candidate"].split(":", 1)[1])
    candidate.sdpMid, candidate.sdpMLineIndex = init["sdpMid"], init["sdpMLineIndex"]
    await pc.addIceCandidate(candidate)


async def reserve(origin):
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{origin}/api/reserve") as reply:
            made = await reply.json()
            return made["room"], made["secret"]
