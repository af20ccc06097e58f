#!/usr/bin/env python3
"""pipeline.py BENCH_PIPELINE [--json] - from capture to wire: every encoder, sizes, rates, contents, and what each
optimisation is worth. On a machine that does other things too, only under `chrt -r 1` are the latencies the source's own.

Runs bench_pipeline once for each row (its first comment says what is measured) and prints tables, or its JSON lines.
On an X server that may be started (Xvfb) an idle screen is grabbed, too."""
import json
import os
import subprocess
import sys
import tempfile

SIZES = [("1920x1080", 30, 6000), ("1920x1080", 60, 8000), ("3840x2160", 30, 15000)]
ENCODERS = [("h264", "openh264"), ("h264", "x264"), ("vp8", "vpx"), ("vp9", "vpx"), ("av1", "aom")]
TRIALS = [("", "text"), ("simd", "text"), ("avx2", "text"), ("avx512", "text"), ("newest", "text"), ("decoupling", "text"),
          ("", "typing"), ("damage", "typing"), ("simd", "typing"), ("", "still")]


def measure(program, *options):
    """What one run says; None: that encoder was not built in."""
    done = subprocess.run([program, *map(str, options)], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        print(f"pipeline: {' '.join(map(str, options))}: {done.stderr.strip()}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def encoder_rows(program):
    for codec, encoder in ENCODERS:
        for size, fps, kbps in SIZES:
            for scene in ("text", "natural"):
                yield measure(program, "--codec", codec, "--encoder", encoder, "--size", size, "--fps", fps,
                              "--kbps", kbps, "--scene", scene, "--seconds", 3, "--warm", 10 if fps == 30 and size == SIZES[0][0] else 3)


def trial_rows(program):
    for without, scene in TRIALS:
        yield measure(program, "--scene", scene, "--warm", 4, *(["--without", without] if without else []))
    for without in ("", "newest", "decoupling"):  # where the encoder is late, a picture waits for it
        yield measure(program, "--codec", "vp9", "--size", "1920x1080", "--fps", 60, "--kbps", 8000, "--scene", "natural",
                      "--warm", 3, *(["--without", without] if without else []))


def display_rows(program):
    """An idle screen on an X server of our own."""
    read, write = os.pipe()
    with tempfile.TemporaryFile() as log:
        try:
            server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1920x1080x24", "-nolisten", "tcp"],
                                      pass_fds=[write], stdout=log, stderr=log)
        except FileNotFoundError:
            print("pipeline: no Xvfb, no idle screen", file=sys.stderr)
            return
        os.close(write)
        try:
            display = ":" + os.fdopen(read).readline().strip()
            yield measure(program, "--display", display, "--seconds", 5)
        finally:
            server.terminate()
            server.wait()


COLUMNS = [("encoder", "{encoder} {codec}", 14), ("size", "{size}@{fps}", 13), ("scene", "{scene}", 8),
           ("without", "{without}", 10), ("CPU %", "{cpu_percent:.1f}", 6), ("encoder ms", "{encoder_cpu_ms:.2f}", 10),
           ("rest ms", "{rest_cpu_ms:.2f}", 8), ("p50 ms", "{latency_p50_ms:.1f}", 7), ("p99", "{latency_p99_ms:.1f}", 6),
           ("rest p50", "{rest_p50_ms:.2f}", 8), ("p99", "{rest_p99_ms:.1f}", 6), ("dropped %", "{dropped_percent:.1f}", 9),
           ("fps", "{frames_per_second:.1f}", 5), ("kB copied", "{kilobytes_copied:.0f}", 9),
           ("allocs/s", "{allocations_per_second:.1f}", 8), ("in encoder", "{encoder_allocations_per_second:.0f}", 10),
           ("kbit/s", "{kbps:.0f}", 6)]


def main():
    program, *options = sys.argv[1:]
    if "--json" not in options:
        print("encoder ms, rest ms: CPU per picture; rest p50: of the latency, what was not the encoder's")
        print("  ".join(f"{title:>{width}}" for title, _, width in COLUMNS))
    for rows in (encoder_rows, trial_rows, display_rows):
        for row in rows(program):
            if row and "--json" in options:
                print(json.dumps(row), flush=True)
            elif row:
                print("  ".join(f"{text.format(**row):>{width}}" for _, text, width in COLUMNS), flush=True)
    print("pipeline: load average " + " ".join(f"{x:.1f}" for x in os.getloadavg()), file=sys.stderr)


if __name__ == "__main__":
    main()
