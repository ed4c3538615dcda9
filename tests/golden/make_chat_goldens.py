"""Writes chat/conversations.jsonl: conversations, and what the Jinja template of the chat format makes of them.

  python3 tests/golden/make_chat_goldens.py      needs python3-jinja2 (tools/setup); gives the same bytes every time

A line is {messages, tools, thinking, preserve_thinking, add_generation_prompt, text}. Conversations are drawn from a seed and kept
as drawn; some are written by hand. They are made to be awkward: white space to trim, control tokens spelled in every text, keys that
differ in case only, schemas of every shape.

`text` is null where model/chat_template must return InvalidArgument, and `why` says so in words:

- the template itself fails ("jinja: ..."), or
- it prints nonsense or drops without a word what somebody meant ("refused: ..."): see REFUSED. That is our decision, not the
  template's.

Before the template sees a conversation it is put into words the template knows (`spelt_out`): the parts of an assistant's text and of
a tool's are joined as Google's template joins them, and ids are told apart that two messages use.

Left out: integers beyond 64 bits (to C++ they are doubles before the template is asked), and keys that end with a capital sigma
(Python lowers it by its place in the word; we do not).
"""

import copy
import json
import os
import random
import sys

import jinja2

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools", "demo_model"))
import chat  # noqa: E402

SEED = 20260709
NUM_DRAWN = 1200

