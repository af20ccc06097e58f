#!/usr/bin/python3
"""whip_server.py [PORT] - a WHIP server (RFC 9725) on aiortc, an implementation that shares nothing with
ours: it takes what is published and counts what it decodes.

Prints its port. GET /figures says what came; POST /orders {"refuse": [{"status": 409, "retry": 1}]} makes
the next POSTs fail; {"drop": true} forgets every session without a word."""
import asyncio
import json
import logging
import sys

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

SECRET = "room-secret-0123456789"


class Server:
    def __init__(self):
        self.sessions = {}
        self.refusals = []
        self.asked = []
        self.frames = 0
        self.size = None
        self.samples = 0
        self.made = 0

    async def take(self, track):
        while True:
            try:
                frame = await track.recv()
            except Exception:  # the track has ended, in whatever way
                return
            if track.kind == "video":
                self.frames += 1
                self.size = [frame.width, frame.height]
            else:
                self.samples += frame.samples

    async def post(self, request):
        self.asked.append("POST")
        if request.headers.get("Authorization") != "Bearer " + SECRET:
            return web.json_response({"detail": "this secret is none of ours"}, status=403,
                                     content_type="application/problem+json")
        if self.refusals:
            how = self.refusals.pop(0)
            return web.Response(status=how["status"], headers={"Retry-After": str(how.get("retry", 0))})
        pc = RTCPeerConnection()
        pc.on("track", lambda track: asyncio.ensure_future(self.take(track)))
        await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        self.made += 1
        name = str(self.made)
        for old in list(self.sessions):
            await self.end(old)
        self.sessions[name] = pc
        return web.Response(status=201, text=pc.localDescription.sdp, headers={
            "Content-Type": "application/sdp", "Location": f"/session/{name}", "ETag": f'"{name}"'})

    async def patch(self, request):
        self.asked.append("PATCH")
        pc = self.sessions.get(request.match_info["name"])
        if not pc:
            return web.Response(status=404)
        if request.headers.get("If-Match") == "*":  # aiortc cannot restart ICE
            return web.Response(status=422)
        if request.headers.get("If-Match") != f'"{request.match_info["name"]}"':
            return web.Response(status=412)
        for line in (await request.text()).splitlines():
            if line.startswith("a=candidate:"):
                candidate = candidate_from_sdp(line[len("a=candidate:"):])
                candidate.sdpMid = "0"
                await pc.addIceCandidate(candidate)
        return web.Response(status=204)

    async def end(self, name):
        pc = self.sessions.pop(name, None)
        if pc:
            await pc.close()
        return pc

    async def delete(self, request):
        self.asked.append("DELETE")
        return web.Response(status=200 if await self.end(request.match_info["name"]) else 404)

    async def figures(self, _request):
        return web.json_response({"frames": self.frames, "size": self.size, "samples": self.samples,
                                  "sessions": len(self.sessions), "made": self.made, "asked": self.asked})

    async def orders(self, request):
        orders = json.loads(await request.text())
        self.refusals += orders.get("refuse", [])
        if orders.get("drop"):
            for name in list(self.sessions):
                await self.end(name)
        return web.Response(status=204)


async def main():
    logging.basicConfig(level=logging.ERROR)
    server = Server()
    app = web.Application()
    app.add_routes([web.post("/whip/{room}", server.post), web.patch("/session/{name}", server.patch),
                    web.delete("/session/{name}", server.delete), web.get("/figures", server.figures),
                    web.post("/orders", server.orders)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
