"""Models of transformers that take text and images."""

from functools import partial

from .huggingface import TEXT, VISION, build
from .row import Architecture, images, padding, tokens

PROJECTED = {"projection_dim": 32}


def row(name, make, *arguments, **values):
    return Architecture("multimodal", name, partial(make, *arguments, **values))


def two_towers(model_class, text=None, vision=None, length=12, **config):
    model = build(
        model_class, text_config={**TEXT, **(text or {})}, vision_config={**VISION, **(vision or {})}, **config
    )
    return model, [
        ((), {"input_ids": tokens(2, length), "attention_mask": padding(2, length), "pixel_values": images(2)})
    ]


def text_tower(model_class, **config):
    return build(model_class, **{**TEXT, **config}), [((), {"input_ids": tokens(2), "attention_mask": padding(2)})]


def vision_tower(model_class, **config):
    return build(model_class, **{**VISION, **config}), [((), {"pixel_values": images(2)})]


def image_tokens_in_text(model_class, **config):
    """A language model in whose prompt the image stands as 16 tokens."""
    model = build(
        model_class,
        text_config={**TEXT, "model_type": "llama", "num_key_value_heads": 2},
        vision_config={**VISION, "model_type": "clip_vision_model", "projection_dim": 32},
        image_token_id=95,
        image_token_index=95,
        **config,
    )
    ids = tokens(1, 24)
    ids[ids == 95] = 5
    ids[:, 2:18] = 95
    return model, [((), {"input_ids": ids, "pixel_values": images(1), "use_cache": False})]


def one_stream():
    return build("ViltModel", **TEXT, image_size=32, patch_size=8), [
        ((), {"input_ids": tokens(2), "attention_mask": padding(2), "pixel_values": images(2)})
    ]


def segmented_by_text():
    model, calls = two_towers(
        "CLIPSegForImageSegmentation", PROJECTED, PROJECTED, extract_layers=[0, 1], reduce_dim=16, **PROJECTED
    )
    return model, calls


ALL = (
    row("align text", text_tower, "AlignTextModel"),
    row("altclip text", text_tower, "AltCLIPTextModel", max_position_embeddings=66, pad_token_id=1, project_dim=32),
    row("blip", two_towers, "BlipModel", {"encoder_hidden_size": 64}, **PROJECTED),
    row("blip text", text_tower, "BlipTextModel", encoder_hidden_size=64),
    row("blip vision", vision_tower, "BlipVisionModel"),
    row("blip_2 q-former", vision_tower, "Blip2VisionModel"),
    row("chinese_clip", two_towers, "ChineseCLIPModel", **PROJECTED),
    row("clip", two_towers, "CLIPModel", PROJECTED, PROJECTED, **PROJECTED),
    row("clip text", text_tower, "CLIPTextModelWithProjection", projection_dim=32),
    row("clipseg", segmented_by_text),
    row("flava text", text_tower, "FlavaTextModel"),
    row("groupvit text", text_tower, "GroupViTTextModel"),
    row("llava", image_tokens_in_text, "LlavaForConditionalGeneration", vision_feature_layer=-1),
    row("owlvit text", text_tower, "OwlViTTextModel", max_position_embeddings=16),
    row("siglip", two_towers, "SiglipModel"),
    row("siglip text", text_tower, "SiglipTextModel"),
    row("vilt", one_stream),
)