CONTROL = ["<bos>", "<|turn>", "<turn|>", "<|think|>", "<|channel>", "<channel|>", "<|tool>", "<tool|>", "<|tool_call>",
           "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>', "<eos>", "<pad>", "<unk>"]
WORDS = ["Hi", "how warm is it in Bergen?", "12 °C", "naïve café", "日本語のテキスト", "🦙🦙", "a\nb", "\n\n", "  two", "tab\there", '"quoted"',
         "it's", "back\\slash", "{a:1}", "[1,2]", "x<y>z", "<|", "|>", "<", "<|turn", "turn|>", "thought\n", "call:f{}", "null", "1e5",
         "\u0000", "\u007f", "e\u0301", "\u202eabc", "&amp;", "{{ x }}", "{% if %}", "{#", "model\n", "user\n", "\r\n", "Z" * 30]
SPACE = ["", "", "", " ", "\n", "\t", " \n ", "\u00a0", "\u3000", "\u2028", "\x1c", "\x85", "\u200b", "\r\n", "\x0b\x0c"]
KEYS = ["a", "A", "b", "B", "city", "City", "unit", "id", "ID", "Äpfel", "äpfel", "Ähre", "zoo", "Zoo", "_x", "x-y", "x y", "日", "É", "é",
        "İx", "ß", "ẞ", "Ж", "ж", "ǅ", "𐐀", "𐐨", "1", "10", "9", "~", "items", "type", "properties", "get", "keys", "Σa", "ςb", 'q"q',
        "Ⅷ", "ⅷ", "Ⓐ", "Ω", "K", "k"]
NUMBERS = [0, 1, -1, 7, 42, 10**15, 2**53 + 1, 2**63 - 1, -2**63, 2**64 - 1, 0.0, -0.0, 1.0, -2.5, 0.1, 1e16, 1e15, 123456789012345680.0,
           1e20, 1.5e300, 1e-4, 1e-5, 1.25e-7, 5e-324, 1.7976931348623157e308, 100000.0, 1 / 3, 2.0**60, 9007199254740993.0]
NAMES = ["get_weather", "f", "search.web", "ns:tool", "mcp__x__y", "Tool-1", "日本", "a b"]
TYPES = ["string", "integer", "number", "boolean", "object", "array", "STRING", "Array", "null", "", ["string", "null"], ["integer"],
         ["array", "null"], [], None, "it's", ["it's", 'a"b', "c\\d\n"], ["object", 1, None, True, 0.5, {"x": ["y"]}]]


class Draw:
    """What a conversation is made of."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, p):
        return self.random.random() < p

    def one(self, items):
        return self.random.choice(items)

    def text(self, most=4):
        parts = [self.one(CONTROL) if self.chance(0.12) else self.one(WORDS) for _ in range(self.random.randint(0, most))]
        return self.one(SPACE) + self.one(["", " "]).join(parts) + self.one(SPACE)

    def number(self):
        if self.chance(0.6):
            return self.one(NUMBERS)
        if self.chance(0.5):
            return self.random.randint(-10**self.random.randint(1, 18), 10**self.random.randint(1, 18))
        return self.random.uniform(-1, 1) * 10.0**self.random.randint(-30, 30)

    def value(self, depth=0):
        kind = self.random.random()
        if depth < 4 and kind < 0.15:
            return self.mapping(depth + 1)
        if depth < 4 and kind < 0.3:
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 3))]
        if kind < 0.5:
            return self.number()
        return self.text(2) if kind < 0.85 else self.one([True, False, None])

    def mapping(self, depth=0, most=5):
        return {self.one(KEYS): self.value(depth) for _ in range(self.random.randint(0, most))}

    def schema(self, depth=0):
        if self.chance(0.03):
            return self.one([True, False, None, "string", 3, ["string"]])
        schema = {}
        if self.chance(0.9):
            schema["type"] = self.one(TYPES[:6]) if self.chance(0.75) else self.one(TYPES)
        if self.chance(0.6):
            schema["description"] = self.text(2) if self.chance(0.9) else self.one([None, "", 0, 5, 1.0, True, ["a", 'it\'s "b"'], {"k": -1}])
        if self.chance(0.3):
            schema["enum"] = self.one([["C", "F"], [1, 2], [], [self.text(1), None, 2.0, {"b": 1, "A": []}], None, "CF"])
        if self.chance(0.2):
            schema["nullable"] = self.one([True, False, 1, "yes", None])
        for extra in ("default", "minimum", "anyOf", "$ref", "additionalProperties", "format", "title"):
            if self.chance(0.07):
                schema[extra] = self.value(3)
        kind = str(schema.get("type")).upper()
        if kind == "ARRAY" and self.chance(0.8):
            schema["items"] = self.schema(depth + 1) if depth < 4 else {}
        if kind == "OBJECT" and self.chance(0.8):
            schema["properties"] = self.properties(depth + 1) if depth < 4 else {}
            if self.chance(0.6):
                schema["required"] = self.required(schema["properties"])
        if kind not in ("ARRAY", "OBJECT") and self.chance(0.1):
            schema.update({"items": {"type": "string"}, "properties": {"a": {}}, "required": True})
        items = list(schema.items())
        self.random.shuffle(items)
        return dict(items)

    def properties(self, depth=0):
        return {self.one(KEYS): self.schema(depth) for _ in range(self.random.randint(0, 5))}

    def required(self, properties):
        names = [name for name in properties if self.chance(0.6)]
        if self.chance(0.05):
            names += [None, 1, 2.5, True]
        return names if self.chance(0.97) else None

    def tool(self):
        function = {"name": self.one(NAMES)}
        if self.chance(0.9):
            function["description"] = self.text() if self.chance(0.95) else self.one([None, 3, ["x"]])
        if self.chance(0.85):
            parameters = self.one([None, {}]) if self.chance(0.1) else {"type": "object"}
            if parameters:
                if self.chance(0.05):
                    parameters = self.one([{"type": ["object", "null"]}, {"title": "no type"}, {"type": None}])
                if self.chance(0.9):
                    parameters["properties"] = self.properties()
                    if self.chance(0.7):
                        parameters["required"] = self.required(parameters["properties"])
            function["parameters"] = parameters
        if self.chance(0.25):
            function["response"] = self.response()
        return {"type": "function", "function": function}

    def response(self):
        if self.chance(0.15):
            return self.one([None, {}, "", 0])
        response = {}
        if self.chance(0.7):
            response["description"] = self.text(2) if self.chance(0.9) else self.one([None, "", 5, ["a"]])
        if self.chance(0.85):
            response["type"] = self.one(TYPES)
        if self.chance(0.3):
            response["properties"] = self.properties(2)
        return response or {"properties": {}}

    def parts(self):
        return [{"type": "text", "text": self.text(2)} for _ in range(self.random.randint(0, 3))]

    def said(self):
        if self.chance(0.1):
            return [{"type": "text", "text": self.said_in_one()} for _ in range(self.random.randint(0, 3))]
        return self.said_in_one()

    def said_in_one(self):
        text = self.text()
        if self.chance(0.2):
            text = self.one(["", text]) + "<|channel>" + self.text(2) + self.one(["<channel|>", ""]) + self.text(2)
        return text

    def calls(self, number):
        calls = []
        for _ in range(self.one([1, 1, 1, 2, 3])):
            number[0] += 1
            # Some clients count anew in each message.
            name = f"call_{len(calls)}" if self.chance(0.1) else f"call_{number[0]}_of_all"
            calls.append({"id": name, "type": "function", "function": {"name": self.one(NAMES), "arguments": self.mapping()}})
        return calls

    def thought(self, message):
        if self.chance(0.5):
            message[self.one(["reasoning", "reasoning_content"])] = self.text()
        if self.chance(0.1):
            message.update({"reasoning_content": self.one(["", None, self.text(2)]), "reasoning": self.one(["", None, self.text(2)])})

    def result(self, call_id):
        content = self.text()
        if self.chance(0.35):
            content = self.mapping()
        elif self.chance(0.2):
            content = self.one(['{"a": 1}', [{"type": "text", "text": self.text(1)}], self.parts() or [0], [{"text": "x"}], [], 3, 2.50, True, False, [[None]]])
        return {"role": "tool", "tool_call_id": call_id, "content": content}

    def exchange(self, number):
        """An assistant's calls, and their results or some of them."""
        message = {"role": "assistant", "tool_calls": self.calls(number)}
        if self.chance(0.6):
            message["content"] = self.one([None, "", " \n", "<|channel>thought\nx<channel|>"])
        elif self.chance(0.5):
            message["content"] = self.said()
        self.thought(message)
        results = [self.result(call["id"]) for call in message["tool_calls"] if self.chance(0.9)]
        if self.chance(0.2):
            self.random.shuffle(results)
        return [message, *results]

    def messages(self):
        messages, number = [], [0]
        if self.chance(0.45):
            content = self.parts() if self.chance(0.3) else self.text()
            messages.append({"role": self.one(["system", "developer"]), "content": content})
        for _ in range(self.random.randint(1, 3)):
            if self.chance(0.95):
                messages.append({"role": "user", "content": self.parts() if self.chance(0.15) else self.text()})
            while self.chance(0.4):
                messages.extend(self.exchange(number))
            if self.chance(0.6):
                message = {"role": "assistant", "content": self.said()}
                self.thought(message)
                if self.chance(0.1):
                    message["tool_calls"] = self.one([[], None])
                messages.append(message)
            if self.chance(0.08):
                messages.append(self.result(self.one(["call_1", "nobody's"])) if messages[-1]["role"] != "tool" and
                                not messages[-1].get("tool_calls") else {"role": "user", "content": ""})
        return messages or [{"role": "user", "content": self.text()}]

    def conversation(self):
        return {
            "messages": self.messages(),
            "tools": [self.tool() for _ in range(self.one([0, 0, 1, 1, 2, 3]))],
            "thinking": self.chance(0.5),
            "preserve_thinking": self.chance(0.3),
            "add_generation_prompt": self.chance(0.8),
        }


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": {}}}
USER = {"role": "user", "content": "Hi"}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}

