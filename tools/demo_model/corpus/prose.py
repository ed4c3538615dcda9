"""Plain English of the corpus: Debian's handbook and FAQ, as Debian packages install them, and agents' transcripts.

The transcripts are kept in agent_transcripts.txt (see its README for origin and licence); `collect_transcripts` made that file.
"""

import glob
import gzip
import html.parser
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
HANDBOOK = "/usr/share/doc/debian-handbook/html/en-US"
FAQ = "/usr/share/doc/debian/FAQ/debian-faq.en.txt.gz"
TRANSCRIPTS = os.path.join(HERE, "agent_transcripts.txt")


class _Paragraphs(html.parser.HTMLParser):
    """The text of the block elements of a page, without navigation."""
    BLOCKS = {"p", "li", "h1", "h2", "h3", "dt", "dd", "div"}

    def __init__(self):
        super().__init__()
        self.found, self.text, self.depth = [], [], 0

    def handle_starttag(self, tag, attrs):
        if tag in self.BLOCKS:
            self._flush()
            self.depth += 1

    def handle_endtag(self, tag):
        if tag in self.BLOCKS:
            self._flush()
            self.depth = max(0, self.depth - 1)

    def handle_data(self, data):
        if self.depth:
            self.text.append(data)

    def _flush(self):
        text = " ".join("".join(self.text).split())
        if len(text) > 40:
            self.found.append(text)
        self.text = []


def _plain(text):
    for fancy, plain in (("\u2019", "'"), ("\u2018", "'"), ("\u201c", '"'), ("\u201d", '"'), ("\u2013", "-"), ("\u2014", "-"), ("\u00a0", " "),
                         ("\u2026", "...")):
        text = text.replace(fancy, plain)
    return text


def documents():
    """Each a few paragraphs, ready to be cut into rows."""
    if not os.path.isdir(HANDBOOK) or not os.path.isfile(FAQ):
        raise FileNotFoundError(f"{HANDBOOK} and {FAQ}: install debian-handbook and debian-faq (tools/setup --training does)")
    result = []
    for page in sorted(glob.glob(f"{HANDBOOK}/*.html")):
        parser = _Paragraphs()
        with open(page, encoding="utf-8") as file:
            parser.feed(file.read())
        if len(parser.found) > 3:
            result.append(_plain("\n".join(dict.fromkeys(parser.found))))
    with gzip.open(FAQ, "rt", encoding="utf-8", errors="replace") as file:
        paragraphs = re.split(r"\n\s*\n", file.read())
    result.append(_plain("\n".join(" ".join(p.split()) for p in paragraphs if len(p) > 60 and "....." not in p)))
    with open(TRANSCRIPTS, encoding="utf-8") as file:
        result += _plain(file.read()).split("\n\x0c\n")
    return result


def collect_transcripts(folder):
    """Writes agent_transcripts.txt from the JSON lines of LMCache's agent traces: what agents and users wrote, each text once."""
    seen = {}
    for path in sorted(glob.glob(f"{folder}/*/*.jsonl")):
        with open(path, encoding="utf-8") as file:
            for line in file:
                text = json.loads(line)["output"].replace("<format_example>", "").strip()
                text = "\n".join(line.rstrip()[:400] for line in text.splitlines()[:40])
                if len(text) > 60 and text.isascii():
                    seen.setdefault(text, None)
    with open(TRANSCRIPTS, "w", encoding="utf-8") as file:
        file.write("\n\x0c\n".join(seen))
