"""Asks a router through the `generate` program: a prompt with its control tokens in, the model's words with theirs out."""

import codecs
import os
import re
import subprocess
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BINARIES = os.environ.get("COTERIE_BINARIES", os.path.join(ROOT, "bazel-bin"))
PROMPT_BYTES_MAX = 100_000  # Linux: 128 KiB for one argument
STOPS = {1: "<eos>", 50: "<|tool_response>", 106: "<turn|>"}


class RouterError(Exception):
    pass


def generate(router, prompt, max_tokens=400, on_text=None):
    """What the model says, with the token that stopped it at the end (none when it was cut off); and what `generate` reports beside.

    `on_text` gets the text piece by piece, as it comes.
    """
    command = [os.path.join(BINARIES, "router", "generate"), f"--router={router}", f"--prompt={prompt}", f"--max_tokens={max_tokens}", "--show_control_tokens"]
    if len(prompt.encode()) > PROMPT_BYTES_MAX:
        raise RouterError(f"the prompt has {len(prompt.encode())} bytes; a command line takes {PROMPT_BYTES_MAX}")
    # A file takes whatever comes on stderr, while only stdout is read.
    if not os.path.exists(command[0]):
        raise RouterError(f"{command[0]} is not there: bazel build //router:generate")
    with tempfile.TemporaryFile() as errors, \
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL) as process:
        decoder, said = codecs.getincrementaldecoder("utf-8")("replace"), ""
        while piece := process.stdout.read1():
            text = decoder.decode(piece)
            said += text
            if on_text:
                on_text(text)
        process.wait()
        errors.seek(0)
        report = errors.read().decode("utf-8", errors="replace").strip()
    if process.returncode != 0:
        raise RouterError(report)
    stop = re.search(r"^finished: stop token (\d+);", report, re.MULTILINE)
    return said + (STOPS[int(stop[1])] if stop else ""), report


def expert_load(router):
    """[layer][expert]: rows that each expert has got since the router started."""
    command = [os.path.join(BINARIES, "router", "router_status"), f"--router={router}", "--expert_load"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    if done.returncode != 0:
        raise RouterError(done.stderr.strip())
    return [[int(rows) for rows in line.split(",")] for line in done.stdout.splitlines()]
