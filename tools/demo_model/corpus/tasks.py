"""One use of one tool: what the user asks, the call, the tool's result and the answer; and the declaration of the tool."""

import dataclasses

from corpus import words as w
from corpus.families import FAMILIES


class _Shown:
    """A value in a template. A list reads as "a, b and c", a boolean by its two words: {on:on,off}."""

    def __init__(self, value):
        self.value = value

    def __format__(self, spec):
        if isinstance(self.value, bool):
            return spec.split(",")[0 if self.value else 1]
        if isinstance(self.value, list):
            return listed(self.value)
        return str(self.value)


def listed(items, last="and"):
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def fill(template, *dictionaries):
    return template.format(**{key: _Shown(value) for values in dictionaries for key, value in values.items()})


@dataclasses.dataclass
class Tool:
    """A family under the names of one dialogue."""
    family: object
    name: str
    parameter_names: dict  # role -> name

    def arguments(self, by_role):
        return {self.parameter_names[role]: value for role, value in by_role.items()}

    def declaration(self, rng):
        properties = {}
        for p in self.family.parameters:
            schema = {"type": p.kind, "description": rng.choice(p.descriptions)}
            if p.enum:
                schema["enum"] = list(p.enum)
            if p.kind == "array":
                schema["items"] = {"type": "string"}
            properties[self.parameter_names[p.role]] = schema
        return {"type": "function", "function": {
            "name": self.name, "description": rng.choice(self.family.descriptions),
            "parameters": {"type": "object", "properties": properties,
                           "required": [self.parameter_names[p.role] for p in self.family.parameters if p.required]}}}


def make_tool(rng, family):
    """Mostly a usual name; sometimes one that nobody has seen, so that only the declaration can tell it."""
    name = rng.choice(family.names)
    if rng.random() < 0.25:
        name = rng.choice([f"{w.made_word(rng)}_{name}", f"{name}_{w.made_word(rng)}", f"{name}_v{rng.randint(2, 9)}"])
    names = {}
    for p in family.parameters:
        chosen = rng.choice(p.names)
        if rng.random() < 0.1:
            chosen = f"{chosen}_{w.made_word(rng)}"
        names[p.role] = chosen if chosen not in names.values() else f"{chosen}_{p.role}"
    return Tool(family, name, names)


def make_tools(rng, families):
    """Tools with different names."""
    tools = []
    for family in families:
        tool = make_tool(rng, family)
        while any(tool.name == other.name for other in tools):
            tool = make_tool(rng, family)
        tools.append(tool)
    return tools


@dataclasses.dataclass
class Use:
    """One call with its result and the answer that it allows."""
    tool: Tool
    by_role: dict
    result: object  # dict or text
    ask: str
    answer: str
    facts: list     # what every right answer holds

    @property
    def call(self):
        return {"name": self.tool.name, "arguments": self.tool.arguments(self.by_role)}


def result_fields(result):
    values = result if isinstance(result, dict) else {"value": result}
    return {f"r_{name}": value for name, value in values.items()}


def make_use(rng, tool, template=None, by_role=None):
    """A random use; `template` and `by_role` fix how it is asked and with what."""
    family = tool.family
    by_role = by_role or family.arguments(rng)
    result = family.result(rng, by_role)
    answer_template = rng.choice(family.answers)
    ask = fill(template or rng.choice(family.asks), by_role)
    answer = fill(answer_template, by_role, result_fields(result))
    # Facts: the result's fields that this family's answers all name; where none, the arguments that they name.
    shared = [name for name in {**result_fields(result), **by_role}
              if all("{" + name + "}" in a for a in family.answers)]
    values = {**by_role, **result_fields(result)}
    return Use(tool, by_role, result, ask, answer, [fill("{x}", {"x": values[name]}) for name in shared])


def follow_up(rng, use):
    """A second use of the same tool, asked in few words: what is not named stays as it was."""
    family = use.tool.family
    changed = family.arguments(rng)
    return make_use(rng, use.tool, rng.choice(family.follow_ups), {**use.by_role, **{r: changed[r] for r in family.fresh}})


def other_families(rng, excluded, count):
    keys = {family.key for family in excluded}
    return rng.sample([family for family in FAMILIES if family.key not in keys], count)


def plan(rng, uses):
    """A thought before the calls."""
    parts = []
    for use in uses:
        pairs = ", ".join(f"{name} {fill('{x:true,false}', {'x': value})}" for name, value in use.call["arguments"].items())
        parts.append(rng.choice([f"{use.tool.name} with {pairs}", f"{use.tool.name}: {pairs}"]))
    what = listed([use.tool.family.purpose for use in uses[:1]] if len({u.tool.name for u in uses}) == 1
                  else [use.tool.family.purpose for use in uses])
    return rng.choice([f"The user wants me to {what}. I call {'; '.join(parts)}.", f"I have to {what}. So I use {'; '.join(parts)}.",
                       f"To {what} I need {'; '.join(parts)}."])


def closing_thought(rng, uses):
    names = listed(list(dict.fromkeys(use.tool.name for use in uses)))
    return rng.choice([f"{names} answered. I tell the user.", f"I have the result of {names} and can answer.", "The result is here. Now I answer."])
