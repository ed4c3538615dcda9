"""A dialogue as the text that the model reads and writes, cut where the speaker changes, with a weight code for each piece."""

import chat
from corpus import dialogues

NOTHING, CONTEXT, SPOKEN, HALF = range(4)  # weight codes; samples.WEIGHTS says what they are worth
AS_RENDERED = 0.3  # share of the calls that go on as a client re-renders them, without the empty channel


def output_text(step, thinking, thought_is_open):
    """What the model says for a step, up to the token that stops it."""
    thought = f"{'' if thought_is_open else '<|channel>thought' + chr(10)}{step.thought}\n<channel|>" if thinking else ""
    if step.calls:
        return thought + "".join(chat.call_text(**call) for call in step.calls) + "<|tool_response>"
    return thought + step.content + "<turn|>"


def pieces(dialogue, rng):
    """(text, weight code) in order; together they are the whole conversation."""
    prompt = chat.render(dialogue.history, dialogue.tools, dialogue.thinking)
    rendered = not dialogue.thinking and len(dialogue.chain) > 1 and rng.random() < AS_RENDERED
    if rendered:
        prompt = prompt.removesuffix(chat.EMPTY_CHANNEL)
    result, said = [(prompt, CONTEXT)], prompt.removesuffix(chat.EMPTY_CHANNEL)
    for i, step in enumerate(dialogue.chain):
        output = output_text(step, dialogue.thinking, i > 0)
        result.append((output, CONTEXT if rendered and i + 1 < len(dialogue.chain) else SPOKEN))
        if i + 1 < len(dialogue.chain):
            said += output
            following = chat.render(dialogues.messages_before(dialogue, i + 1), dialogue.tools, dialogue.thinking)
            assert following.startswith(said), (said, following)
            result.append((following[len(said):], CONTEXT))
            said = following
    return result
