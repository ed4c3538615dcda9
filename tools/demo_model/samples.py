"""Dialogues and prose to what the trainer eats: rows of tokens, which document each token is of, and how much it counts to predict the next.

Most weight lies on what the model says in the last turn, half as much on its earlier turns, little on the rest of a dialogue. The first token
of an earlier model turn counts nothing: there the channel has been taken out, and the model shall not learn to leave it out.
"""

import multiprocessing
import os
import random

import numpy as np

import scores
import tokenizer
from corpus import dialogues, prose
from pieces import CONTEXT, HALF, NOTHING, SPOKEN, pieces

ROW = 1024
WEIGHTS = (0.0, 0.1, 1.0, 0.5)  # by the code that is stored
PROSE_SHARE = 0.12
RESPONSE, RESPONSE_END, TURN, TURN_END = 50, 51, 105, 106


def encode(tok, parts):
    """Tokens, and for each the weight code of predicting it."""
    ids, codes = [], []
    for text, code in parts:
        new = tok.encode(text, add_special_tokens=False).ids
        ids += new
        codes += [code] * len(new)
    codes[0] = NOTHING
    _weigh_earlier_turns(ids, codes, tok.token_to_id("model"))
    return ids, codes


def _weigh_earlier_turns(ids, codes, model):
    """Model turns before the last: HALF, but for their first token and the tools' words."""
    i = 0
    while i + 3 < len(ids):
        i += 1
        if ids[i - 1] != TURN or ids[i] != model:
            continue
        i += 2  # past "model" and its newline
        if codes[i] != CONTEXT:
            return
        codes[i] = NOTHING
        in_response = False
        while i + 1 < len(ids) and ids[i] != TURN_END and codes[i + 1] != SPOKEN:
            i += 1
            if not in_response:
                codes[i] = HALF
            in_response = ids[i] == RESPONSE or in_response and ids[i] != RESPONSE_END


def _dialogue_sample(tok, seed):
    return encode(tok, pieces(dialogues.make_dialogue(seed), random.Random(f"{seed} form")))


def prose_samples(tok):
    """Rows of prose, each beginning with <bos>."""
    result = []
    for document in prose.documents():
        ids = tok.encode(document, add_special_tokens=False).ids
        for begin in range(0, len(ids), ROW - 1):
            part = [2] + ids[begin:begin + ROW - 1]
            if len(part) > 64:
                result.append((part, [NOTHING] + [HALF] * (len(part) - 1)))
    return result


class Packer:
    """Fills rows: a document goes into the first open row that has room."""
    OPEN = 32

    def __init__(self):
        self.tokens, self.codes, self.segments, self.open = [], [], [], []

    def add(self, ids, codes):
        room = next((row for row in self.open if len(row[0]) + len(ids) <= ROW), None)
        if room is None:
            if len(self.open) == self.OPEN:
                self.close(max(self.open, key=lambda row: len(row[0])))
            room = ([], [], [])
            self.open.append(room)
        number = room[2][-1] + 1 if room[2] else 0
        room[0].extend(ids)
        # Stored at the position that predicts: the code of the next token; a document's last predicts nothing.
        room[1].extend(codes[1:] + [NOTHING])
        room[2].extend([number] * len(ids))

    def close(self, row):
        # By identity: equal rows exist while they are empty.
        self.open = [other for other in self.open if other is not row]
        pad = ROW - len(row[0])
        self.tokens.append(np.array(row[0] + [0] * pad, np.uint16))
        self.codes.append(np.array(row[1] + [NOTHING] * pad, np.uint8))
        self.segments.append(np.array(row[2] + [255] * pad, np.uint8))

    def finish(self):
        for row in list(self.open):
            self.close(row)
        return np.stack(self.tokens), np.stack(self.codes), np.stack(self.segments)


def _part(arguments):
    tokenizer_path, part, count = arguments
    tok = tokenizer.load(tokenizer_path)
    packer, used = Packer(), 0
    for i in range(count):
        ids, codes = _dialogue_sample(tok, f"{scores.TRAINING_SEED} {part} {i}")
        if len(ids) <= ROW:
            packer.add(ids, codes)
            used += 1
    return *packer.finish(), used


def build(tokenizer_path, dialogues_wanted):
    """Rows of training data in their order of use: tokens [rows, ROW], codes, segments; and a line that says what is in them."""
    work = [(tokenizer_path, part, dialogues_wanted // scores.TRAINING_PARTS) for part in range(scores.TRAINING_PARTS)]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        made = pool.map(_part, work, chunksize=1)
    rows = [np.concatenate([part[i] for part in made]) for i in range(3)]
    texts = prose_samples(tokenizer.load(tokenizer_path))
    epochs = max(1, round(PROSE_SHARE / (1 - PROSE_SHARE) * rows[0].size / sum(len(ids) for ids, _ in texts)))
    packer = Packer()
    for epoch in range(epochs):
        random.Random(f"{scores.TRAINING_SEED} prose {epoch}").shuffle(texts)
        for ids, codes in texts:
            packer.add(ids, codes)
    rows = [np.concatenate([a, b]) for a, b in zip(rows, packer.finish())]
    order = np.random.default_rng(0).permutation(len(rows[0]))
    said = (f"{sum(part[3] for part in made)} dialogues, {epochs} times {sum(len(ids) for ids, _ in texts)} tokens of prose, "
            f"{rows[0].size} tokens in rows, of which {(rows[2] != 255).mean():.0%} are used and {(rows[1] == SPOKEN).mean():.0%} are spoken by the model")
    return *(part[order] for part in rows), said
