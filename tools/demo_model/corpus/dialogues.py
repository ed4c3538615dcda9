"""Whole dialogues: a system turn, perhaps earlier exchanges, and a last user turn with the chain of model steps that answers it.

`make_dialogue(seed)` is a pure function of its seed. Training and held-out dialogues are drawn from different seeds.
"""

import dataclasses
import json
import random

from corpus import talk, tasks
from corpus import words as w
from corpus.families import BY_KEY, FAMILIES

PERSONAS = ("You are a helpful assistant.", "You are the assistant of a small office.", "Be brief.", "You help with everyday tasks.",
            "Use the tools when they help.", "You are an agent. Use tools where you can and answer in one or two sentences.",
            "You work for a shop.", "Answer politely.", "You are a careful assistant. Do not guess: use a tool or say that you cannot.")


@dataclasses.dataclass
class Step:
    """What the model should do next, and what the tools then return."""
    thought: str
    calls: list = dataclasses.field(default_factory=list)    # {"name", "arguments"}
    results: list = dataclasses.field(default_factory=list)  # one for each call
    content: str = ""
    facts: list = dataclasses.field(default_factory=list)    # texts that a right answer holds
    json: object = None                                      # the value that a JSON answer must have
    abilities: list = None                                   # of a refusal: what may be named as possible


@dataclasses.dataclass
class Dialogue:
    kind: str
    thinking: bool
    tools: list     # OpenAI declarations
    history: list   # messages up to and with the last user message
    chain: list     # steps


def _messages(step, number, thinking=False):
    """A step as OpenAI messages."""
    thought = {"reasoning_content": step.thought} if thinking else {}
    if not step.calls:
        return [{"role": "assistant", "content": step.content, **thought}]
    ids = [f"call_{number}_{i}" for i in range(len(step.calls))]
    return [{"role": "assistant", "content": "", **thought, "tool_calls": [
                {"id": i, "type": "function", "function": call} for i, call in zip(ids, step.calls)]},
            *({"role": "tool", "tool_call_id": i, "content": result} for i, result in zip(ids, step.results))]


def messages_before(dialogue, step_index):
    """What the model has seen when it makes step `step_index` of the chain."""
    messages = list(dialogue.history)
    for number, step in enumerate(dialogue.chain[:step_index]):
        messages += _messages(step, f"last{number}", dialogue.thinking)
    return messages


def _use_steps(rng, uses, answer=None):
    facts = [fact for use in uses for fact in use.facts]
    return [Step(tasks.plan(rng, uses), [use.call for use in uses], [use.result for use in uses]),
            Step(tasks.closing_thought(rng, uses), content=answer or " ".join(use.answer for use in uses), facts=facts)]


def _joined(rng, asks):
    """Two requests in one sentence or two."""
    first, second = asks
    return rng.choice([f"{first} {second}", f"{first} And: {second}", f"{first} Also, {second[0].lower() + second[1:]}", f"1. {first}\n2. {second}"])


def _single(rng, tools):
    use = tasks.make_use(rng, tools[0])
    return use.ask, _use_steps(rng, [use])


def _parallel(rng, tools):
    tool = tools[0]
    if len(tools) > 1 and rng.random() < 0.6:
        uses = [tasks.make_use(rng, t) for t in rng.sample(tools, 2)]
    else:
        first = tasks.make_use(rng, tool)
        uses = [first, tasks.follow_up(rng, first)]
    if uses[0].call == uses[1].call:
        return _single(rng, tools)
    return _joined(rng, [use.ask for use in uses]), _use_steps(rng, uses)


def _error(rng, tools):
    use = tasks.make_use(rng, tools[0])
    reason = rng.choice(["not found", "permission denied", "the service is down", "timeout", "unknown value", f"error {rng.randint(400, 599)}"])
    use.result = {"error": reason}
    use.facts = [reason]
    answer = rng.choice([f"That did not work: {reason}.", f"The tool failed: {reason}.", f"I am sorry, {use.tool.name} says: {reason}."])
    return use.ask, _use_steps(rng, [use], answer)


def _refusal(rng, tools):
    wanted = tasks.other_families(rng, [tool.family for tool in tools], 1)[0]
    ask = tasks.make_use(rng, tasks.make_tool(rng, wanted)).ask
    can = tasks.listed([tool.family.purpose for tool in tools], "or") if tools else ""
    answer = f"I have no tool to {wanted.purpose}." + (rng.choice([f" I can {can}.", f" What I can do is {can}.", ""]) if can else "")
    thought = rng.choice([f"No tool here can {wanted.purpose}. I say so.", f"The user wants me to {wanted.purpose}, but I have no tool for that."])
    return ask, [Step(thought, content=answer, facts=["no tool", wanted.purpose],
                     abilities=[tool.family.purpose for tool in tools])]


def _clarify(rng, tools):
    ask, question = rng.choice(tools[0].family.missing)
    return ask, [Step(rng.choice(["Something is missing. I ask.", f"To call {tools[0].name} I need to know more."]), content=question, facts=["?"])]


