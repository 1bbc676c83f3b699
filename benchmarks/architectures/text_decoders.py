"""Text decoders of transformers: a plain call, and with a cache a prefill followed by one decoded token."""

from functools import partial

from .huggingface import TEXT, build, state_after
from .row import Architecture, tokens

PROMPT = 8
GPT = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64, "n_ctx": 64}
EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
LATENT = {"kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16}
GROUPED = {"num_key_value_heads": 2, "head_dim": 16}


def decoder(name, model_class, state="past_key_values", **config):
    """The rows of one decoder; `state` is the result that the next call takes, None when it takes none."""
    config = {**TEXT, **config}
    rows = [Architecture("text decoders", name, partial(plain, model_class, config))]
    if state:
        rows.append(Architecture("cached decoding", name + " cached", partial(cached, model_class, config, state)))
    return rows


def plain(model_class, config):
    model = build(model_class, **config, use_cache=False)
    return model, [((), {"input_ids": tokens(2, PROMPT)})]


def cached(model_class, config, state):
    model = build(model_class, **config)
    prefill = {"input_ids": tokens(1, PROMPT), "use_cache": True}
    decode = {"input_ids": tokens(1, 1), "use_cache": True, state: state_after(model, state, **prefill)}
    return model, [((), prefill), ((), decode)]


ROWS = (
    decoder("biogpt", "BioGptForCausalLM"),
    decoder("bloom", "BloomForCausalLM", n_layer=2, n_head=4),
    decoder("codegen", "CodeGenForCausalLM", **GPT, rotary_dim=8),
    decoder("cohere", "CohereForCausalLM", **GROUPED),
    decoder("cohere2", "Cohere2ForCausalLM", **GROUPED, sliding_window=4),
    decoder("ctrl", "CTRLLMHeadModel", **GPT, dff=96),
    decoder("deepseek_v3", "DeepseekV3ForCausalLM", **LATENT, n_routed_experts=4, num_experts_per_tok=2, n_group=2,
            topk_group=1, first_k_dense_replace=1, moe_intermediate_size=32, num_key_value_heads=4),
    decoder("falcon", "FalconForCausalLM"),
    decoder("falcon alibi", "FalconForCausalLM", alibi=True, new_decoder_architecture=True, num_kv_heads=2),
    decoder("gemma", "GemmaForCausalLM", **GROUPED),
    decoder("gemma2", "Gemma2ForCausalLM", **GROUPED, sliding_window=4),
    decoder("gemma3", "Gemma3ForCausalLM", **GROUPED, sliding_window=4, layer_types=["sliding_attention", "full_attention"]),
    decoder("glm4", "Glm4ForCausalLM", **GROUPED),
    decoder("gpt2", "GPT2LMHeadModel", **GPT),
    decoder("gpt_bigcode", "GPTBigCodeForCausalLM", **GPT),
    decoder("gpt_neo", "GPTNeoForCausalLM", num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=4),
    decoder("gpt_neox", "GPTNeoXForCausalLM"),
    decoder("gpt_oss", "GptOssForCausalLM", **GROUPED, **EXPERTS, sliding_window=4),
    decoder("gptj", "GPTJForCausalLM", **GPT, rotary_dim=8),
    decoder("granite", "GraniteForCausalLM", **GROUPED),
    decoder("granitemoe", "GraniteMoeForCausalLM", **GROUPED, **EXPERTS),
    decoder("helium", "HeliumForCausalLM", **GROUPED),
    decoder("llama", "LlamaForCausalLM", **GROUPED),
    decoder("llama eager attention", "LlamaForCausalLM", **GROUPED, attn_implementation="eager"),
    decoder("mamba", "MambaForCausalLM", state="cache_params", state_size=8, time_step_rank=4),
    decoder("mamba2", "Mamba2ForCausalLM", state="cache_params", state_size=8, num_heads=8, head_dim=16, n_groups=1, chunk_size=4),
    decoder("mistral", "MistralForCausalLM", **GROUPED, sliding_window=4),
    decoder("mixtral", "MixtralForCausalLM", **GROUPED, **EXPERTS),
    decoder("mpt", "MptForCausalLM", d_model=64, n_heads=4, n_layers=2, max_seq_len=64, expansion_ratio=2),
    decoder("nemotron", "NemotronForCausalLM", **GROUPED),
    decoder("olmo", "OlmoForCausalLM", num_key_value_heads=2),
    decoder("olmo2", "Olmo2ForCausalLM", num_key_value_heads=2),
    decoder("olmoe", "OlmoeForCausalLM", num_key_value_heads=2, **EXPERTS),
    decoder("openai_gpt", "OpenAIGPTLMHeadModel", state=None, **GPT),
    decoder("opt", "OPTForCausalLM", ffn_dim=96, word_embed_proj_dim=64),
    decoder("persimmon", "PersimmonForCausalLM"),
    decoder("phi", "PhiForCausalLM", num_key_value_heads=2),
    decoder("phi3", "Phi3ForCausalLM", num_key_value_heads=2),
    decoder("qwen2", "Qwen2ForCausalLM", num_key_value_heads=2),
    decoder("qwen2_moe", "Qwen2MoeForCausalLM", num_key_value_heads=2, **EXPERTS, shared_expert_intermediate_size=32),
    decoder("qwen3", "Qwen3ForCausalLM", **GROUPED),
    decoder("qwen3_moe", "Qwen3MoeForCausalLM", **GROUPED, **EXPERTS),
    decoder("rwkv", "RwkvForCausalLM", state="state", attention_hidden_size=64),
    decoder("smollm3", "SmolLM3ForCausalLM", num_key_value_heads=2),
    decoder("stablelm", "StableLmForCausalLM", num_key_value_heads=2),
    decoder("starcoder2", "Starcoder2ForCausalLM", num_key_value_heads=2),
    decoder("xglm", "XGLMForCausalLM", d_model=64, ffn_dim=96, num_layers=2, attention_heads=4),
)  # fmt: skip
ALL = tuple(row for rows in ROWS for row in rows)
