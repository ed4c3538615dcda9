"""Gemma 4's chat format: conversations to text by checkpoint/chat_template.jinja, and a model's text back to what it said."""

import functools
import os
import re

import jinja2
import jinja2.sandbox

HERE = os.path.dirname(os.path.abspath(__file__))
EMPTY_CHANNEL = "<|channel>thought\n<channel|>"
STRING = '<|"|>'


@functools.cache
def _template():
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    with open(os.path.join(HERE, "checkpoint", "chat_template.jinja"), encoding="utf-8") as file:
        return environment.from_string(file.read())


def render(messages, tools=(), thinking=False, prompt=True, preserve=False):
    """The conversation as text; with `prompt`, up to where the model speaks next."""
    return _template().render(messages=messages, tools=list(tools), enable_thinking=thinking, add_generation_prompt=prompt,
                              preserve_thinking=preserve)


def value_text(value):
    """A value as the model writes it in a call."""
    if isinstance(value, str):
        return STRING + value + STRING
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{value_text(v)}" for k, v in sorted(value.items(), key=lambda kv: kv[0].lower())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(value_text(v) for v in value) + "]"
    return str(value)


def call_text(name, arguments):
    return f"<|tool_call>call:{name}{value_text(arguments)}<tool_call|>"


class Malformed(Exception):
    """The text is not what Gemma 4 may say in a model turn."""


def _take_value(text, at):
    if text.startswith(STRING, at):
        end = text.find(STRING, at + len(STRING))
        if end < 0:
            raise Malformed("a string without end")
        return text[at + len(STRING):end], end + len(STRING)
    if text.startswith("{", at):
        result, at = {}, at + 1
        while not text.startswith("}", at):
            colon = text.find(":", at)
            if colon < 0:
                raise Malformed("a key without a value")
            key = text[at:colon]
            if not key or STRING in key or key in result:
                raise Malformed(f"key {key!r}")
            result[key], at = _take_value(text, colon + 1)
            at = _after_comma(text, at, "}")
        return result, at + 1
    if text.startswith("[", at):
        result, at = [], at + 1
        while not text.startswith("]", at):
            item, at = _take_value(text, at)
            result.append(item)
            at = _after_comma(text, at, "]")
        return result, at + 1
    bare = re.compile(r"[^,{}\[\]<]*").match(text, at)
    return _bare_value(bare.group()), bare.end()


def _after_comma(text, at, closing):
    if text.startswith(closing, at):
        return at
    if not text.startswith(",", at) or text.startswith(closing, at + 1):
        raise Malformed(f"expected a comma or {closing}")
    return at + 1


def _bare_value(text):
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", text):
        return float(text)
    raise Malformed(f"bare value {text!r}")


CONTROL = re.compile(r'<\|[a-z_]+\|?>|<[a-z_]+\|>|<(?:bos|eos|pad|unk|mask|unused\d+)>|\[multimodal\]')


def defused(text):
    """`text` with every spelling of a control token broken by a space, for prompts that are sent as one text."""
    return CONTROL.sub(lambda found: found.group()[0] + " " + found.group()[1:], text.replace(STRING, '"'))


def parse_output(text, starts_in_thought=False):
    """What the model said, from the end of its prompt to the token that stopped it: {"thought", "calls", "content"}.

    Raises Malformed where Gemma 4's format is broken: an open channel, a broken call, stray control tokens, no proper stop.
    """
    thought = None
    if starts_in_thought:
        text = "<|channel>thought\n" + text
    if text.startswith("<|channel>"):
        end = text.find("<channel|>")
        if end < 0 or not text.startswith("<|channel>thought\n"):
            raise Malformed("a channel that is not a closed thought")
        thought = text[len("<|channel>thought\n"):end].removesuffix("\n")
        if CONTROL.search(thought.replace(STRING, "")):
            raise Malformed("a control token in a thought")
        text = text[end + len("<channel|>"):]
    calls = []
    while text.startswith("<|tool_call>call:"):
        brace = text.find("{")
        name = text[len("<|tool_call>call:"):brace]
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise Malformed(f"tool name {name!r}")
        arguments, at = _take_value(text, brace)
        if not text.startswith("<tool_call|>", at):
            raise Malformed("a call without its end")
        calls.append({"name": name, "arguments": arguments})
        text = text[at + len("<tool_call|>"):]
    if calls:
        if text != "<|tool_response>":
            raise Malformed(f"after the calls: {text[:40]!r}")
        return {"thought": thought, "calls": calls, "content": ""}
    if not text.endswith("<turn|>"):
        raise Malformed("the turn is not closed")
    content = text.removesuffix("<turn|>")
    if not content.strip() or CONTROL.search(content) or STRING in content:
        raise Malformed("empty content, or control tokens in it")
    return {"thought": thought, "calls": [], "content": content}