def _with(message, **fields):
    return {**copy.deepcopy(message), **fields}


def _without(message, field):
    return {k: v for k, v in message.items() if k != field}


def _tool(**function):
    return {"type": "function", "function": {"name": "f", "description": "d", **function}}


def _call(**fields):
    return _with(CALLS, tool_calls=[{**copy.deepcopy(CALL), **fields}])


def _schema(**schema):
    return _tool(parameters={"type": "object", "properties": {"p": schema}})


def _nested(depth):
    """Objects in lists in objects."""
    if depth == 0:
        return {"type": "string", "description": "deep", "enum": ["x"]}
    if depth % 2:
        return {"type": "array", "items": _nested(depth - 1)}
    return {"type": "object", "properties": {"B": _nested(depth - 1), "a": {"type": "integer"}}, "required": ["B"]}


RESULT = {"role": "tool", "tool_call_id": "c", "content": "12C"}
TALKS = {**CALLS, "content": "text too"}
PARALLEL = {"role": "assistant", "content": "", "tool_calls": [CALL, {"id": "d", "type": "function", "function": {
    "name": "g", "arguments": {"x": 1}}}]}

BY_HAND = [
    ([USER], [], {}),
    ([USER], [], {"thinking": True}),
    ([{"role": "system", "content": "Be brief."}, USER], [], {}),
    ([{"role": "system", "content": "Be brief."}, USER], [], {"thinking": True}),
    ([USER, {"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "Bye"}], [], {}),
    ([USER, CALLS, {"role": "tool", "tool_call_id": "c", "content": "12C"}], [], {}),
    ([USER, CALLS, {"role": "tool", "tool_call_id": "c", "content": "12C"}], [], {"thinking": True}),
    ([USER, CALLS, {"role": "tool", "tool_call_id": "c", "content": {"ok": True, "v": [1, {"x": "y"}]}}], [], {}),
    ([USER, TALKS, RESULT], [], {}),
    ([USER, TALKS, RESULT], [], {"thinking": True}),
    ([USER, TALKS, RESULT], [], {"add_generation_prompt": False}),
    ([USER, TALKS, RESULT, USER], [], {}),
    ([USER, TALKS, RESULT, {"role": "assistant", "content": "and more"}, USER], [], {}),
    ([USER, TALKS, USER], [], {}),
    ([USER, CALLS, USER, RESULT], [], {}),
    ([USER, CALLS, {"role": "assistant", "content": "no"}, RESULT], [], {}),
    ([USER, CALLS, RESULT, CALLS, RESULT], [], {}),
    ([USER, CALLS, RESULT, _call(function={"name": "g", "arguments": {}}), RESULT], [], {}),
    ([USER, PARALLEL, RESULT, {**RESULT, "tool_call_id": "d"}], [], {}),
    ([USER, PARALLEL, {**RESULT, "tool_call_id": "d"}, RESULT], [], {"thinking": True}),
    ([USER, PARALLEL, {**RESULT, "tool_call_id": "d"}], [], {}),
    ([USER, CALLS], [], {}),
    ([USER, CALLS], [], {"thinking": True}),
    *[([USER, {**CALLS, "reasoning": "one"}, RESULT, {**CALLS, "reasoning": "two"}, RESULT, *later], [], options)
      for later in ([], [{"role": "assistant", "content": "Done", "reasoning": "three"}, USER])
      for options in ({"thinking": True}, {"thinking": True, "preserve_thinking": True}, {}, {"preserve_thinking": True})],
    ([USER, {"role": "assistant", "content": [{"type": "text", "text": " a "}, {"type": "text", "text": "b<|channel>c<channel|>"}]}],
     [], {}),
    ([USER, {**CALLS, "content": []}, {**RESULT, "content": [{"type": "text", "text": " a"}, {"type": "text", "text": "b "}]}], [], {}),
    ([{"role": "developer", "content": [{"type": "text", "text": " a "}, {"type": "text", "text": "b"}]},
      {"role": "user", "content": [{"type": "text", "text": " a "}, {"type": "text", "text": " b"}]}], [], {}),
    ([USER], [_tool(response={"type": "object", "description": "what comes", "properties": {"a": {"type": "string"}}})], {}),
    ([USER], [_tool(response={"type": "string"}), _tool(parameters={"type": "object"}, response={"description": "d"})], {}),
    ([USER], [_tool(parameters={"type": "object", "properties": {"a": _nested(12)}})], {}),
    ([USER, CALLS, {"role": "tool", "tool_call_id": "c", "content": "x"}, {"role": "assistant", "content": "It is."}, USER], [], {}),
    ([USER, {"role": "assistant", "content": None, "reasoning": "cut off"}], [], {}),
    ([USER, {"role": "assistant", "content": "<|chan<|channel>x<channel|>nel>y"}], [], {}),
]


# The template prints something for these. Each is a mistake of the caller that the model, or nobody, would notice.
REFUSED = [
    ("an unknown role is dropped", [USER, {"role": "critic", "content": "x"}], []),
    ("a later system message is dropped", [USER, {"role": "system", "content": "x"}], []),
    ("a later developer message is dropped", [USER, {"role": "developer", "content": "x"}], []),
    ("a user's image is dropped", [_with(USER, content=[{"type": "image_url", "image_url": {"url": "x"}}])], []),
    ("an object as a user's content is dropped", [_with(USER, content={"a": 1})], []),
    ("a user's message without content is empty", [{"role": "user"}], []),
    ("a user's message of null is empty", [_with(USER, content=None)], []),
    ("a system message without content is empty", [{"role": "system"}, USER], []),
    ("a part with null as its text prints None", [_with(USER, content=[{"type": "text", "text": None}])], []),
    ("an assistant's message with nothing in it", [USER, {"role": "assistant"}], []),
    ("an assistant's message with null in it", [USER, {"role": "assistant", "content": None}], []),
    ("a result without content", [USER, CALLS, {"role": "tool", "tool_call_id": "c"}], []),
    ("a result of null", [USER, CALLS, {"role": "tool", "tool_call_id": "c", "content": None}], []),
    ("a result of a call without an id has no call", [USER, _call(id=None), _without(RESULT, "tool_call_id")], []),
    ("an id that is no string", [USER, _call(id=5), {**RESULT, "tool_call_id": 5}], []),
    ("a call without an id", [USER, _with(CALLS, tool_calls=[_without(CALL, "id")])], []),
    ("an id of null", [USER, _call(id=None)], []),
    ("a result of two calls has both names", [USER, _with(CALLS, tool_calls=[CALL, CALL]), RESULT], []),
    ("a result of a call in an earlier message", [USER, CALLS, RESULT, _call(id="d"), RESULT], []),
    ("a result of a call in a later message", [USER, CALLS, {**RESULT, "tool_call_id": "d"}, _call(id="d")], []),
    ("a result of a call that nobody made has no name", [USER, CALLS, {"role": "tool", "tool_call_id": "d", "content": "x"}], []),
    ("a result of no call has no name", [USER, CALLS, {"role": "tool", "content": "x"}], []),
    ("arguments as a JSON text", [USER, _call(function={"name": "f", "arguments": "{}"})], []),
    ("arguments as a list", [USER, _call(function={"name": "f", "arguments": [1]})], []),
    ("arguments of null", [USER, _call(function={"name": "f", "arguments": None})], []),
    ("a call without arguments", [USER, _call(function={"name": "f"})], []),
    ("a call without a name", [USER, _call(function={"arguments": {}})], []),
    ("calls of a user are dropped", [_with(USER, tool_calls=[CALL])], []),
    ("a tool without a name", [USER], [{"type": "function", "function": {"description": "d"}}]),
    ("a tool with an empty name", [USER], [_tool(name="")]),
    ("required as a string is split into letters", [USER], [_tool(parameters={"type": "object", "required": "abc"})]),
    ("required as an object", [USER], [_schema(type="object", required={"a": 1})]),
    ("parameters as a string are dropped", [USER], [_tool(parameters="{}")]),
    ("a response as a string is dropped", [USER], [_tool(response="text")]),
    ("a response as a list is dropped", [USER], [_tool(response=[1])]),
    ("a response whose type is not in ASCII", [USER], [_tool(response={"type": "straße"})]),
    ("parameters as a list are dropped", [USER], [_tool(parameters=[1])]),
    ("a type in letters that are not ASCII", [USER], [_schema(type="straße")]),
    ("a type in a list in letters that are not ASCII", [USER], [_schema(type=["é"])]),
    ("a description as a list with letters that are not ASCII", [USER], [_schema(type="string", description=["é"])]),
]

# The template fails on these.
FAILS = [
    ([], []),
    ([_with(USER, content=5)], []),
    ([{"role": "system", "content": None}, USER], []),
    ([{"role": "system", "content": [{"type": "image_url"}]}, USER], []),
    ([{"role": "system", "content": ["x"]}, USER], []),
    ([{"role": "system", "content": 5}, USER], []),
    ([USER, {"role": "assistant", "content": 5}], []),
    ([USER, {"role": "assistant", "content": [{"type": "image_url"}]}], []),
    ([USER, {"role": "assistant", "content": [{"type": "text", "text": None}]}], []),
    ([USER, {"role": "assistant", "content": "x", "reasoning": 5}], []),
    ([USER, {"role": "assistant", "content": "x", "tool_calls": 5}], []),
    ([USER, _with(CALLS, tool_calls=[_without(CALL, "function")])], []),
    ([USER], [{"type": "function"}]),
    ([USER], [_tool(parameters={"type": "object", "properties": [1]})]),
    ([USER], [_tool(parameters={"type": "object", "properties": "p"})]),
    ([USER], [_tool(parameters={"type": "object", "required": True})]),
    ([USER], [_schema(type="object", required=5)]),
]


def _is_text_part(part):
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _without_channels(text):
    return "".join(part.split("<|channel>")[0] for part in text.split("<channel|>")).strip()


def spelt_out(messages):
    """`messages` as this template must be given them."""
    messages, caller = [copy.deepcopy(message) for message in messages], None
    for i, message in enumerate(messages):
        parts = message.get("content")
        is_parts = isinstance(parts, list) and all(_is_text_part(part) for part in parts)
        if message["role"] == "assistant":
            caller = i
            for call in message.get("tool_calls") or []:
                call["id"] = f"{i}/{call['id']}"
            if is_parts:
                message["content"] = "".join(_without_channels(part["text"]) for part in parts)
        elif message["role"] == "tool":
            message["tool_call_id"] = f"{caller}/{message['tool_call_id']}"
            if is_parts and parts:
                message["content"] = "".join(part["text"] for part in parts)
        else:
            caller = None
    return messages


def render(case):
    """As the template gives it."""
    return chat._template().render(messages=case["messages"], tools=case["tools"], enable_thinking=case["thinking"],
                                   preserve_thinking=case["preserve_thinking"], add_generation_prompt=case["add_generation_prompt"])


def meant(case):
    return render({**case, "messages": spelt_out(case["messages"])})


def named(messages, tools, options=()):
    return {"messages": messages, "tools": tools, "thinking": False, "preserve_thinking": False, "add_generation_prompt": True,
            **dict(options)}


def cases():
    for messages, tools, options in BY_HAND:
        case = named(messages, tools, options)
        yield {**case, "text": meant(case)}
    for why, messages, tools in REFUSED:
        case = named(messages, tools)
        render(case)  # does not fail
        yield {**case, "text": None, "why": "refused: " + why}
    for messages, tools in FAILS:
        case = named(messages, tools)
        try:
            render(case)
        except (jinja2.TemplateError, TypeError, AttributeError, ValueError) as error:
            yield {**case, "text": None, "why": f"jinja: {type(error).__name__}: {error}"}
        else:
            raise AssertionError(f"the template does not fail: {case}")
    for i in range(NUM_DRAWN):
        case = Draw(f"{SEED}/{i}").conversation()
        yield {**case, "text": meant(case)}


def main():
    os.makedirs(os.path.join(HERE, "chat"), exist_ok=True)
    path = os.path.join(HERE, "chat", "conversations.jsonl")
    with open(path, "w", encoding="ascii") as file:
        for case in cases():
            file.write(json.dumps(case, separators=(",", ":")) + "\n")
    print(f"{path}: {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
