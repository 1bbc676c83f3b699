"""Image models of timm, one or two a family."""

from functools import partial

from .row import Architecture, images, prepared


def named(name, size=64, **values):
    return Architecture("timm", name, partial(made, name, size, values))


def made(name, size, values):
    import timm

    return prepared(timm.create_model(name, pretrained=False, num_classes=10, **values)), [((images(2, size),), {})]


ALL = (
    named("beit_base_patch16_224", 32, img_size=32, embed_dim=48, depth=2, num_heads=4),
    named("cait_xxs24_224", 32, img_size=32, depth=2),
    named("coat_lite_tiny", img_size=64),
    named("convmixer_768_32", 32),
    named("convnext_atto", 32),
    named("crossvit_tiny_240", 240),
    named("cspresnet50"),
    named("davit_tiny", depths=(1, 1, 1, 1), embed_dims=(16, 32, 48, 64), num_heads=(1, 2, 3, 4)),
    named("deit_tiny_patch16_224", 32, img_size=32, depth=2),
    named("dla34"),
    named("eca_nfnet_l0", 32),
    named("edgenext_xx_small"),
    named("efficientformerv2_s0", 224),
    named("efficientnet_lite0"),
    named("eva02_tiny_patch14_224", 28, img_size=28, depth=2),
    named("fastvit_t8"),
    named("gcvit_xxtiny", 224),
    named("ghostnet_050"),
    named("gmixer_12_224", img_size=64),
    named("gmlp_ti16_224", img_size=64),
    named("hrnet_w18_small"),
    named("inception_next_atto"),
    named("lambda_resnet26t", 128),
    named("lcnet_050"),
    named("levit_128s", 224),
    named("maxvit_rmlp_pico_rw_256", 64, img_size=64),
    named("mixer_s32_224", img_size=64),
    named("mobilenetv4_conv_small"),
    named("mobileone_s0"),
    named("mobilevitv2_050"),
    named("nfnet_l0", 32),
    named("pit_ti_224", 224),
    named("poolformer_s12"),
    named("pvt_v2_b0"),
    named("regnetz_b16"),
    named("repvgg_a0"),
    named("repvit_m0_9"),
    named("res2net50_14w_8s", 32),
    named("resmlp_12_224", img_size=64),
    named("resnest14d"),
    named("resnetv2_50", 32),
    named("rexnet_100"),
    named(
        "sequencer2d_s", 32, img_size=32, layers=(1, 1, 1, 1), embed_dims=(32, 32, 32, 32), hidden_sizes=(8, 16, 16, 16)
    ),
    named("skresnet18"),
    named(
        "swin_tiny_patch4_window7_224", 32, img_size=32, window_size=4, depths=(2, 2), num_heads=(3, 6), embed_dim=24
    ),
    named("swinv2_cr_tiny_224", 32, img_size=32, window_size=4, depths=(2, 2), num_heads=(3, 6), embed_dim=24),
    named("tf_efficientnet_b0"),
    named("tinynet_e"),
    named("tnt_s_legacy_patch16_224", 224, depth=2),
    named("vit_tiny_patch16_224", 32, img_size=32, depth=2),
    named("volo_d1_224", 32, img_size=32),
    named("vovnet39a", 32),
    named("xcit_nano_12_p16_224", 32, img_size=32, depth=2),
)
