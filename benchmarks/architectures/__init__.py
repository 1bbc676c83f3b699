"""Real architectures with random weights, small enough for a survey: a row a model, a file a family. No network."""

import argparse

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


def arguments(description):
    """A parser with the options that choose rows."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help="the architectures whose name contains one of these")
    parser.add_argument("--family", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--json", help="a file that receives all that is known of each")
    return parser


def chosen_rows(chosen):
    """The rows that these parsed arguments choose."""
    rows = [row for row in ALL if row.family in chosen.family]
    return [row for row in rows if not chosen.only or any(part in row.name for part in chosen.only)]
