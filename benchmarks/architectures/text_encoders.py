"""Text encoders of transformers, called with token ids and a padding mask."""

from functools import partial

from .huggingface import SPECIAL, TEXT, build
from .row import VOCABULARY, Architecture, padding, tokens

WORDS = {"vocab_size": VOCABULARY, **SPECIAL}  # of the models with their own names for sizes
LONG = 32  # of the models that attend within windows and blocks


def encoder(name, model_class, length=12, shared=TEXT, masked=True, **config):
    return Architecture("text encoders", name, partial(made, model_class, length, masked, {**shared, **config}))


def made(model_class, length, masked, config):
    inputs = {"input_ids": tokens(2, length)}
    if masked:
        inputs["attention_mask"] = padding(2, length)
    return build(model_class, **config), [((), inputs)]


ALL = (
    encoder("albert", "AlbertModel", embedding_size=32),
    encoder("bert", "BertModel"),
    encoder("bert eager attention", "BertModel", attn_implementation="eager"),
    encoder("bert for masked words", "BertForMaskedLM"),
    encoder("bert for spans", "BertForQuestionAnswering"),
    encoder("big_bird", "BigBirdModel", length=LONG, attention_type="original_full"),
    encoder("big_bird sparse", "BigBirdModel", length=LONG, block_size=4, num_random_blocks=1),
    encoder("camembert", "CamembertModel"),
    encoder("canine", "CanineModel", max_position_embeddings=256, num_hash_buckets=64, local_transformer_stride=8),
    encoder("convbert", "ConvBertModel", embedding_size=64),
    encoder("deberta", "DebertaModel", relative_attention=True, pos_att_type=["c2p", "p2c"]),
    encoder("deberta_v2", "DebertaV2Model", relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=16),
    encoder("distilbert", "DistilBertModel", dim=64, hidden_dim=96, n_layers=2, n_heads=4),
    encoder("electra", "ElectraModel", embedding_size=32),
    encoder("ernie", "ErnieModel"),
    encoder("esm", "EsmModel", position_embedding_type="rotary", mask_token_id=3),
    encoder("fnet", "FNetModel"),
    encoder("funnel", "FunnelModel", shared=WORDS, d_model=64, d_head=16, n_head=4, d_inner=96, block_sizes=[1, 1]),
    encoder("ibert", "IBertModel"),
    encoder("layoutlm", "LayoutLMModel"),
    encoder("longformer", "LongformerModel", length=LONG, attention_window=8, max_position_embeddings=66),
    encoder("luke", "LukeModel", entity_vocab_size=16, entity_emb_size=16),
    encoder("megatron_bert", "MegatronBertModel"),
    encoder("mobilebert", "MobileBertModel", embedding_size=32, intra_bottleneck_size=32, true_hidden_size=32),
    encoder("modernbert", "ModernBertModel", local_attention=8, global_attn_every_n_layers=2),
    encoder("mpnet", "MPNetModel", pad_token_id=1),
    encoder(
        "nystromformer", "NystromformerModel", length=LONG, masked=False, segment_means_seq_len=LONG, num_landmarks=4
    ),
    encoder("rembert", "RemBertModel", input_embedding_size=32, output_embedding_size=32),
    encoder("roberta", "RobertaModel", max_position_embeddings=66, pad_token_id=1),
    encoder("roformer", "RoFormerModel", embedding_size=64),
    encoder("squeezebert", "SqueezeBertModel", embedding_size=64),
    encoder("xlm", "XLMModel", emb_dim=64, n_layers=2, n_heads=4, n_words=96, max_position_embeddings=64),
    encoder("xlm_roberta", "XLMRobertaModel", max_position_embeddings=66, pad_token_id=1),
    encoder("xlnet", "XLNetModel", shared=WORDS, d_model=64, n_layer=2, n_head=4, d_inner=96),
    encoder("yoso", "YosoModel", length=LONG, use_expectation=True),
)
