#!/usr/bin/python3
"""Runs test programs and holds every message they exchange against the schemas: check.py PROGRAM...

What the server sends has to be valid and to have no field that the schema does not name; what it
understands of clients has to be valid, and what it refuses as no message of the protocol must not
be. Every type has to have been seen.
"""
import json
import os
import subprocess
import sys
import tempfile

from amphi_schema import Schema


def messages(programs):
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as log:
        for program in programs:
            subprocess.run([program], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env={**os.environ, "AMPHI_MESSAGES": log.name})
        for line in log:
            try:
                yield line[0], json.loads(line[2:])
            except ValueError:
                yield line[0], None


def main():
    client, server = Schema("client"), Schema("server")
    faults, count = [], {"S": 0, "C": 0, "X": 0}
    for kind, message in messages(sys.argv[1:]):
        count[kind] += 1
        if kind == "S":
            found = server.faults(message) or server.unnamed(message)
        elif kind == "C" and message["type"] in server.types and message["type"] not in client.types:
            continue  # understood, and not allowed
        elif kind == "C":
            found = client.faults(message)
        else:
            found = [] if client.faults(message) else ["it was refused, and the schema has it valid"]
        if found:
            faults.append((kind, json.dumps(message)[:300], found))
    for schema, name in ((client, "client"), (server, "server")):
        for missing in set(schema.types) - schema.seen:
            faults.append((name, missing, ["no test has it"]))
    for kind, text, found in faults:
        print(kind, text, *found, sep="\n  ")
    print(f"{count['S']} sent, {count['C']} understood, {count['X']} refused, {len(faults)} faults")
    return 1 if faults or 0 in count.values() else 0


if __name__ == "__main__":
    sys.exit(main())
