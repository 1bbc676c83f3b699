"""Vision models of transformers: transformers over patches, pyramids, convolutional networks, detection and segmentation."""

from functools import partial

from .huggingface import PYRAMID, VISION, build, config_of
from .row import Architecture, images

SWIN = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4, "image_size": 32, "patch_size": 4}


def row(name, model_class, size=32, shared=VISION, **config):
    return Architecture("vision", name, partial(made, model_class, size, shared, config))


def made(model_class, size, shared, config):
    values = {key: value() if callable(value) else value for key, value in {**shared, **config}.items()}
    return build(model_class, **values), [((), {"pixel_values": images(2, size)})]


def video(name, model_class, **config):
    return Architecture("vision", name, partial(made_for_video, model_class, {**VISION, **config}))


def made_for_video(model_class, config):
    return build(model_class, **config), [((), {"pixel_values": images(4).view(1, 4, 3, 32, 32)})]


def small_resnet():
    return config_of("ResNetConfig", embedding_size=16, out_features=["stage4"], layer_type="basic", **PYRAMID)


ALL = (
    row("beit", "BeitModel", use_relative_position_bias=True),
    row("bit", "BitModel", shared=PYRAMID, embedding_size=16, num_groups=4),
    row("clip vision", "CLIPVisionModel"),
    row("convnext", "ConvNextModel", shared=PYRAMID),
    row("convnextv2", "ConvNextV2Model", shared=PYRAMID),
    row("cvt", "CvtModel", shared={}, embed_dim=[16, 32, 32], num_heads=[1, 2, 2], depth=[1, 2, 3]),
    row("data2vec vision", "Data2VecVisionModel"),
    row("deit", "DeiTModel"),
    row("detr", "DetrForObjectDetection", size=64, shared={}, backbone_config=small_resnet, use_timm_backbone=False,
        backbone=None, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=6),
    row("dinov2", "Dinov2Model"),
    row("dinov3", "DINOv3ViTModel"),
    row("dpt", "DPTForDepthEstimation", num_hidden_layers=4, neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16,
        backbone_out_indices=[0, 1, 2, 3], reassemble_factors=[4, 2, 1, 0.5]),
    row("efficientnet", "EfficientNetModel", shared={}, width_coefficient=0.25, depth_coefficient=0.25, hidden_dim=320),
    row("focalnet", "FocalNetModel", shared={}, image_size=32, embed_dim=16, depths=[1, 1], hidden_sizes=[16, 32],
        focal_levels=[1, 1], focal_windows=[3, 3]),
    row("glpn", "GLPNForDepthEstimation", size=64, shared=PYRAMID, decoder_hidden_size=16, num_attention_heads=[1, 2, 2, 2]),
    row("hiera", "HieraModel", size=64, shared={}, image_size=[64, 64], embed_dim=16, depths=[1, 1, 1], num_heads=[1, 2, 2],
        embed_dim_multiplier=2.0, num_query_pool=2),
    row("ijepa", "IJepaModel"),
    row("levit", "LevitModel", size=64, shared={}, image_size=64, hidden_sizes=[16, 32, 32], num_attention_heads=[2, 2, 2],
        depths=[1, 1, 1], key_dim=[8, 8, 8]),
    row("mask2former", "Mask2FormerModel", size=64, shared={}, hidden_dim=32, mask_feature_size=32, feature_size=32,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, encoder_feedforward_dim=32, dim_feedforward=32,
        num_queries=6, backbone_config=lambda: config_of("SwinConfig", **{**SWIN, "depths": [1, 1, 1, 1],
        "num_heads": [2, 2, 2, 2]}, out_features=["stage1", "stage2", "stage3", "stage4"])),
    row("mobilenet_v1", "MobileNetV1Model", shared={}, depth_multiplier=0.25),
    row("mobilenet_v2", "MobileNetV2Model", shared={}, depth_multiplier=0.25),
    row("mobilevit", "MobileViTModel", size=64, shared={}, image_size=64, hidden_sizes=[16, 24, 32],
        neck_hidden_sizes=[8, 8, 16, 16, 24, 32, 32]),
    row("poolformer", "PoolFormerModel", shared=PYRAMID, num_encoder_blocks=4),
    row("pvt", "PvtModel", size=64, shared={}, image_size=64, hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2]),
    row("pvt_v2", "PvtV2Model", size=64, shared={}, image_size=64, hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2]),
    row("regnet", "RegNetModel", shared=PYRAMID, embedding_size=16, groups_width=8),
    row("resnet", "ResNetModel", shared=PYRAMID, embedding_size=16),
    row("segformer", "SegformerForSemanticSegmentation", size=64, shared=PYRAMID, num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16),
    row("siglip vision", "SiglipVisionModel"),
    row("swiftformer", "SwiftFormerModel", shared={}, depths=[1, 1, 1, 1], embed_dims=[16, 16, 32, 32]),
    row("swin", "SwinModel", shared=SWIN),
    row("swin2sr", "Swin2SRForImageSuperResolution", shared={**SWIN, "patch_size": 1}, upscale=2),
    row("swinv2", "Swinv2Model", shared=SWIN),
    video("timesformer", "TimesformerModel", num_frames=4),
    row("upernet", "UperNetForSemanticSegmentation", size=64, shared={}, hidden_size=16, use_auxiliary_head=False,
        backbone_config=lambda: config_of("ConvNextConfig", **PYRAMID,
        out_features=["stage1", "stage2", "stage3", "stage4"])),
    video("videomae", "VideoMAEModel", num_frames=4),
    row("vit", "ViTModel"),
    row("vit eager attention", "ViTModel", attn_implementation="eager"),
    row("vit_msn", "ViTMSNModel"),
    row("vitdet", "VitDetModel", pretrain_image_size=32, window_size=2, window_block_indices=[0]),
    row("yolos", "YolosForObjectDetection", image_size=[32, 32], num_detection_tokens=4),
)  # fmt: skip
