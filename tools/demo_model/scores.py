"""Held-out dialogues, and how answers to them are judged."""

import dataclasses
import json

import chat
from corpus import dialogues

SEED = "held-out"


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
    thinking_obeyed: bool
    calls_when_it_should: bool
    right_names: bool | None = None
    right_arguments: bool | None = None
    consistent: bool | None = None   # the answer holds what the tool's result, the text or the schema demand


def judge(dialogue, index, text):
    step = dialogue.chain[index]
    open_thought = dialogue.thinking and index > 0
    thinks = open_thought or text.startswith("<|channel>")
    result = Judgement(dialogue.kind, index, False, thinks == dialogue.thinking, False)
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
        wanted = sorted(step.calls, key=_call_key)
        found = sorted(said["calls"], key=_call_key)
        result.right_names = [call["name"] for call in found] == [call["name"] for call in wanted]
        result.right_arguments = found == wanted
    else:
        result.consistent = not said["calls"] and _content_fits(step, said["content"])
    return result


def _call_key(call):
    return call["name"], json.dumps(call["arguments"], sort_keys=True)


def _content_fits(step, content):
    if step.json is not None:
        try:
            return json.loads(content) == step.json
        except ValueError:
            return False
    return all(fact in content for fact in step.facts)


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
