"""Writes what transformers says about the demo model (tools/demo_model/checkpoint) on 64 unselected dialogues of other seeds than the training's.

demo_model/prompts.txt    one prompt a line: its token ids. The first or a later model turn of each dialogue, drawn and not selected
demo_model/greedy.txt     per prompt: the greedy answer in float32 on the bf16 weights, to the stop token or 80 tokens, each token followed by
                          the gap between its logit and the runner-up's
demo_model/columns.txt    128 drawn token ids
demo_model/logits.f32     [all tokens of greedy.txt, 128] float32, little-endian: logits of those ids where that token was chosen, in float32
demo_model/deviation.txt  per prompt: how far transformers in bfloat16 is from logits.f32, as a share of its largest value there
"""

import os
import random
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools", "demo_model"))
import chat  # noqa: E402
import export  # noqa: E402
import tokenizer  # noqa: E402
from corpus import dialogues  # noqa: E402

OUT = os.path.join(HERE, "demo_model")
COUNT, COLUMNS, LONGEST = 64, 128, 80


def prompts(tok):
    rng = random.Random(7)
    for i in range(COUNT):
        dialogue = dialogues.make_dialogue(f"golden {i}")
        messages = dialogues.messages_before(dialogue, rng.randrange(len(dialogue.chain)))
        yield tok.encode(chat.render(messages, dialogue.tools, dialogue.thinking), add_special_tokens=False).ids


def run(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].float()


def greedy(model, prompt):
    """(token, gap) pairs."""
    given = torch.tensor([prompt])
    with torch.no_grad():
        out = model.generate(input_ids=given, attention_mask=torch.ones_like(given), max_new_tokens=LONGEST, do_sample=False,
                             return_dict_in_generate=True, output_logits=True)
    tops = [logits[0].float().topk(2).values for logits in out.logits]
    return [(token, float(top[0] - top[1])) for token, top in zip(out.sequences[0, len(prompt):].tolist(), tops)]


def main():
    os.makedirs(OUT, exist_ok=True)
    tok = tokenizer.load(os.path.join(export.CHECKPOINT, "tokenizer.json"))
    bf16, f32 = export.load(), export.load().to(torch.float32)
    columns = sorted(random.Random(8).sample(range(tok.get_vocab_size()), COLUMNS))
    lines = {"prompts": [], "greedy": [], "deviation": []}
    logits = []
    for prompt in prompts(tok):
        answer = greedy(f32, prompt)
        ids = prompt + [token for token, _ in answer[:-1]]
        exact = run(f32, ids)[len(prompt) - 1:, columns]
        rounded = run(bf16, ids)[len(prompt) - 1:, columns]
        logits.append(exact)
        lines["prompts"].append(" ".join(map(str, prompt)))
        lines["greedy"].append(" ".join(f"{token} {gap:.6g}" for token, gap in answer))
        lines["deviation"].append(f"{float((rounded - exact).abs().max() / exact.abs().max()):.6g}")
    lines["columns"] = [" ".join(map(str, columns))]
    with open(os.path.join(OUT, "logits.f32"), "wb") as file:
        file.write(torch.cat(logits).numpy().astype("<f4").tobytes())
    for name, text in lines.items():
        with open(os.path.join(OUT, name + ".txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(text) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