def _talk(rng, _tools):
    makers = [talk.small_talk, talk.about_coterie, talk.copying, talk.bullets, talk.comparison, talk.knowledge, talk.reading, talk.reading, talk.story]
    maker = rng.choice(makers)
    made = maker(rng)
    ask, answer = made[:2]
    facts = [made[2]] if len(made) > 2 else [answer] if maker in (talk.about_coterie, talk.copying, talk.bullets, talk.comparison, talk.knowledge) else []
    thought = rng.choice(["No tool is needed. I answer at once.", "I can answer this myself.", "This needs no tool.", "A simple question. I answer."])
    return ask, [Step(thought, content=answer, facts=facts)]


# Two steps, where the second needs the result of the first: (families, how it is asked, the second's arguments from the first's result).
CHAINS = (
    ("find_contact", "send_message",
     ("Look up {name} and send them this: {body}", "Find the address of {name} and write: {body}", "Send {name} a mail. Look up the address first. The text: {body}"),
     lambda first, rng: {"recipient": first.result["email"], "body": w.sentence(rng)}),
    ("search_files", "read_file",
     ("Find {query} in {folder} and read the first file.", "Search {folder} for {query}, then show me the first file that you find.",
      "Open the first file in {folder} that mentions {query}."),
     lambda first, rng: {"path": first.result["files"][0]}),
    ("weather", "set_note",
     ("Store the temperature of {city} under {key}.", "Look up how warm it is in {city} and save the number as {key}."),
     lambda first, rng: {"key": w.key(rng), "value": str(first.result["temperature"])}),
    ("find_contact", "set_note",
     ("Save the phone number of {name} under {key}.", "Look up the phone of {name} and keep it as {key}."),
     lambda first, rng: {"key": w.key(rng), "value": first.result["phone"]}),
    ("get_note", "send_message",
     ("Send the note {key} to {recipient}.", "Look up {key} and tell it to {recipient}."),
     lambda first, rng: {"recipient": rng.choice([w.email, w.first_name])(rng), "body": first.result}),
    ("calculator", "set_note",
     ("Calculate {expression} and store the result under {key}.", "Keep the value of {expression} as {key}."),
     lambda first, rng: {"key": w.key(rng), "value": str(first.result["result"])}),
    ("local_time", "set_reminder",
     ("What time is it in {city}? And remind me to {text} in {minutes} minutes.",),
     lambda first, rng: BY_KEY["set_reminder"].arguments(rng)),
)


def _chained(rng, tools, chain):
    _, _, asks, second_arguments = chain
    first = tasks.make_use(rng, tools[0])
    second = tasks.make_use(rng, tools[1], by_role=second_arguments(first, rng))
    steps = [Step(tasks.plan(rng, [first]), [first.call], [first.result]), *_use_steps(rng, [second])]
    return tasks.fill(rng.choice(asks), first.by_role, second.by_role), steps


MAKERS = {"single": (_single, 34), "parallel": (_parallel, 12), "chained": (None, 9), "follow_up": (None, 10), "error": (_error, 5),
          "refusal": (_refusal, 8), "clarify": (_clarify, 4), "json": (None, 8), "talk": (_talk, 12)}


def _exchange_messages(ask, steps, number):
    return [{"role": "user", "content": ask}, *(m for i, s in enumerate(steps) for m in _messages(s, f"{number}_{i}"))]


def _earlier(rng, tools):
    """Exchanges before the one that counts."""
    history = []
    for number in range(rng.choice([0, 0, 0, 0, 1, 1, 2])):
        maker = rng.choice([_single, _single, _talk]) if tools else _talk
        history += _exchange_messages(*maker(rng, rng.sample(tools, len(tools))), number)
    return history


def _json(rng, thinking):
    system, user, value = talk.json_answer(rng)
    step = Step(rng.choice(["I fill in the schema.", "The answer must be JSON. I take the values from the text."]),
                content=json.dumps(value, separators=(",", ":")), json=value)
    return Dialogue("json", thinking, [], [{"role": "system", "content": system}, {"role": "user", "content": user}], [step])


def make_dialogue(seed):
    rng = random.Random(seed)
    kind = rng.choices(list(MAKERS), [weight for _, weight in MAKERS.values()])[0]
    thinking = rng.random() < 0.45
    if kind == "json":
        return _json(rng, thinking)
    count = rng.choice([1, 1, 2, 2, 3, 3, 4])
    if kind == "chained":
        chain = rng.choice(CHAINS)
        needed = [BY_KEY[chain[0]], BY_KEY[chain[1]]]
        families = needed + tasks.other_families(rng, needed, rng.choice([0, 1, 2]))
    else:
        no_tools = kind == "talk" and rng.random() < 0.6 or kind == "refusal" and rng.random() < 0.15
        families = [] if no_tools else rng.sample(FAMILIES, count)
    tools = tasks.make_tools(rng, families)
    declarations = [tool.declaration(rng) for tool in tools]
    rng.shuffle(declarations)
    history = [] if rng.random() < 0.3 else [{"role": "system", "content": rng.choice(PERSONAS)}]
    if kind == "follow_up":
        first = tasks.make_use(rng, tools[0])
        history += _exchange_messages(first.ask, _use_steps(rng, [first]), "before")
        second = tasks.follow_up(rng, first)
        ask, steps = second.ask, _use_steps(rng, [second])
    else:
        history += _earlier(rng, tools)
        ask, steps = _chained(rng, tools, chain) if kind == "chained" else MAKERS[kind][0](rng, tools)
    return Dialogue(kind, thinking, declarations, [*history, {"role": "user", "content": ask}], steps)
