"""Networks in plain torch.nn: recurrent, convolutional, attention, tables of embeddings, graphs."""

import math
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from .row import Architecture, images, numbers, prepared, tokens


def row(name, make, *inputs, **kwargs):
    """`make` gives the module, `inputs` are functions that give the arguments."""
    return Architecture("plain", name, partial(made, make, inputs, kwargs))


def made(make, inputs, kwargs):
    args = tuple(give() for give in inputs)
    return prepared(make()), [(args, {name: give() for name, give in kwargs.items()})]


class UNet(nn.Module):
    """Two levels with skip connections, upsampling by transposed convolutions."""

    def __init__(self, width=8):
        super().__init__()
        self.down = nn.ModuleList([self.block(3, width), self.block(width, 2 * width)])
        self.middle = self.block(2 * width, 4 * width)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * n, n, 2, 2) for n in (2 * width, width))
        self.join = nn.ModuleList(self.block(2 * n, n) for n in (2 * width, width))
        self.head = nn.Conv2d(width, 2, 1)

    @staticmethod
    def block(inputs, outputs):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    def forward(self, x):
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.middle(x)
        for up, join in zip(self.up, self.join):
            x = join(torch.cat([up(x), skips.pop()], 1))
        return self.head(x)


class DiffusionUNet(nn.Module):
    """A level of a denoising U-Net: sinusoids of the time step, residual blocks, attention over pixels."""

    def __init__(self, width=16):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(width, 32), nn.SiLU(), nn.Linear(32, 32))
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.first, self.second = ResidualBlock(width, width), ResidualBlock(2 * width, width)
        self.down, self.up = nn.Conv2d(width, width, 3, 2, 1), nn.Conv2d(width, width, 3, padding=1)
        self.norm, self.attention = nn.GroupNorm(4, width), nn.MultiheadAttention(width, 2, batch_first=True)
        self.head = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x, step):
        half = self.stem.out_channels // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half) / half)
        angles = step[:, None].float() * frequencies[None]
        time = self.time(torch.cat([angles.cos(), angles.sin()], dim=-1))
        skip = self.first(self.stem(x), time)
        x = self.down(skip)
        pixels = self.norm(x).flatten(2).transpose(1, 2)
        attended = self.attention(pixels, pixels, pixels, need_weights=False)[0]
        x = x + attended.transpose(1, 2).reshape(x.shape)
        x = self.up(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.head(self.second(torch.cat([x, skip], 1), time))


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(4, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(4, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.time = nn.Linear(32, 2 * outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, time):
        scale, shift = self.time(F.silu(time))[:, :, None, None].chunk(2, dim=1)
        hidden = self.norm2(self.conv1(F.silu(self.norm1(x)))) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(hidden))


class Recommender(nn.Module):
    """A bag of embeddings a category, an MLP over the numbers, their dot products (DLRM)."""

    def __init__(self, categories=3, width=16):
        super().__init__()
        self.bags = nn.ModuleList(nn.EmbeddingBag(96, width, mode="sum") for _ in range(categories))
        self.bottom = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, width), nn.ReLU())
        self.top = nn.Sequential(nn.Linear(width + 6, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, values, ids, offsets):
        dense = self.bottom(values)
        features = torch.stack([dense] + [bag(ids, offsets) for bag in self.bags], dim=1)
        products = features @ features.transpose(1, 2)
        rows, columns = torch.tril_indices(products.shape[1], products.shape[2], offset=-1)
        return torch.sigmoid(self.top(torch.cat([dense, products[:, rows, columns]], dim=1)))


class Detector(nn.Module):
    """A head whose number of boxes depends on the scores."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU())
        self.scores, self.boxes = nn.Conv2d(16, 1, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x):
        features = self.backbone(x)
        scores = self.scores(features).flatten(1).sigmoid()
        boxes = self.boxes(features).flatten(2).transpose(1, 2)
        found = torch.nonzero(scores > scores.mean(), as_tuple=True)
        return boxes[found], scores[found]


class GraphConvolution(nn.Module):
    """Messages along edges, summed by index_add, their mean by scatter_add."""

    def __init__(self, width=16):
        super().__init__()
        self.message, self.update = nn.Linear(2 * width, width), nn.GRUCell(width, width)

    def forward(self, nodes, edges):
        source, target = edges
        messages = torch.relu(self.message(torch.cat([nodes[source], nodes[target]], dim=1)))
        summed = torch.zeros_like(nodes).index_add_(0, target, messages)
        degree = torch.zeros(len(nodes)).scatter_add_(0, target, torch.ones(len(target)))
        return self.update(summed / degree.clamp(min=1)[:, None], nodes)


class Tagger(nn.Module):
    """A recurrent network over embedded tokens."""

    def __init__(self, recurrent):
        super().__init__()
        self.embed, self.recurrent = nn.Embedding(96, 16), recurrent
        self.head = nn.LazyLinear(5)
        self(tokens())

    def forward(self, ids):
        hidden, state = self.recurrent(self.embed(ids))
        return self.head(hidden), state


class SlotDecoder(nn.Module):
    """An LSTM cell stepped in Python, each step attending to the memory."""

    def __init__(self, width=24):
        super().__init__()
        self.start, self.cell = nn.Linear(width, width), nn.LSTMCell(2 * width, width)
        self.query, self.head = nn.Linear(width, width), nn.Linear(width, 10)

    def forward(self, memory):
        hidden, state = torch.tanh(self.start(memory[:, 0])), torch.zeros_like(memory[:, 0])
        outputs = []
        for _ in range(5):
            weights = torch.softmax((memory @ self.query(hidden)[:, :, None])[..., 0], dim=1)
            context = (weights[:, :, None] * memory).sum(1)
            hidden, state = self.cell(torch.cat([hidden, context], 1), (hidden, state))
            outputs.append(self.head(hidden))
        return torch.stack(outputs, 1)


class VariationalAutoencoder(nn.Module):
    """Its sample is drawn in every call, in eval mode too."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16))
        self.decode = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64), nn.Sigmoid())

    def forward(self, x):
        mean, log_variance = self.encode(x).chunk(2, dim=-1)
        return self.decode(mean + torch.randn_like(mean) * torch.exp(log_variance / 2)), mean, log_variance


