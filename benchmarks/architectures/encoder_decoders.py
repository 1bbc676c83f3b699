"""Encoder-decoders of transformers, called with the tokens of both sides; some with a cache and one decoded token."""

from functools import partial

from .huggingface import SPECIAL, build, state_after
from .row import VOCABULARY, Architecture, padding, tokens

SIDES = {
    "vocab_size": VOCABULARY,
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "max_position_embeddings": 64,
    "decoder_start_token_id": 2,
    **SPECIAL,
}
T5 = {
    "vocab_size": VOCABULARY,
    "d_model": 64,
    "d_kv": 16,
    "d_ff": 96,
    "num_layers": 2,
    "num_heads": 4,
    "decoder_start_token_id": 0,
    **SPECIAL,
}


def row(name, model_class, length=12, caches=False, **config):
    family = "encoder-decoders"
    rows = [Architecture(family, name, partial(plain, model_class, length, config))]
    if caches:
        rows.append(Architecture("cached decoding", name + " cached", partial(cached, model_class, length, config)))
    return rows


def both_sides(length):
    return {
        "input_ids": tokens(2, length),
        "attention_mask": padding(2, length),
        "decoder_input_ids": tokens(2, 6, first=7),
    }


def plain(model_class, length, config):
    return build(model_class, **config), [((), {**both_sides(length), "use_cache": False})]


def cached(model_class, length, config):
    model = build(model_class, **config)
    prefill = {**both_sides(length), "use_cache": True}
    first = model(**prefill)
    decode = {
        "encoder_outputs": (first.encoder_last_hidden_state.detach(),),
        "attention_mask": prefill["attention_mask"],
        "decoder_input_ids": tokens(2, 1, first=7),
        "past_key_values": state_after(model, "past_key_values", **prefill),
        "use_cache": True,
    }
    return model, [((), prefill), ((), decode)]


ROWS = (
    row("bart", "BartForConditionalGeneration", caches=True, **SIDES),
    row("bigbird_pegasus", "BigBirdPegasusModel", attention_type="original_full", **SIDES),
    row("blenderbot", "BlenderbotForConditionalGeneration", **SIDES),
    row("blenderbot_small", "BlenderbotSmallForConditionalGeneration", **SIDES),
    row("fsmt", "FSMTForConditionalGeneration", src_vocab_size=VOCABULARY, tgt_vocab_size=VOCABULARY, **SIDES),
    row("led", "LEDForConditionalGeneration", length=32, attention_window=8, max_encoder_position_embeddings=64, **SIDES),
    row("longt5", "LongT5ForConditionalGeneration", local_radius=4, global_block_size=4, **T5),
    row("m2m_100", "M2M100ForConditionalGeneration", **SIDES),
    row("marian", "MarianMTModel", caches=True, decoder_vocab_size=VOCABULARY, **SIDES),
    row("mbart", "MBartForConditionalGeneration", **SIDES),
    row("mt5", "MT5ForConditionalGeneration", **T5),
    row("nllb_moe", "NllbMoeForConditionalGeneration", num_experts=4, expert_capacity=16, encoder_sparse_step=2,
        decoder_sparse_step=2, **SIDES),
    row("pegasus", "PegasusForConditionalGeneration", **SIDES),
    row("pegasus_x", "PegasusXForConditionalGeneration", length=32, block_size=8, num_global_tokens=4, **SIDES),
    row("plbart", "PLBartForConditionalGeneration", **SIDES),
    row("prophetnet", "ProphetNetForConditionalGeneration", vocab_size=VOCABULARY, hidden_size=64, num_encoder_layers=2,
        num_decoder_layers=2, num_encoder_attention_heads=4, num_decoder_attention_heads=4, encoder_ffn_dim=96,
        decoder_ffn_dim=96, max_position_embeddings=64, **SPECIAL),
    row("switch_transformers", "SwitchTransformersForConditionalGeneration", num_experts=4, num_sparse_encoder_layers=1,
        num_sparse_decoder_layers=1, **T5),
    row("t5", "T5ForConditionalGeneration", caches=True, **T5),
    row("t5 gated", "T5ForConditionalGeneration", feed_forward_proj="gated-gelu", **T5),
    row("umt5", "UMT5ForConditionalGeneration", **T5),
)  # fmt: skip
ALL = tuple(one for rows in ROWS for one in rows)
