"""The smallest agent: a question, the model's tool calls, their results, the answer, as a terminal shows them.

  agent.py --router=HOST:PORT [--thinking] [QUESTION]

The calculator and the clock are real; the weather and the stock are made up here.
"""

import argparse
import datetime
import json
import os
import sys
import zlib
import zoneinfo

import chat
import router_client
from corpus.families import calculate

ROUNDS = 4  # of tool calls, at most
SYSTEM = "You are a helpful assistant."
QUESTION = "What is 1234 * 56?"
CONDITIONS = ("sunny", "cloudy", "rainy", "windy", "foggy")


def _declaration(name, description, **parameters):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": {
        "type": "object", "properties": {key: {"type": "string", "description": text} for key, text in parameters.items()},
        "required": list(parameters)}}}


TOOLS = [
    _declaration("calculator", "Evaluates an arithmetic expression.", expression="Expression to evaluate"),
    _declaration("get_weather", "Current weather of a city.", city="Name of the city"),
    _declaration("check_inventory", "Looks up stock and price of an item.", item="Name of the item"),
    _declaration("get_time", "Local time of a city.", city="Name of the city"),
]


def local_time(city):
    """By the time zone that is named after the city; ValueError where none is."""
    name = city.strip().replace(" ", "_").lower()
    zones = [zone for zone in sorted(zoneinfo.available_timezones()) if zone.split("/")[-1].lower() == name]
    if not zones:
        raise ValueError(f"unknown city {city}")
    now = datetime.datetime.now(zoneinfo.ZoneInfo(zones[0]))
    return {"time": f"{now:%H:%M}", "day": f"{now:%A}"}


def _made_up(text, low, high):
    """The same text, the same number."""
    return low + zlib.crc32(text.encode()) % (high - low)


def run_tool(name, arguments):
    try:
        if name == "calculator":
            return {"result": calculate(arguments["expression"])}
        if name == "get_weather":
            city = arguments["city"]
            return {"condition": CONDITIONS[_made_up(city, 0, len(CONDITIONS))], "temperature": _made_up(city, -5, 30)}
        if name == "check_inventory":
            return {"in_stock": _made_up(arguments["item"], 1, 200), "price": _made_up(arguments["item"], 100, 9900) / 100}
        if name == "get_time":
            return local_time(arguments["city"])
        return {"error": "unknown tool"}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return {"error": str(error)}


def show(label, text):
    print(f"{label + ':':13}{text}", flush=True)


class Printer:
    """Shows a thought when it is finished and the words of an answer as they come; calls and control tokens not at all."""

    def __init__(self, starts_in_thought):
        self.text = "<|channel>thought\n" if starts_in_thought else ""
        self.begin = None  # where the answer begins, once that is known
        self.shown = 0

    def add(self, piece):
        self.text += piece
        if self.begin is None:
            self._find_begin()
        if self.begin is None:
            return
        # Up to the first control token; a beginning of one may still become one.
        answer = self.text[self.begin:]
        control = chat.CONTROL.search(answer)
        end = control.start() if control else answer.rfind("<") if "<" in answer[-20:] else len(answer)
        if end > self.shown:
            print(f"{'answer:':13}" if self.shown == 0 else "", answer[self.shown:end], sep="", end="", flush=True)
            self.shown = end

    def finish(self):
        """Ends the line, with what was held back."""
        if self.begin is not None and not chat.CONTROL.search(self.text[self.begin:]):
            print(self.text[self.begin + self.shown:], end="")
        if self.shown:
            print(flush=True)

    def _find_begin(self):
        if self.text.startswith("<|channel>"):
            thought, closed, _ = self.text.removeprefix("<|channel>thought\n").partition("<channel|>")
            if closed:
                show("thought", thought.strip())
                self.begin = self.text.index(closed) + len(closed)
        elif not "<|channel>".startswith(self.text):
            self.begin = 0


def ask(router, question, thinking):
    """Runs the loop; the report of the last generation."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    show("question", question)
    for number in range(ROUNDS):
        prompt = chat.render(messages, TOOLS, thinking)
        in_thought = thinking and number > 0
        printer = Printer(in_thought)
        text, report = router_client.generate(router, prompt, on_text=printer.add)
        printer.finish()
        said = chat.parse_output(text, in_thought)
        if not said["calls"]:
            return report
        calls = [{"id": f"call_{number}_{i}", "type": "function", "function": call} for i, call in enumerate(said["calls"])]
        messages.append({"role": "assistant", "content": "", "tool_calls": calls,
                         **({"reasoning_content": said["thought"]} if said["thought"] else {})})
        for call in calls:
            function = call["function"]
            result = run_tool(function["name"], function["arguments"])
            show("tool call", f"{function['name']} {json.dumps(function['arguments'])}")
            show("tool result", json.dumps(result))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    raise chat.Malformed(f"the model still calls tools after {ROUNDS} rounds")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--router", required=True, metavar="HOST:PORT")
    parser.add_argument("--thinking", action="store_true")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode
    if not arguments.question.strip():
        parser.error("the question is empty")
    try:
        report = ask(arguments.router, chat.defused(arguments.question.encode(errors="replace").decode()), arguments.thinking)
    except (chat.Malformed, router_client.RouterError) as error:
        print(f"\nagent: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to say, at exit neither
        return 141
    print(f"\n{report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
