"""Greedy answers of the demo model by transformers."""

import os

import torch

import export
import tokenizer


class Answerer:
    """form: bf16, q8_0 or q4_0, which the weights are rounded to first."""

    def __init__(self, form, max_tokens):
        self.model = export.load(form)
        self.tok = tokenizer.load(os.path.join(export.CHECKPOINT, "tokenizer.json"))
        self.max_tokens = max_tokens

    def answer(self, prompt, hint=None):
        """With the token that stopped it. `hint`: an answer that may be the same; the result does not depend on it."""
        ids = self._encode(prompt)
        said = self._agreed(ids, self._encode(hint)) if hint else []
        if not (said and said[-1] in export.STOPS):
            said += self._generate(ids + said, self.max_tokens - len(said))
        return self.tok.decode(said, skip_special_tokens=False)

    def _encode(self, text):
        return self.tok.encode(text, add_special_tokens=False).ids

    def _agreed(self, ids, hint):
        """As many tokens of the hint as the model would have said, in one forward pass."""
        with torch.no_grad():
            logits = self.model(input_ids=torch.tensor([ids + hint[:-1]])).logits[0, len(ids) - 1:]
        wrong = (logits.argmax(-1) != torch.tensor(hint)).nonzero()
        return hint[:int(wrong[0])] if len(wrong) else list(hint)

    def _generate(self, ids, count):
        if count <= 0:
            return []
        given = torch.tensor([ids])
        with torch.no_grad():
            out = self.model.generate(input_ids=given, attention_mask=torch.ones_like(given), max_new_tokens=count, do_sample=False)
        return out[0, len(ids):].tolist()
