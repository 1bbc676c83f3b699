"""Models of the transformers library from configs written in code, and what their configs have in common."""

import os

import torch

from .row import VOCABULARY, prepared

os.environ.setdefault("HF_HUB_OFFLINE", "1")

SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    **SPECIAL,
}
VISION = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
PYRAMID = {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 16, 32, 32]}


def build(name, **config):
    """The model class of this name, with a config of its own kind."""
    import transformers

    model_class = getattr(transformers, name)
    return prepared(model_class(model_class.config_class(**config)))


def config_of(name, **values):
    import transformers

    return getattr(transformers, name)(**values)


def state_after(model, field, **inputs):
    """What a call of the model leaves behind for the next one: its key-value cache or recurrent state."""
    with torch.no_grad():
        return model(**inputs)[field]
