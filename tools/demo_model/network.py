"""The demo's small Gemma 4 mixture of experts, arranged to be trained on two CPU cores.

The mathematics and the parameter names are those of transformers' Gemma4ForCausalLM; what differs is how it is computed: bf16
operands for every large product, each kind of layer compiled once for all layers of the kind, sliding attention in blocks of one
window, and the loss with its gradient computed chunk by chunk so that the logits never exist as a whole.

network_check.py compares it with transformers and prints its speed.
"""

import ctypes
import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

HEAD_CHUNK = 1024  # rows of logits that exist at a time
GLOBAL_CHUNK = 256  # queries that a global layer handles at a time; keys after the chunk's end are not computed
GROUP_ROWS = 128  # rows of an expert's group are a multiple of this
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1


@dataclasses.dataclass(frozen=True)
class Shape:
    vocab: int = 4096
    hidden: int = 192
    layers: int = 12
    global_every: int = 6
    heads: int = 4
    head_dim: int = 64
    kv_heads: int = 2
    window: int = 128
    global_head_dim: int = 128
    global_kv_heads: int = 1
    rotary_share: float = 0.25  # of a global head
    theta: float = 1e4
    global_theta: float = 1e6
    dense_dim: int = 256
    experts: int = 16
    top_k: int = 4
    expert_dim: int = 64
    softcap: float = 30.0
    eps: float = 1e-6
    max_positions: int = 32768

    def is_global(self, layer):
        return layer % self.global_every == self.global_every - 1

    def config(self):
        from transformers.models.gemma4 import Gemma4TextConfig
        return Gemma4TextConfig(
            vocab_size=self.vocab, hidden_size=self.hidden, intermediate_size=self.dense_dim, num_hidden_layers=self.layers,
            num_attention_heads=self.heads, num_key_value_heads=self.kv_heads, head_dim=self.head_dim,
            global_head_dim=self.global_head_dim, num_global_key_value_heads=self.global_kv_heads,
            layer_types=["full_attention" if self.is_global(i) else "sliding_attention" for i in range(self.layers)],
            rope_parameters={
                "sliding_attention": {"rope_type": "default", "rope_theta": self.theta},
                "full_attention": {"rope_type": "proportional", "partial_rotary_factor": self.rotary_share,
                                   "rope_theta": self.global_theta}},
            sliding_window=self.window, max_position_embeddings=self.max_positions, final_logit_softcapping=self.softcap,
            hidden_size_per_layer_input=0, attention_k_eq_v=True, num_kv_shared_layers=0, enable_moe_block=True,
            num_experts=self.experts, top_k_experts=self.top_k, moe_intermediate_size=self.expert_dim, rms_norm_eps=self.eps,
            pad_token_id=0, eos_token_id=1, bos_token_id=2, attn_implementation="eager", experts_implementation="eager")


def keep_freed_memory():
    """Every step frees and takes the same large blocks; returned to the kernel they would be faulted in again each time."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, -1)


class Weight(nn.Module):
    """A tensor that transformers calls <name>.weight."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))


class Attention(nn.Module):
    def __init__(self, shape, is_global):
        super().__init__()
        dim = shape.global_head_dim if is_global else shape.head_dim
        kv_heads = shape.global_kv_heads if is_global else shape.kv_heads
        self.q_proj = Weight(shape.heads * dim, shape.hidden)
        self.k_proj = Weight(kv_heads * dim, shape.hidden)
        if not is_global:
            self.v_proj = Weight(kv_heads * dim, shape.hidden)
        self.o_proj = Weight(shape.hidden, shape.heads * dim)
        self.q_norm = Weight(dim)
        self.k_norm = Weight(dim)


