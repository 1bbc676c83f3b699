"""Small models with random weights and their inputs: a row a model. No network, no weights from files."""

import dataclasses

import torch
from torch import nn


@dataclasses.dataclass
class Model:
    """`make` gives the module in eval mode, `inputs(size)` keyword or positional arguments for batch `size`."""

    name: str
    make: object
    inputs: object
    whole: bool = False  # must be captured as one entry


def tokens(batch, length=12, vocabulary=96):
    return (torch.arange(batch * length) * 31 % vocabulary).view(batch, length)


def images(batch, size=32):
    return ((torch.arange(batch * 3 * size * size) * 37 % 255) / 128 - 1).view(batch, 3, size, size)


def bert():
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=96,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=32,
    )
    return BertModel(config)


def bert_inputs(batch):
    mask = torch.ones(batch, 12, dtype=torch.int64)
    mask[-1, 8:] = 0
    return {"input_ids": tokens(batch), "attention_mask": mask}


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=96, n_positions=32, n_embd=48, n_layer=2, n_head=4, use_cache=False))


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=96,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        use_cache=False,
    )
    return LlamaForCausalLM(config)


def resnet18():
    from torchvision.models import resnet18

    return resnet18(num_classes=10)


def mobilenet():
    from torchvision.models import mobilenet_v3_small

    return mobilenet_v3_small(num_classes=10)


def vit():
    from torchvision.models import VisionTransformer

    return VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=10
    )


class UNet(nn.Module):
    """Two levels with skip connections."""

    def __init__(self, width=8):
        super().__init__()
        self.down = nn.ModuleList([self.block(3, width), self.block(width, 2 * width)])
        self.middle = self.block(2 * width, 4 * width)
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), nn.ConvTranspose2d(2 * width, width, 2, 2)]
        )
        self.join = nn.ModuleList([self.block(4 * width, 2 * width), self.block(2 * width, width)])
        self.head = nn.Conv2d(width, 2, 1)

    @staticmethod
    def block(inputs, outputs):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(2, outputs), nn.SiLU())

    def forward(self, x):
        kept = []
        for down in self.down:
            x = down(x)
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.middle(x)
        for up, join in zip(self.up, self.join):
            x = join(torch.cat([up(x), kept.pop()], 1))
        return self.head(x)


class Tagger(nn.Module):
    """An LSTM over embedded tokens."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(96, 16)
        self.lstm = nn.LSTM(16, 24, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, 5)

    def forward(self, ids):
        out, state = self.lstm(self.embed(ids))
        return self.head(out), state


def mlp():
    return nn.Sequential(
        nn.Linear(32, 64), nn.GELU(), nn.LayerNorm(64), nn.Dropout(0.1), nn.Linear(64, 8), nn.Softmax(-1)
    )


MODELS = [
    Model("mlp", mlp, lambda batch: (images(batch, 8)[:, 0, :4].reshape(batch, 32),), whole=True),
    Model("bert", bert, bert_inputs, whole=True),
    Model("gpt2", gpt2, lambda batch: {"input_ids": tokens(batch)}, whole=True),
    Model("llama", llama, lambda batch: {"input_ids": tokens(batch)}, whole=True),
    Model("resnet18", resnet18, lambda batch: (images(batch),)),
    Model("mobilenet", mobilenet, lambda batch: (images(batch),)),
    Model("vit", vit, lambda batch: (images(batch),)),
    Model("unet", UNet, lambda batch: (images(batch, 16),)),
    Model("lstm", Tagger, lambda batch: (tokens(batch),)),
]


def made(model):
    """The module with the same random weights every time, none of them zero or one."""
    torch.manual_seed(0)
    module = model.make().eval()
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * 0.05)
    return module


def call(function, inputs):
    return function(**inputs) if isinstance(inputs, dict) else function(*inputs)
