"""What the tests of clients share: where the service is, clients of it, and words that the demo model knows.

The environment says where:
  COTERIE_HTTP      http://HOST:PORT of the HTTP door
  COTERIE_GRPC      HOST:PORT of the gRPC door
  COTERIE_MODEL     the model's name; without it the first one that the service lists
  COTERIE_API_KEY   a key that the service takes; without it "none"

The demo model (tools/demo_model/MODEL_CARD.md) answers the questions below the same way each time when it is asked greedily, with
thinking and without. It knows few others.
"""

import functools
import json
import os
import sys
import urllib.error
import urllib.request

import openai

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.append(os.path.join(ROOT, "tools", "demo_model"))
from corpus.families import calculate  # noqa: E402

TIMEOUT_SECONDS = 120
SYSTEM = "You are a helpful assistant."
CAPITAL = "What is the capital of Norway?"
CAPITAL_ANSWER = "The capital of Norway is Oslo."
STORY = "Tell me a short story about Anna and a red chair."
LIST = "Make a list of Oslo, Paris and Rome."
LIST_ANSWER = "- Oslo\n- Paris\n- Rome"
PRODUCT = "What is 1234 * 56?"                                          # one call: calculator
TWO_CITIES = "What is the weather in Oslo? And in Paris?"               # two calls: get_weather, get_weather
TWO_TOOLS = "What is 12 * 7? And: What is the weather in Bergen?"       # two calls: calculator, get_weather
CHAIN = "Calculate 12 * 7 and store the result under total_cost."       # calculator, then set_note
PERSON = "Anna Berg is 34 years old and lives in Oslo."
PERSON_FIELDS = {"name": "Anna Berg", "age": 34, "city": "Oslo"}
PERSON_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}},
    "required": ["name", "age", "city"],
    "additionalProperties": False,
}
# Thinking off, as a completion sees it.
CAPITAL_PROMPT = f"<bos><|turn>user\n{CAPITAL}<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"


def _schema(**parameters):
    return {"type": "object", "properties": {name: {"type": "string", "description": text} for name, text in parameters.items()},
            "required": list(parameters)}


# name -> (description, schema)
FUNCTIONS = {
    "calculator": ("Evaluates an arithmetic expression.", _schema(expression="Expression to evaluate")),
    "get_weather": ("Current weather of a city.", _schema(city="Name of the city")),
    "set_note": ("Stores a value under a key.", _schema(key="The key", value="What to store")),
}


def chat_tools(*names):
    """As chat completions want them."""
    return [{"type": "function", "function": {"name": name, "description": FUNCTIONS[name][0], "parameters": FUNCTIONS[name][1]}}
            for name in names]


def response_tools(*names):
    """As responses want them."""
    return [{"type": "function", "name": name, "description": FUNCTIONS[name][0], "parameters": FUNCTIONS[name][1], "strict": False}
            for name in names]


def message_tools(*names):
    """As Anthropic's messages want them."""
    return [{"name": name, "description": FUNCTIONS[name][0], "input_schema": FUNCTIONS[name][1]} for name in names]


def run_tool(name, arguments):
    """A tool's result, as text."""
    if name == "calculator":
        return str(calculate(arguments["expression"]))
    if name == "get_weather":
        return json.dumps({"condition": "sunny", "temperature": 7})
    return json.dumps({"ok": True})


def http_address():
    return os.environ["COTERIE_HTTP"].rstrip("/")


def grpc_address():
    return os.environ["COTERIE_GRPC"]


def api_key():
    return os.environ.get("COTERIE_API_KEY", "none")


def openai_client(**options):
    return openai.OpenAI(**{"base_url": http_address() + "/v1", "api_key": api_key(), "timeout": TIMEOUT_SECONDS, "max_retries": 0, **options})


def async_openai_client(**options):
    return openai.AsyncOpenAI(
        **{"base_url": http_address() + "/v1", "api_key": api_key(), "timeout": TIMEOUT_SECONDS, "max_retries": 0, **options})


@functools.cache
def model():
    return os.environ.get("COTERIE_MODEL") or openai_client().models.list().data[0].id


def token_id(text):
    """In the demo model's vocabulary."""
    with open(os.path.join(ROOT, "tools", "demo_model", "checkpoint", "tokenizer.json"), encoding="utf-8") as file:
        return json.load(file)["model"]["vocab"][text]


def user(text, system=None):
    return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": text}]


def http(method, path, body=b"", headers=()):
    """Status, headers and body of a request that no client library would send."""
    request = urllib.request.Request(http_address() + path, data=body or None, method=method, headers={
        "Authorization": f"Bearer {api_key()}", "Content-Type": "application/json", **dict(headers)})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()