class DenseMlp(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.gate_proj = Weight(shape.dense_dim, shape.hidden)
        self.up_proj = Weight(shape.dense_dim, shape.hidden)
        self.down_proj = Weight(shape.hidden, shape.dense_dim)


class Router(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.proj = Weight(shape.experts, shape.hidden)
        self.scale = nn.Parameter(torch.ones(shape.hidden))
        self.per_expert_scale = nn.Parameter(torch.ones(shape.experts))


class Experts(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.empty(shape.experts, 2 * shape.expert_dim, shape.hidden))
        self.down_proj = nn.Parameter(torch.empty(shape.experts, shape.hidden, shape.expert_dim))


class Layer(nn.Module):
    def __init__(self, shape, is_global):
        super().__init__()
        self.self_attn = Attention(shape, is_global)
        self.mlp = DenseMlp(shape)
        self.router = Router(shape)
        self.experts = Experts(shape)
        for norm in ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm",
                     "post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"):
            setattr(self, norm, Weight(shape.hidden))
        self.layer_scalar = nn.Parameter(torch.ones(1))


class Body(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embed_tokens = Weight(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape, shape.is_global(i)) for i in range(shape.layers))
        self.norm = Weight(shape.hidden)


def rms(x, eps, weight=None):
    """fp32 whatever x is."""
    x = x.float()
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    return x if weight is None else x * weight


def rotary(dim, share, theta, length):
    """cos and sin [length, dim]; pairs beyond the rotary share stand still."""
    turning = int(share * dim // 2)
    speed = torch.zeros(dim // 2)
    speed[:turning] = 1.0 / theta ** (torch.arange(0, 2 * turning, 2).float() / dim)
    angle = torch.arange(length).float()[:, None] * speed
    angle = torch.cat((angle, angle), -1)
    return angle.cos(), angle.sin()


def turn(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos[:, None] + torch.cat((-b, a), -1) * sin[:, None]


class Rotate(torch.autograd.Function):
    """x [B, S, heads, dim], cos and sin [S, dim]. Backward is turning back, which compiles better than what autograd makes."""

    @staticmethod
    def forward(ctx, x, cos, sin):
        ctx.save_for_backward(cos, sin)
        return turn(x, cos, sin)

    @staticmethod
    def backward(ctx, grad):
        cos, sin = ctx.saved_tensors
        return turn(grad, cos, -sin), None, None


def as_bias(visible):
    """A sum costs the compiled code less than a choice by booleans."""
    return torch.zeros(visible.shape).masked_fill(~visible, float("-inf"))


class Attend(torch.autograd.Function):
    """softmax(q k^T + bias) v: q [G, M, D], k and v [G, L, D], bias fp32 [b, M', L] for every G / b times M / M' of them.

    By hand, so that only the bf16 probabilities are kept, and every product comes out in the layout in which it is read.
    """

    @staticmethod
    def forward(ctx, q, k, v, bias):
        scores = torch.bmm(q, k.transpose(1, 2))
        p = (scores.view(bias.shape[0], -1, *bias.shape[1:]).float() + bias[:, None]).softmax(-1)
        p = p.to(q.dtype).view(scores.shape)
        out = torch.bmm(p, v)
        ctx.save_for_backward(q, k, v, p, out)
        return out

    @staticmethod
    def backward(ctx, grad):
        q, k, v, p, out = ctx.saved_tensors
        grad = grad.contiguous()
        grad_p = torch.bmm(grad, v.transpose(1, 2))
        mean = (grad.float() * out.float()).sum(-1, keepdim=True)
        grad_scores = (p.float() * (grad_p.float() - mean)).to(q.dtype)
        transposed = grad_scores.transpose(1, 2)
        return torch.bmm(grad_scores, k), torch.bmm(transposed, q), torch.bmm(p.transpose(1, 2), grad), None


def sliding_attention(q, k, v, bias):
    """q [B, S, heads, D], k and v [B, S, kv, D], bias [blocks, window, 2 * window] -> [N, heads * D]."""
    blocks, window, _ = bias.shape
    kv, dim = k.shape[2:]
    group = q.shape[2] // kv
    with_previous = lambda t: torch.cat((t.roll(1, 0), t), 1)  # [blocks, 2 * window, kv, D]
    by_head = lambda t: with_previous(t.reshape(blocks, window, kv, dim)).transpose(1, 2).reshape(blocks * kv, 2 * window, dim)
    q = q.reshape(blocks, window, kv, group, dim).permute(0, 2, 3, 1, 4).reshape(blocks * kv, group * window, dim)
    out = Attend.apply(q, by_head(k), by_head(v), bias).view(blocks, kv, group, window, dim)
    return out.permute(0, 3, 1, 2, 4).reshape(blocks * window, kv * group * dim)


def global_attention(q, k, v, bias):
    """q [B, S, heads, D], k and v [B, S, kv, D], bias [B, S, S] -> [N, heads * D]."""
    batch, length, heads, dim = q.shape
    kv = k.shape[2]
    group = heads // kv
    k, v = (t.transpose(1, 2).reshape(batch * kv, length, dim) for t in (k, v))
    out = []
    for begin in range(0, length, GLOBAL_CHUNK):
        end = min(begin + GLOBAL_CHUNK, length)
        rows = end - begin
        part = q[:, begin:end].reshape(batch, rows, kv, group, dim).permute(0, 2, 3, 1, 4).reshape(batch * kv, group * rows, dim)
        part = Attend.apply(part, k[:, :end].contiguous(), v[:, :end].contiguous(), bias[:, begin:end, :end])
        out.append(part.view(batch, heads, rows, dim).transpose(1, 2))
    return torch.cat(out, 1).reshape(batch * length, heads * dim)


def gelu_product(gate, up):
    return (F.gelu(gate.float(), approximate="tanh") * up.float()).to(gate.dtype)


class Dispatch(torch.autograd.Function):
    """x [rows, D] -> x[source], every row the same number of times (and some as padding).

    place says where in the result the copies of each row lie.
    With it the backward pass gathers and sums too; autograd would scatter with atomic additions.
    """

    @staticmethod
    def forward(ctx, x, source, place):
        ctx.save_for_backward(place)
        ctx.rows = x.shape[0]
        return x[source]

    @staticmethod
    def backward(ctx, grad):
        place, = ctx.saved_tensors
        return grad[place].view(ctx.rows, -1, grad.shape[1]).sum(1), None, None


class Combine(torch.autograd.Function):
    """The transpose of Dispatch: the sum of the copies of each row."""

    @staticmethod
    def forward(ctx, y, source, place, rows):
        ctx.save_for_backward(source)
        return y[place].view(rows, -1, y.shape[1]).sum(1)

    @staticmethod
    def backward(ctx, grad):
        source, = ctx.saved_tensors
        return grad[source], None, None, None


def route(x, w, shape):
    """x fp32 [N, hidden] -> chosen experts [N, k], their gate weights [N, k], balance loss, load [experts]."""
    x = rms(x, shape.eps) * w["router.scale"] * shape.hidden ** -0.5
    p = (x @ w["router.proj.weight"].T).softmax(-1)
    index = p.detach().topk(shape.top_k, -1).indices
    chosen = torch.zeros_like(p).scatter(1, index, 1.0)
    gates = p * chosen
    gates = gates / gates.sum(-1, keepdim=True) * w["router.per_expert_scale"]
    load = chosen.mean(0) / shape.top_k
    return index, gates.gather(1, index), shape.experts * (load * p.mean(0)).sum(), load


def group_by_expert(index, experts):
    """index [N, k] -> source and valid [rows] (the pair in each row of the grouped order), place [N * k], ends [experts].

    Groups are padded to whole GROUP_ROWS: the library compiles a kernel for every length it meets, so there must be few.
    """
    pairs = index.reshape(-1)
    order = pairs.argsort(stable=True)
    counts = (pairs[:, None] == torch.arange(experts)).sum(0)
    padded = (counts + GROUP_ROWS - 1) // GROUP_ROWS * GROUP_ROWS
    ends = padded.cumsum(0)
    shift = ends - padded - (counts.cumsum(0) - counts)  # from the dense order to the padded one
    lies = torch.arange(pairs.shape[0]) + shift[pairs[order]]
    place = torch.empty_like(order).scatter(0, order, lies)
    source = torch.full((pairs.shape[0] + experts * GROUP_ROWS,), -1).scatter(0, lies, order)
    ends = torch.cat((ends[:-1], torch.tensor([source.shape[0]])))  # the last group takes the rest, which is static
    return source.clamp(min=0), source >= 0, place, ends.int()


def experts_sparse(x, index, gates, gate_up, down):
    """x [N, hidden], index and gates [N, k] -> [N, hidden]; the N * k pairs, sorted by expert, multiply group by group."""
    rows, k = index.shape
    source, valid, place, ends = group_by_expert(index, gate_up.shape[0])
    # A gate of zero keeps padding out of the result and out of every gradient.
    sorted_gates = Dispatch.apply(gates.reshape(-1, 1), source, place) * valid[:, None]
    gate, up = F.grouped_mm(Dispatch.apply(x, source // k, place), gate_up.transpose(1, 2), offs=ends).chunk(2, -1)
    inner = (F.gelu(gate.float(), approximate="tanh") * up.float() * sorted_gates).to(x.dtype)
    return Combine.apply(F.grouped_mm(inner, down.transpose(1, 2), offs=ends), source // k, place, rows)


def layer_forward(x, cos, sin, bias, w, shape, is_global, dtype):
    """One layer: x fp32 [B, S, hidden] -> the same, balance loss, load [experts]."""
    batch, length, hidden = x.shape
    tokens = batch * length
    dim = cos.shape[1]
    x = x.view(tokens, hidden)
    norm = lambda t, name: rms(t, shape.eps, w[name + ".weight"])
    cast = lambda name: w[name].to(dtype)

    h = norm(x, "input_layernorm").to(dtype)
    names = ("q_proj", "k_proj") if is_global else ("q_proj", "k_proj", "v_proj")
    projection = torch.cat([cast(f"self_attn.{name}.weight") for name in names])
    qkv = (h @ projection.T).view(batch, length, -1, dim)
    kv = (qkv.shape[2] - shape.heads) // (len(names) - 1)
    q, raw_k, *v = qkv.split([shape.heads] + [kv] * (len(names) - 1), 2)
    q = Rotate.apply(norm(q, "self_attn.q_norm"), cos, sin).to(dtype)
    k = Rotate.apply(norm(raw_k, "self_attn.k_norm"), cos, sin).to(dtype)
    v = rms(v[0] if v else raw_k, shape.eps).to(dtype)
    attention = (global_attention if is_global else sliding_attention)(q, k, v, bias)
    x = x + norm(attention @ cast("self_attn.o_proj.weight").T, "post_attention_layernorm")

    h = norm(x, "pre_feedforward_layernorm").to(dtype)
    gate, up = (h @ torch.cat((cast("mlp.gate_proj.weight"), cast("mlp.up_proj.weight"))).T).chunk(2, -1)
    dense = gelu_product(gate, up) @ cast("mlp.down_proj.weight").T
    index, gates, balance, load = route(x, w, shape)
    h = norm(x, "pre_feedforward_layernorm_2").to(dtype)
    sparse = experts_sparse(h, index, gates, cast("experts.gate_up_proj"), cast("experts.down_proj"))
    both = norm(dense, "post_feedforward_layernorm_1") + norm(sparse, "post_feedforward_layernorm_2")
    x = (x + norm(both, "post_feedforward_layernorm")) * w["layer_scalar"]
    return x.view(batch, length, hidden), balance, load


def loss_chunk(raw, targets, weights, softcap):
    """raw logits [rows, vocab], weights summing to one over all rows -> loss of the chunk, its gradient by the raw logits."""
    tanh = torch.tanh(raw.float() / softcap)
    capped = tanh * softcap
    log_p = capped - capped.logsumexp(-1, keepdim=True)
    hit = torch.arange(raw.shape[1]) == targets[:, None]
    loss = -(torch.where(hit, log_p, 0.0).sum(-1) * weights).sum()
    grad = (log_p.exp() - hit.float()) * weights[:, None] * (1 - tanh * tanh)
    return loss, grad.to(raw.dtype)


class HeadLoss(torch.autograd.Function):
    """Weighted mean cross-entropy of the tied head; gradients come with the forward pass, so that no logits are kept."""

    @staticmethod
    def forward(ctx, h, embedding, targets, weights, softcap, chunk_loss):
        weights = weights / weights.sum()
        loss = torch.zeros(())
        grad_h = torch.empty_like(h)
        grad_embedding = torch.zeros(embedding.shape)
        for begin in range(0, h.shape[0], HEAD_CHUNK):
            part = slice(begin, begin + HEAD_CHUNK)
            chunk, grad = chunk_loss(h[part] @ embedding.T, targets[part], weights[part], softcap)
            loss += chunk
            grad_h[part] = grad @ embedding
            grad_embedding += grad.T @ h[part]
        ctx.save_for_backward(grad_h, grad_embedding)
        return loss

    @staticmethod
    def backward(ctx, grad):
        grad_h, grad_embedding = ctx.saved_tensors
        return grad_h * grad, grad_embedding * grad, None, None, None, None


class Network(nn.Module):
    """compiled=False and dtype=torch.float32 are for comparison with transformers."""

    def __init__(self, shape=Shape(), dtype=torch.bfloat16, compiled=True):
        super().__init__()
        self.shape, self.dtype = shape, dtype
        self.model = Body(shape)
        self.initialise()
        # Weights are arguments, so that one compilation serves all layers of a kind.
        build = (lambda f: torch.compile(f, dynamic=False, fullgraph=True)) if compiled else lambda f: f
        self.layer_forward, self.chunk_loss = build(layer_forward), build(loss_chunk)

    @torch.no_grad()
    def initialise(self):
        for name, p in self.model.named_parameters():
            if name.endswith(("embed_tokens.weight", "router.proj.weight")):
                p.normal_(0, self.shape.hidden ** -0.5)
            elif name.endswith("router.scale"):
                # The reference divides by sqrt(hidden) and proj makes logits of std one out of a normed input.
                p.fill_(0.7 * self.shape.hidden ** 0.5)
            elif name.endswith(("q_norm.weight", "k_norm.weight")):
                p.fill_(p.shape[0] ** -0.25)  # together they make the usual 1/sqrt(head_dim), which the reference lacks
            elif p.dim() >= 2:
                p.normal_(0, p.shape[-1] ** -0.5)

    def sliding_bias(self, segments):
        """[blocks, window, 2 * window]: a block of queries against the block before it and itself."""
        batch, length = segments.shape
        window = self.shape.window
        document = (segments.long() + (torch.arange(batch) << 32)[:, None]).view(-1, window)
        position = torch.arange(batch * length).view(-1, window)
        with_previous = lambda t: torch.cat((t.roll(1, 0), t), 1)
        distance = position[:, :, None] - with_previous(position)[:, None]
        return as_bias((document[:, :, None] == with_previous(document)[:, None]) & (distance >= 0) & (distance < window))

    def global_bias(self, segments):
        """[B, S, S]"""
        position = torch.arange(segments.shape[1])
        return as_bias((segments[:, :, None] == segments[:, None]) & (position[:, None] >= position))

    def hidden_states(self, tokens, segments):
        """-> [B, S, hidden] before the last norm, balance loss, load [layers, experts]."""
        shape, length = self.shape, tokens.shape[1]
        sliding = *rotary(shape.head_dim, 1.0, shape.theta, length), self.sliding_bias(segments)
        globals_ = *rotary(shape.global_head_dim, shape.rotary_share, shape.global_theta, length), self.global_bias(segments)
        scale = torch.tensor(shape.hidden ** 0.5, dtype=self.dtype).float()  # rounded as transformers rounds it
        x = F.embedding(tokens, self.model.embed_tokens.weight) * scale
        balance, load = [], []
        for i, layer in enumerate(self.model.layers):
            cos, sin, bias = globals_ if shape.is_global(i) else sliding
            weights = dict(layer.named_parameters())
            x, layer_balance, layer_load = self.layer_forward(x, cos, sin, bias, weights, shape, shape.is_global(i), self.dtype)
            balance.append(layer_balance)
            load.append(layer_load)
        return x, torch.stack(balance).mean(), torch.stack(load).detach()

    def forward(self, tokens, segments, rows, targets, weights):
        x, balance, load = self.hidden_states(tokens, segments)
        x = x.view(-1, self.shape.hidden).index_select(0, rows)
        h = rms(x, self.shape.eps, self.model.norm.weight).to(self.dtype)
        embedding = self.model.embed_tokens.weight.to(self.dtype)
        return HeadLoss.apply(h, embedding, targets, weights, self.shape.softcap, self.chunk_loss), balance, load

    @torch.no_grad()
    def logits(self, tokens, segments):
        """[B, S, vocab], for tests."""
        x, _, _ = self.hidden_states(tokens, segments)
        h = rms(x, self.shape.eps, self.model.norm.weight).to(self.dtype)
        raw = h @ self.model.embed_tokens.weight.to(self.dtype).T
        return torch.tanh(raw.float() / self.shape.softcap) * self.shape.softcap


def to_transformers(network):
    from transformers.models.gemma4 import Gemma4ForCausalLM
    model = Gemma4ForCausalLM(network.shape.config())
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state, strict=True)
    return model.eval()
