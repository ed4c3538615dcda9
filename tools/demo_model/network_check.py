"""Compares the network that is trained with transformers' Gemma4ForCausalLM, logits and gradients, and prints its speed.

  .venv-oracles/bin/python tools/demo_model/network_check.py
"""

import resource
import time

import torch
import torch.nn.functional as F

import network as networks


def perturbed(network):
    """Moves the weights that start at one, so that a forgotten one shows."""
    with torch.no_grad():
        for p in network.parameters():
            if p.dim() == 1:
                p.mul_(torch.empty_like(p).uniform_(0.7, 1.3))
    return network


def check(compiled):
    torch.manual_seed(1)
    network = perturbed(networks.Network(dtype=torch.float32, compiled=compiled))
    reference = networks.to_transformers(network)
    shape = network.shape
    tokens = torch.randint(5, shape.vocab, (2, 4 * shape.window))
    cuts = (0, 70, 300, 4 * shape.window)  # of the second row's documents; the first row is one document
    segments = torch.zeros(tokens.shape, dtype=torch.int32)
    segments[1] = torch.bucketize(torch.arange(tokens.shape[1]), torch.tensor(cuts[1:]), right=True)
    ours = network.logits(tokens, segments)
    with torch.no_grad():
        alone = [reference(tokens[1:, a:b]).logits[0] for a, b in zip(cuts, cuts[1:])]
        expected = torch.stack((reference(tokens[:1]).logits[0], torch.cat(alone)))
    worst = (ours - expected).abs().amax((1, 2))
    print(f"fp32 compiled={compiled}: worst logit error {worst[0]:.1e} one document, {worst[1]:.1e} packed")
    assert worst.max() < 2e-4

    rows = torch.arange(0, tokens.numel() - 1, 3)
    targets, weights = tokens.view(-1)[rows + 1], torch.rand(rows.shape)
    loss, _, _ = network(tokens, segments, rows, targets, weights)
    loss.backward()
    segments.zero_()
    network.zero_grad()
    loss, _, load = network(tokens, segments, rows, targets, weights)
    loss.backward()
    logits = reference(tokens).logits.view(-1, shape.vocab)[rows]
    hf_loss = (F.cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()
    hf_loss.backward()
    theirs = dict(reference.named_parameters())
    error = max(((p.grad - theirs[name].grad).norm() / theirs[name].grad.norm()).item()
                for name, p in network.named_parameters() if name in theirs)
    print(f"loss {loss.item():.5f} reference {hf_loss.item():.5f}, worst relative gradient error {error:.1e}; "
          f"load {load.min().item():.3f} to {load.max().item():.3f}")
    assert error < 1e-3


def measure(batch=8, length=1024, steps=8):
    torch.manual_seed(1)
    network = networks.Network()
    tokens = torch.randint(5, network.shape.vocab, (batch, length))
    segments = (torch.arange(length) // 400).int().expand(batch, length).contiguous()
    rows = torch.arange(batch * length)[::2].contiguous()
    seconds = []
    for _ in range(steps):
        begin = time.time()
        loss, balance, _ = network(tokens, segments, rows, tokens.view(-1)[rows], torch.ones(rows.shape))
        (loss + 0.01 * balance).backward()
        seconds.append(time.time() - begin)
    median = sorted(seconds[1:])[(steps - 1) // 2]
    print(f"{batch * length / median:.0f} tokens/s forward and backward, {median:.2f} s a micro-batch; "
          f"first step with compilation {seconds[0]:.0f} s; "
          f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB; loss {loss.item():.2f}")


if __name__ == "__main__":
    networks.keep_freed_memory()
    check(compiled=False)
    check(compiled=True)
    measure()
