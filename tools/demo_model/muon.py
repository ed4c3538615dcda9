"""Muon: momentum whose update is made orthogonal (K. Jordan and others, 2024), for stacks of matrices.

torch.optim.Muon takes single matrices only; the experts are stacks of them. All matrices of one shape go through one batched product.
"""

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration


def orthogonal(g, steps=5):
    """g [count, rows, columns] -> nearly U V^T of each."""
    a, b, c = COEFFICIENTS
    x = g.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """Parameters of two or three dimensions; those of one matrix shape are updated together."""

    def __init__(self, params, lr, momentum=0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for p in group["params"]:
                by_shape.setdefault(p.shape[-2:], []).append(p)
            for (rows, columns), params in by_shape.items():
                updates = orthogonal(torch.cat([self._momentum(p, group["momentum"]).view(-1, rows, columns) for p in params])).float()
                scale = -group["lr"] * max(1, rows / columns) ** 0.5
                for p, update in zip(params, updates.split([p.numel() // (rows * columns) for p in params])):
                    p.add_(update.view(p.shape), alpha=scale)

    def _momentum(self, p, momentum):
        """Nesterov's."""
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(state["momentum"], momentum)
