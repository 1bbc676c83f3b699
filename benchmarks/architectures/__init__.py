"""Real architectures with random weights, small enough for a survey: a row a model, a file a family. No network."""

from . import (
    audio,
    encoder_decoders,
    multimodal,
    plain,
    text_decoders,
    text_encoders,
    timm_models,
    torchvision_models,
    vision,
)

ALL = tuple(
    row
    for family in (
        plain,
        text_encoders,
        text_decoders,
        encoder_decoders,
        vision,
        audio,
        multimodal,
        torchvision_models,
        timm_models,
    )
    for row in family.ALL
)
FAMILIES = tuple(dict.fromkeys(row.family for row in ALL))
