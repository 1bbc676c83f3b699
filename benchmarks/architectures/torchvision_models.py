"""Models of torchvision: classification, segmentation, detection, video."""

from functools import partial

from .row import Architecture, images, numbers, prepared

SIZE = 64


def named(name, size=SIZE, **values):
    return Architecture("torchvision", name, partial(from_registry, name, size, values))


def from_registry(name, size, values):
    return registered(name, **values), [((images(2, size),), {})]


def registered(name, **values):
    from torchvision.models import get_model

    return prepared(get_model(name, weights=None, **{"num_classes": 10, **values}))


def segmentation(name):
    return Architecture("torchvision", name, partial(from_registry, name, SIZE, {"weights_backbone": None}))


def detection(name, **values):
    return Architecture("torchvision", name, partial(detector, name, values))


def detector(name, values):
    return registered(name, weights_backbone=None, **values), [(([images(1, SIZE)[0]],), {})]


def video(name):
    return Architecture("torchvision", name, partial(from_video, name))


def from_video(name):
    return registered(name), [((numbers(1, 3, 4, 32, 32),), {})]


def vit():
    from torchvision.models import VisionTransformer

    model = VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64)
    return prepared(model), [((images(2),), {})]


def swin(version):
    from torchvision.models import swin_transformer as family

    block = {"swin": family.SwinTransformerBlock, "swin_v2": family.SwinTransformerBlockV2}[version]
    merging = {"swin": family.PatchMerging, "swin_v2": family.PatchMergingV2}[version]
    model = family.SwinTransformer(
        patch_size=[4, 4], embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=[4, 4], stochastic_depth_prob=0.0,
        num_classes=10, block=block, downsample_layer=merging,
    )  # fmt: skip
    return prepared(model), [((images(2, SIZE),), {})]


def maxvit():
    from torchvision.models import MaxVit

    model = MaxVit(
        input_size=(SIZE, SIZE), stem_channels=16, partition_size=4, block_channels=[16, 32], block_layers=[1, 1],
        head_dim=16, stochastic_depth_prob=0.0, num_classes=10,
    )  # fmt: skip
    return prepared(model), [((images(1, SIZE),), {})]


ALL = (
    named("alexnet"),
    named("convnext_tiny", 32),
    named("densenet121", 32),
    named("efficientnet_b0", 32),
    named("efficientnet_v2_s", 32),
    named("googlenet", init_weights=False, aux_logits=False),
    named("inception_v3", 96, init_weights=False),
    Architecture("torchvision", "maxvit", maxvit),
    named("mnasnet0_5"),
    named("mobilenet_v2"),
    named("mobilenet_v3_large"),
    named("mobilenet_v3_small"),
    named("regnet_x_400mf"),
    named("regnet_y_400mf"),
    named("resnet18"),
    named("resnet50"),
    named("resnext50_32x4d"),
    named("shufflenet_v2_x0_5"),
    named("squeezenet1_0"),
    named("squeezenet1_1"),
    Architecture("torchvision", "swin", partial(swin, "swin")),
    Architecture("torchvision", "swin_v2", partial(swin, "swin_v2")),
    named("vgg11", 32),
    named("vgg11_bn", 32),
    Architecture("torchvision", "vit", vit),
    named("wide_resnet50_2", 32),
    segmentation("deeplabv3_mobilenet_v3_large"),
    segmentation("fcn_resnet50"),
    segmentation("lraspp_mobilenet_v3_large"),
    detection("fasterrcnn_mobilenet_v3_large_320_fpn", min_size=SIZE, max_size=SIZE),
    detection("fcos_resnet50_fpn", min_size=SIZE, max_size=SIZE),
    detection("maskrcnn_resnet50_fpn", min_size=SIZE, max_size=SIZE),
    detection("retinanet_resnet50_fpn", min_size=SIZE, max_size=SIZE),
    detection("ssdlite320_mobilenet_v3_large"),
    video("mc3_18"),
    video("r2plus1d_18"),
    video("r3d_18"),
)