class WaveNet(nn.Module):
    """Gated dilated convolutions with residual and skip paths."""

    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv1d(1, width, 1)
        self.gates = nn.ModuleList(nn.Conv1d(width, 2 * width, 2, dilation=2**i) for i in range(4))
        self.mixes = nn.ModuleList(nn.Conv1d(width, 2 * width, 1) for _ in range(4))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(width, width, 1), nn.ReLU(), nn.Conv1d(width, 8, 1))

    def forward(self, x):
        x, skips = self.stem(x), 0
        for gate, mix in zip(self.gates, self.mixes):
            values, gates = gate(F.pad(x, (gate.dilation[0], 0))).chunk(2, dim=1)
            residual, skip = mix(torch.tanh(values) * torch.sigmoid(gates)).chunk(2, dim=1)
            x, skips = x + residual, skips + skip
        return self.head(skips)


class PointNet(nn.Module):
    """A shared MLP over points, with the most of each feature over all points."""

    def __init__(self):
        super().__init__()
        self.points = nn.Sequential(nn.Conv1d(3, 32, 1), nn.BatchNorm1d(32), nn.ReLU(), nn.Conv1d(32, 64, 1))
        self.head = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 10))

    def forward(self, points):
        return F.log_softmax(self.head(self.points(points.transpose(1, 2)).max(dim=2)[0]), dim=1)


class RadianceField(nn.Module):
    """Positions as sinusoids, an MLP, colours composed along rays."""

    def __init__(self, octaves=4):
        super().__init__()
        self.register_buffer("scales", 2.0 ** torch.arange(octaves))
        self.body = nn.Sequential(nn.Linear(6 * octaves, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, rays):
        angles = (rays[..., None] * self.scales).flatten(-2)
        out = self.body(torch.cat([angles.sin(), angles.cos()], -1))
        colour, opacity = torch.sigmoid(out[..., :3]), 1 - torch.exp(-F.relu(out[..., 3]))
        kept = torch.cumprod(torch.cat([torch.ones_like(opacity[..., :1]), 1 - opacity + 1e-10], -1), -1)[..., :-1]
        return ((opacity * kept)[..., None] * colour).sum(-2)


def autoencoder():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.LeakyReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.LeakyReLU(),
        nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.LeakyReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def mlp():
    return nn.Sequential(
        nn.Linear(32, 64), nn.GELU(), nn.LayerNorm(64), nn.Dropout(0.1), nn.Linear(64, 8), nn.Softmax(-1)
    )


def encoder():
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def nested_encoder():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2)


def decoder():
    return nn.TransformerDecoder(nn.TransformerDecoderLayer(32, 4, 64, batch_first=True), 2)


def edges():
    return torch.stack([tokens(1, 40)[0] % 12, tokens(1, 40)[0] % 11])


ALL = (
    row("attention with weights", partial(nn.MultiheadAttention, 32, 4, batch_first=True),
        *[partial(numbers, 2, 6, 32)] * 3),
    row("autoencoder", autoencoder, images),
    row("bidirectional lstm", lambda: Tagger(nn.LSTM(16, 24, 2, batch_first=True, bidirectional=True)), tokens),
    row("detector with nonzero", Detector, images),
    row("diffusion unet", DiffusionUNet, partial(images, 2, 16), partial(torch.tensor, [3, 70])),
    row("graph convolution", GraphConvolution, partial(numbers, 12, 16), edges),
    row("gru", lambda: Tagger(nn.GRU(16, 24, 2, batch_first=True)), tokens),
    row("lstm", lambda: Tagger(nn.LSTM(16, 24, batch_first=True)), tokens),
    row("lstm cell in a loop", SlotDecoder, partial(numbers, 2, 6, 24)),
    row("mlp", mlp, partial(numbers, 4, 32)),
    row("pointnet", PointNet, partial(numbers, 2, 40, 3)),
    row("radiance field", RadianceField, partial(numbers, 8, 16, 3)),
    row("recommender", Recommender, partial(numbers, 4, 5), lambda: tokens(1, 10)[0], lambda: torch.tensor([0, 2, 5, 9])),
    row("rnn", lambda: Tagger(nn.RNN(16, 24, batch_first=True)), tokens),
    row("transformer", lambda: nn.Transformer(32, 4, 1, 1, 64, batch_first=True), partial(numbers, 2, 6, 32),
        partial(numbers, 2, 5, 32), tgt_mask=lambda: nn.Transformer.generate_square_subsequent_mask(5)),
    row("transformer decoder", decoder, partial(numbers, 2, 5, 32), partial(numbers, 2, 6, 32)),
    row("transformer encoder", encoder, partial(numbers, 2, 6, 32)),
    row("transformer encoder padded", nested_encoder, partial(numbers, 2, 6, 32),
        src_key_padding_mask=lambda: torch.arange(6) > torch.tensor([[5], [3]])),
    row("unet", UNet, images),
    row("variational autoencoder", VariationalAutoencoder, partial(numbers, 4, 64)),
    row("wavenet", WaveNet, partial(numbers, 2, 1, 64)),
)  # fmt: skip
