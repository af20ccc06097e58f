#!/usr/bin/python3
"""GoPeep's presenter and its page against this server, unchanged: test_gopeep.py AMPHI"""
import asyncio
import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import tempfile
import time
import unittest

from gopeep import Page, Presenter, Socket, reserve

AMPHI = sys.argv.pop(1)
KEY = b"0123456789abcdef0123456789abcdef"


def watch_token(**claims):
    """A JWT (RFC 7519) as a web site would sign one for its visitor."""
    def part(value):
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=")
    text = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    return (text + b"." + part(hmac.new(KEY, text, hashlib.sha256).digest())).decode()


class Case(unittest.IsolatedAsyncioTestCase):
    """With a server of its own: wrong passwords of one address are counted."""

    @classmethod
    def setUpClass(cls):
        cls.key = tempfile.NamedTemporaryFile()
        cls.key.write(KEY)
        cls.key.flush()
        cls.server = subprocess.Popen(
            [AMPHI, "serve", "--listen", "127.0.0.1:0", "--udp-port", "0", "--advertise", "127.0.0.1",
             "--workers", "1", "--open-rooms", "yes", "--no-settings", "--drain-timeout", "0",
             "--token-key", cls.key.name],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in cls.server.stdout:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                cls.origin = found.group(0)
                return
        raise AssertionError("the server does not start")

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        rest = cls.server.communicate(timeout=30)[0]
        assert cls.server.returncode == 0, rest

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.sockets = []
        self.room, self.secret = await reserve(self.origin)
        self.assertRegex(self.room, r"^[A-Z]+-[A-Z]+-\d{2,3}$")

    async def asyncTearDown(self):
        for socket in self.sockets:
            await socket.close()
        for socket in self.sockets:
            self.assertEqual(socket.faults, [])

    async def present(self, goes_on_with=None, **how):
        presenter = await Presenter(self.origin, self.room, self.secret, **how).open()
        for slot, info in goes_on_with.shown.items() if goes_on_with else ():
            presenter.shown[slot] = info
            presenter.windows[slot].active.set()
        self.sockets.append(presenter)
        await presenter.join()
        self.assertEqual((await presenter.until("joined"))["role"], "sharer")
        return presenter

    async def watch(self, password=""):
        page = await Page(self.origin, self.room).open()
        self.sockets.append(page)
        await page.join(password)
        return page


class GoPeep(Case):
    async def test_presents_and_is_fanned_out(self):
        presenter = await self.present()
        await presenter.until("answer")  # we are its one viewer
        await presenter.start()
        await presenter.share(0, "Slides", "impress", focused=True)
        await presenter.share(1, "Terminal", "xterm")
        pages = [await self.watch(), await self.watch()]
        for page in pages:
            await page.plays("video0")
            await page.plays("video1")
            self.assertEqual(page.sizes["video0"], (320, 240))
            streams = (await page.until(lambda m: m["type"] == "streams-info" and
                                        len(m["streams"]) == 2))["streams"]
            self.assertEqual([(s["trackId"], s["windowName"], s["appName"]) for s in streams],
                             [("video0", "Slides", "impress"), ("video1", "Terminal", "xterm")])
        self.assertEqual(presenter.count, 1)  # one uplink, however many watch

        await presenter.send(type="focus-change", focusedTrack="video1")
        await presenter.send(type="size-change", trackId="video0", width=300, height=200)
        await presenter.send(type="cursor-position", trackId="video1", cursorX=0, cursorY=50.5,
                             cursorInView=True)
        for page in pages:
            await page.until(lambda m: m == {"type": "focus-change", "focusedTrack": "video1"})
            await page.until(lambda m: m["type"] == "size-change" and m["width"] == 300)
            cursor = await page.until("cursor-position")
            self.assertEqual((cursor["cursorX"], cursor["cursorY"]), (0, 50.5))

        await presenter.unshare(1)  # without another offer
        for page in pages:
            await page.until(lambda m: m["type"] == "stream-deactivated" and
                             m["streamDeactivated"] == "video1")
        await presenter.share(2, "Mail", "mutt")
        for page in pages:
            await page.until(lambda m: m["type"] == "stream-activated" and
                             m["streamActivated"]["windowName"] == "Mail")
            await page.plays("video2")
            self.assertEqual(page.offers, 1)

        await presenter.stop()
        for page in pages:
            await page.until("sharer-stopped")
            page.forget()
        presenter.forget()
        await presenter.start()
        await presenter.until("answer")
        await presenter.share(0, "Slides", "impress", focused=True)
        for page in pages:  # on the same socket
            await page.until("offer")
            await page.plays("video0")

    async def test_h264(self):
        presenter = await self.present(codec="H264")
        await presenter.until("answer")
        await presenter.share(3, "Film", "mpv", focused=True)
        page = await self.watch()
        await page.plays("video3")

    async def test_passwords(self):
        presenter = await self.present(password="lily-42")
        await presenter.until("answer")
        page = await self.watch()
        await page.until("password-required")
        await page.join("rose-17")
        await page.until("password-invalid")
        await page.join("lily-42")
        await page.until("joined")
        await presenter.send(type="password-update", password="oak-03", secret=self.secret)
        late = await self.watch("lily-42")
        await late.until("password-invalid")
        await presenter.send(type="password-update", password="", secret=self.secret)
        open_to_all = await self.watch()
        await open_to_all.until("joined")

    async def test_media_outlives_its_socket(self):
        presenter = await self.present()
        await presenter.until("answer")
        await presenter.share(0, "Slides", "impress", focused=True)
        page = await self.watch()
        await page.plays("video0")
        await presenter.ws.close()
        await page.plays("video0")  # nobody hangs up
        again = await self.present(goes_on_with=presenter)  # its program, on a new socket
        await again.until("answer")
        await presenter.end_media()
        await page.plays("video0", more=15)
        self.assertEqual(page.offers, 1)
        self.assertNotIn("sharer-stopped", [m["type"] for m in page.seen])

    async def test_another_takes_over(self):
        presenter = await self.present()
        await presenter.until("answer")
        await presenter.share(0, "Slides", "impress", focused=True)
        page = await self.watch()
        await page.plays("video0")
        other = await self.present(goes_on_with=presenter)
        await other.until("answer")
        self.assertEqual((await presenter.until("error"))["code"], "replaced")
        await page.plays("video0", more=15)
        self.assertEqual(presenter.count, 1)  # and is not asked to take it back
        await presenter.send(type="sharer-stopped")  # it is no longer his
        await page.plays("video0")
        self.assertNotIn("sharer-stopped", [m["type"] for m in page.seen])

    async def test_rights(self):
        presenter = await self.present()
        await presenter.until("answer")
        stranger = await Socket(self.origin, self.room).open()
        self.sockets.append(stranger)
        for message in ({"type": "sharer-stopped"}, {"type": "offer", "sdp": "v=0\r\n"},
                        {"type": "focus-change", "focusedTrack": "video0"}):
            stranger.forget()
            await stranger.send(**message)  # without a join
            self.assertEqual((await stranger.until("error"))["code"], "not-joined")
        for secret, code in (("", "secret-required"), ("0" * 32, "secret-invalid")):
            stranger.forget()
            await stranger.send(type="join", role="sharer", secret=secret)
            self.assertEqual((await stranger.until("error"))["code"], code)
        stranger.forget()
        await stranger.send(type="join", role="viewer")
        await stranger.until("joined")
        for message in ({"type": "sharer-stopped"}, {"type": "offer", "sdp": "v=0\r\n"},
                        {"type": "password-update", "password": "", "secret": self.secret}):
            stranger.forget()
            await stranger.send(**message)
            self.assertEqual((await stranger.until("error"))["code"], "not-allowed")
        self.assertEqual([m for m in presenter.seen if m["type"] == "offer"], [])

    async def test_a_room_that_nobody_reserved(self):
        self.room, self.secret = f"BOLD-CRANE-{asyncio.get_running_loop().time():.0f}"[:14], ""
        presenter = await self.present()
        self.assertTrue((await presenter.until("joined"))["secret"])
        await presenter.until("answer")

    async def test_comes_back_after_a_restart(self):
        self.room, self.secret = "CALM-HERON-204", "6a0c52f1b7d94e3fa1c8e20b5d7f9631"
        presenter = await self.present(password="lily-42")  # the server has never heard of either
        await presenter.until("answer")
        page = await self.watch()
        await page.until("password-required")
        again = await self.present(password="lily-42")
        await again.until("answer")
        self.secret = "0" * 32
        stranger = await Presenter(self.origin, self.room, self.secret).open()
        self.sockets.append(stranger)
        await stranger.join()
        self.assertEqual((await stranger.until("error"))["code"], "secret-invalid")


class Links(Case):
    async def test_a_link_watches_once_and_never_presents(self):
        presenter = await self.present(password="lily-42")
        await presenter.until("answer")
        await presenter.share(0, "Slides", "impress", focused=True)
        soon = int(time.time()) + 60
        token = watch_token(room=self.room, exp=soon, jti="one-visitor")
        page = await Page(self.origin, self.room).open()
        self.sockets.append(page)
        await page.send(type="join", role="viewer", token=token)
        await page.plays("video0")
        for fields, code in (
                ({"role": "viewer", "token": token}, "token-used"),  # replayed
                ({"role": "viewer", "token": watch_token(room="OTHER", exp=soon)}, "token-invalid"),
                ({"role": "viewer", "token": watch_token(room=self.room, exp=1)}, "token-used"),
                ({"role": "viewer", "token": token[:-2]}, "token-invalid"),
                ({"role": "sharer", "token": watch_token(room=self.room, exp=soon)}, "secret-invalid"),
                ({"role": "sharer", "secret": watch_token(room=self.room, exp=soon)[:250]},
                 "secret-invalid")):
            thief = await Socket(self.origin, self.room).open()
            self.sockets.append(thief)
            await thief.send(type="join", **fields)
            self.assertEqual((await thief.until("error"))["code"], code, fields)


if __name__ == "__main__":
    unittest.main(verbosity=2)
