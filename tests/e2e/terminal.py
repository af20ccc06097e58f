#!/usr/bin/python3
"""terminal.py AMPHI - the terminal interface, used through a terminal that can be read (pyte)."""
import http.server
import json
import os
import re
import signal
import sys
import tempfile
import termios
import threading
import time
import unittest

import pexpect
import pyte

ROWS, COLUMNS = 32, 118
AMPHI = sys.argv.pop(1) if len(sys.argv) > 1 else "build/release/amphi"


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, folder, *args):
        environment = dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", XDG_CONFIG_HOME=folder)
        environment.pop("DISPLAY", None)
        self.bytes = b""
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(AMPHI, list(args), dimensions=(ROWS, COLUMNS), env=environment, timeout=20)
        self.before = termios.tcgetattr(self.child.child_fd)

    def read(self):
        try:
            data = self.child.read_nonblocking(65536, 0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.bytes += data
        self.stream.feed(data)
        return True

    def text(self):
        return "\n".join(self.screen.display)

    def until(self, pattern, within=20):
        end = time.monotonic() + within
        while not re.search(pattern, self.text()):
            if not self.read() or time.monotonic() > end:
                raise AssertionError(f"{pattern!r} is not on:\n{self.text()}")
        return re.search(pattern, self.text())

    def press(self, keys):
        self.child.send(keys)

    def until_end(self, within=20):
        end = time.monotonic() + within
        while self.read():
            if time.monotonic() > end:
                raise AssertionError("it does not end")
        self.child.close()

    def end(self):
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
        self.child.close()

    def is_restored(self):
        """Has the other screen been left last?"""
        return self.bytes.rfind(b"\033[?1049l") > self.bytes.rfind(b"\033[?1049h") >= 0


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A server with a room, that is full."""
    asked = []

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def take(self):
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size).decode()
        self.asked.append((self.command, self.path, self.headers.get("Authorization"), body))
        return body

    def do_GET(self):
        self.take()
        self.answer(200, json.dumps({"viewers": 41, "password_required": False}).encode())

    def do_POST(self):
        self.take()
        self.answer(503, Retry_After="3600")

    def do_PATCH(self):
        self.take()
        self.answer(200, b"{}")

    def log_message(self, *_args):
        pass


class Tests(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="amphi-terminal-")
        self.open = []

    def tearDown(self):
        for terminal in self.open:
            terminal.end()
        self.folder.cleanup()

    def start(self, *args):
        terminal = Terminal(self.folder.name, *args)
        self.open.append(terminal)
        return terminal

    def serve(self, *args):
        return self.start("serve", "--listen", "127.0.0.1:0", "--udp-port", "0", "--source",
                          "pattern:640x360", *args)

    def test_a_broadcast_is_run_from_the_keys(self):
        t = self.serve("--quality", "medium")
        link = t.until(r"Watch: (http://127.0.0.1:\d+/[A-Z]+-[A-Z]+-\d+)").group(1)
        t.until(r"Sharing 1 of 8 +no viewers yet")
        t.until(r"\(o\) Medium")
        t.until(r"h264 640x360@\d+ +[\d.]+ Mbit/s")
        t.press("\t jjjjjjjjjjjj ")  # low; then down to VP8
        t.until(r"\(o\) Low")
        t.until(r"\(o\) VP8")
        t.until(r"vp8 640x360")
        t.press("p")
        t.press("swan-42\r")
        t.until(r"Password: swan-42")
        t.press("c")
        t.until("Copied!")
        self.assertIn(b"\033]52;c;", t.bytes)
        t.press("s")
        t.until("Stopped")
        t.press("s")
        t.until("Sharing 1 of 8")
        t.press("?")
        t.until("constant quality, or constant rate")
        t.press(" i")
        t.until("Sources")
        t.child.setwinsize(24, 60)
        t.screen.resize(24, 60)
        t.until(r"(?s)^(?!.*Sources).*Settings: rate")
        self.assertIn(link, t.text())
        t.press("Q")
        t.until_end()
        self.assertEqual(t.child.exitstatus, 0)
        self.assertTrue(t.is_restored())

        again = self.serve("--fps", "60")  # what was chosen was kept, and arguments win
        again.until(r"\(o\) Low")
        again.until(r"\(o\) VP8")
        again.until(r"\(o\) 60 fps")
        again.press("\x03")
        again.until_end()
        self.assertEqual(again.child.exitstatus, 0)
        path = os.path.join(self.folder.name, "amphi", "settings.json")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, encoding="utf-8") as file:
            self.assertNotIn("swan", file.read())

    def test_the_terminal_is_given_back_whatever_happens(self):
        for which in (signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT):
            t = self.serve("--no-settings")
            t.until("Sharing 1 of 8")
            self.assertNotEqual(termios.tcgetattr(t.child.child_fd)[3] & termios.ECHO,
                                t.before[3] & termios.ECHO)
            t.child.kill(which)
            end = time.monotonic() + 20
            while not t.is_restored() and time.monotonic() < end:
                t.read()
            self.assertTrue(t.is_restored(), which)
            self.assertEqual(termios.tcgetattr(t.child.child_fd)[3], t.before[3], which)
            t.end()
        self.assertFalse(os.path.exists(os.path.join(self.folder.name, "amphi")))

    def test_publishing_shows_how_it_goes(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_address[1]}"
        secret = os.path.join(self.folder.name, "secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("room-secret")
        t = self.start("publish", "--to", f"{origin}/whip/A-B-001", "--secret-file", secret)
        t.until("nothing to send")
        t.until("41 viewers")
        t.press(" ")  # the test pattern
        t.until("Sharing 1 of 8")
        t.until(r"\[RECONNECTING 1, in 3\d+ s\] the server is full or about to stop \(503\)")
        t.until(f"Watch: {origin}/A-B-001")
        t.press("phush\r")
        t.until("Password: hush")
        self.assertIn(("PATCH", "/api/v1/rooms/A-B-001", "Bearer room-secret", '{"password":"hush"}'),
                      Elsewhere.asked)
        t.press("L")
        t.until(r"trying again in")
        t.press("Q")
        t.until_end()
        self.assertEqual(t.child.exitstatus, 0)
        self.assertNotIn(b"room-secret", t.bytes)
        server.shutdown()
        server.server_close()

    def test_without_a_terminal_there_are_lines(self):
        t = self.serve("--no-tui")
        t.child.expect("watch: http")
        t.child.sendintr()
        t.until_end()
        self.assertNotIn(b"\033[?1049h", t.bytes + t.child.before)


unittest.main()
