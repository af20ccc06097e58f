#!/usr/bin/env python3
"""smoke.py AMPHI AMPHI-LOAD - a server with a cheap source, and viewers of both kinds: all connect,
nothing is lost, the server is empty afterwards, and both programs end as they should."""
import json
import re
import subprocess
import sys

TOKEN = "smoke-test-token"
SERVER = ["--source", "pattern:640x360", "--encoder", "fake", "--fps", "30", "--bitrate", "800",
          "--listen", "127.0.0.1:0", "--udp-port", "0", "--advertise", "127.0.0.1",
          "--room", "LOAD-TEST-001", "--admin-token", TOKEN, "--log-level", "warning"]
RUNS = [["--signaling", "whep", "--viewers", "40", "--sample", "40", "--ramp", "40",
         "--duration", "4", "--expect-no-loss"],
        ["--signaling", "ws", "--viewers", "10", "--ramp", "20", "--duration", "2",
         "--expect-no-loss", "--no-gro"],
        ["--signaling", "whep", "--viewers", "10", "--sample", "2", "--duration", "1", "--drop"],
        ["--signaling", "whep", "--viewers", "5", "--duration", "2", "--loss", "5", "--jitter", "20",
         "--reorder", "3"]]


def check(name, ok):
    if not ok:
        raise SystemExit(f"smoke: {name}")


def load(program, url, options):
    r = subprocess.run([program, url, "--admin-token", TOKEN, "--json", "-", "--baseline", "0",
                        *options], stdout=subprocess.PIPE, text=True, timeout=60)
    print(" ".join(options))
    print(r.stdout)
    check("exit status", r.returncode == 0)
    figures = json.loads(r.stdout)
    viewers, whole, server = figures["viewers"], figures["whole"], figures["server"]
    check("all see a picture", whole["viewers_connected"] == whole["viewers_ready"] == viewers)
    check("nobody fails", whole["viewers_failed"] == 0 and figures["failures"] == {})
    check("the server is empty", figures["viewers_after"] == 0)
    check("media", server["packets_sent"] > 0 and whole["packets"] > 0)
    check("cost", server["cpu_us_per_packet"] > 0)
    check("frames of the sample", whole["sample_frames"] > 0)
    check("feedback", whole["feedbacks"] > 0)
    check("every packet is authentic", whole["not_authentic"] == 0)
    check("join times", 0 < figures["join_times"]["keyframe"]["p50_ms"] < 15000)
    return figures


def refused(program):
    for options in [["http://192.0.2.1/ROOM"], ["--viewers", "10001"], ["--nothing"]]:
        r = subprocess.run([program, *options], stderr=subprocess.PIPE, timeout=10)
        check(f"{options} is refused", r.returncode == 2 and r.stderr)
    r = subprocess.run([program, "http://127.0.0.1:9/ROOM"], stderr=subprocess.PIPE, timeout=10)
    check("no server", r.returncode == 1 and r.stderr)


def main(amphi, program):
    refused(program)
    server = subprocess.Popen([amphi, *SERVER], stdout=subprocess.PIPE, text=True)
    try:
        url = None
        while not url:
            line = server.stdout.readline()
            check("the server starts", line)
            url = re.match(r"watch: (\S+)", line)
        figures = [load(program, url[1], options) for options in RUNS]
        check("loss is seen and repaired", figures[3]["whole"]["lost"] > 0 and
              figures[3]["whole"]["repaired"] > 0)
        whole = figures[0]["whole"]
        check("no loss without a cause", whole["lost"] == 0)
        check("hardly any padding", whole["rtx"] < 0.03 * whole["packets"])
        check("no frame is left out", whole["sample_left_out"] == 0)
        r = subprocess.run([program, url[1].replace("LOAD-TEST-001", "NO-SUCH-ROOM")],
                           stderr=subprocess.PIPE, timeout=10)
        check("no such room", r.returncode == 1)
    finally:
        server.terminate()
        status = server.wait(timeout=30)
    check(f"the server ends well ({status})", status == 0)


main(sys.argv[1], sys.argv[2])
