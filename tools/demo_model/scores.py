"""Held-out dialogues, and how answers to them are judged."""

import dataclasses
import json
import re

import chat
from corpus import dialogues

SEED = "held-out"
# What train.py draws from: dialogue i of a part has the seed "TRAINING_SEED part i". It never draws more than the maximum.
TRAINING_SEED, TRAINING_PARTS, TRAINING_DIALOGUES_MAX = 26, 16, 80000
NUMBER = re.compile(r"\d[\d.,:-]*")


def training_seeds():
    return (f"{TRAINING_SEED} {part} {i}" for part in range(TRAINING_PARTS) for i in range(TRAINING_DIALOGUES_MAX // TRAINING_PARTS))


def _fingerprint(dialogue):
    """Equal for dialogues that ask the same thing and expect the same calls."""
    return dialogue.history[-1]["content"].lower(), json.dumps([step.calls for step in dialogue.chain], sort_keys=True)


def held_out(count, seen=frozenset()):
    """`count` dialogues of other seeds than the training's, less those whose fingerprint is in `seen`; and how many those were."""
    result, dropped, index = [], 0, 0
    while len(result) < count:
        dialogue = dialogues.make_dialogue(f"{SEED} {index}")
        index += 1
        if _fingerprint(dialogue) in seen:
            dropped += 1
        else:
            result.append(dialogue)
    return result, dropped


def fingerprints(seeds):
    return {_fingerprint(dialogues.make_dialogue(seed)) for seed in seeds}


@dataclasses.dataclass
class Judgement:
    """Of one model turn; None where a question does not arise."""
    kind: str
    step: int
    well_formed: bool
    thinking_obeyed: bool | None
    calls_when_it_should: bool
    right_names: bool | None = None
    right_arguments: bool | None = None
    consistent: bool | None = None   # the answer holds what the tool's result, the text or the schema demand


def judge(dialogue, index, text):
    step = dialogue.chain[index]
    open_thought = dialogue.thinking and index > 0
    thinks = open_thought or text.startswith("<|channel>")
    # Where the prompt ends inside the channel there is nothing to obey.
    result = Judgement(dialogue.kind, index, False, None if open_thought else thinks == dialogue.thinking, False)
    try:
        said = chat.parse_output(text, open_thought)
    except chat.Malformed:
        if step.calls:
            result.right_names = result.right_arguments = False
        else:
            result.consistent = False
        return result
    result.well_formed = True
    result.calls_when_it_should = bool(said["calls"]) == bool(step.calls)
    if step.calls:
        wanted = sorted(map(_call_key, step.calls))
        found = sorted(map(_call_key, said["calls"]))
        result.right_names = [name for name, _ in found] == [name for name, _ in wanted]
        result.right_arguments = found == wanted
    else:
        result.consistent = not said["calls"] and _content_fits(dialogue, step, said["content"])
    return result


def _call_key(call):
    """Equal for equal calls: as JSON text, so that 5 is not 5.0 and 1 not true. The order of keys is free."""
    return call["name"], json.dumps(call["arguments"], sort_keys=True)


def _content_fits(dialogue, step, content):
    """Whether an answer holds what it must and nothing that nobody said. It does not understand: "it is not true that" passes."""
    if step.json is not None:
        try:
            return json.dumps(json.loads(content), sort_keys=True) == json.dumps(step.json, sort_keys=True)
        except ValueError:
            return False
    if step.abilities is not None and not _abilities_fit(step, content):
        return False
    if not all(_stands_in(fact, content) for fact in step.facts):
        return False
    known = str(dialogue.history) + str(dialogue.chain)
    return all(number.rstrip(".,:-") in known for number in NUMBER.findall(content))


def _stands_in(fact, content):
    """As whole words: 7 does not stand in 979."""
    return re.search((r"(?<!\w)" if fact[0].isalnum() else "") + re.escape(fact) + (r"(?!\w)" if fact[-1].isalnum() else ""), content)


def _abilities_fit(step, content):
    """A refusal may go on with what the tools can do: each of these once, and nothing else."""
    rest = content.removeprefix(f"I have no tool to {step.facts[1]}.").strip()
    if not rest:
        return True
    named = re.fullmatch(r"(?:I can|What I can do is) (.*)\.", rest)
    parts = re.split(r", | or ", named[1]) if named else []
    return bool(parts) and len(set(parts)) == len(parts) and set(parts) <= set(step.abilities)


def share(judgements, field):
    """Share of True among those to whom the question was put, and how many these were."""
    values = [getattr(j, field) for j in judgements if getattr(j, field) is not None]
    return (sum(values) / len(values) if values else float("nan")), len(values)


FIELDS = ("well_formed", "thinking_obeyed", "calls_when_it_should", "right_names", "right_arguments", "consistent")


def table(judgements):
    lines = [f"{'':22}{'all':>12}" + "".join(f"{kind:>11}" for kind in dialogues.MAKERS)]
    for field in FIELDS:
        value, count = share(judgements, field)
        row = f"{field:22}{value:>7.1%}{count:>5}"
        for kind in dialogues.MAKERS:
            part, part_count = share([j for j in judgements if j.kind == kind], field)
            row += f"{part:>11.1%}" if part_count else f"{'-':>11}"
        lines.append(row)
    return "\n".join(lines)
