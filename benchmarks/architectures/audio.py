"""Speech and audio models of transformers, over waveforms and spectrograms; time series, which look the same."""

from functools import partial

from .huggingface import SPECIAL, TEXT, build, config_of, state_after
from .row import VOCABULARY, Architecture, numbers, tokens

WAVES = {
    **TEXT,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
    "apply_spec_augment": False,
}
WHISPER = {
    "vocab_size": VOCABULARY,
    "d_model": 64,
    "num_mel_bins": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "max_source_positions": 16,
    "max_target_positions": 32,
    "decoder_start_token_id": 1,
    **SPECIAL,
}


def row(name, make, *arguments, **values):
    return Architecture("audio", name, partial(make, *arguments, **values))


def over_waveform(model_class, **config):
    return build(model_class, **WAVES, **config), [((), {"input_values": numbers(2, 800)})]


def whisper():
    inputs = {"input_features": numbers(2, 16, 32), "decoder_input_ids": tokens(2, 6), "use_cache": False}
    return build("WhisperForConditionalGeneration", **WHISPER), [((), inputs)]


def whisper_cached():
    model = build("WhisperForConditionalGeneration", **WHISPER)
    prefill = {"input_features": numbers(1, 16, 32), "decoder_input_ids": tokens(1, 6), "use_cache": True}
    decode = {
        "encoder_outputs": (model.model.encoder(prefill["input_features"])[0].detach(),),
        "decoder_input_ids": tokens(1, 1),
        "past_key_values": state_after(model, "past_key_values", **prefill),
        "use_cache": True,
    }
    return model, [((), prefill), ((), decode)]


def spectrogram_transformer():
    config = {**TEXT, "num_mel_bins": 16, "max_length": 32, "patch_size": 8, "time_stride": 8, "frequency_stride": 8}
    return build("ASTModel", **config), [((), {"input_values": numbers(2, 32, 16)})]


def speech_to_text():
    config = {**WHISPER, "input_feat_per_channel": 16, "input_channels": 1, "conv_channels": 32, "num_conv_layers": 2}
    inputs = {"input_features": numbers(2, 32, 16), "decoder_input_ids": tokens(2, 6), "use_cache": False}
    return build("Speech2TextForConditionalGeneration", **config, conv_kernel_sizes=(5, 5)), [((), inputs)]


def over_features(**config):
    config = {**TEXT, **config, "feature_projection_input_dim": 16, "conv_depthwise_kernel_size": 7}
    return build("Wav2Vec2BertModel", **config), [((), {"input_features": numbers(2, 24, 16)})]


def codec(model_class, **config):
    return build(model_class, **config), [((), {"input_values": numbers(1, 1, 640)})]


def clap_audio():
    config = {
        "spec_size": 64, "num_mel_bins": 16, "patch_size": 4, "patch_stride": [4, 4], "hidden_size": 64, "window_size": 4,
        "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2], "projection_dim": 16,
    }  # fmt: skip
    inputs = {"input_features": numbers(2, 1, 64, 16)}
    return build("ClapAudioModel", **config), [((), inputs)]


def patch_time_series():
    config = {"num_input_channels": 3, "context_length": 32, "patch_length": 8, "patch_stride": 8, "d_model": 32,
              "num_attention_heads": 4, "ffn_dim": 32, "num_hidden_layers": 2}  # fmt: skip
    return build("PatchTSTModel", **config), [((), {"past_values": numbers(2, 32, 3)})]


def hifi_gan():
    config = config_of("SpeechT5HifiGanConfig", model_in_dim=8, upsample_initial_channel=16)
    return build("SpeechT5HifiGan", **config.to_dict()), [((numbers(12, 8),), {})]


ALL = (
    row("audio_spectrogram_transformer", spectrogram_transformer),
    row("clap audio", clap_audio),
    row("data2vec audio", over_waveform, "Data2VecAudioModel", conv_pos_kernel_size=3),
    row(
        "encodec",
        codec,
        "EncodecModel",
        hidden_size=16,
        num_filters=4,
        codebook_size=32,
        codebook_dim=16,
        use_causal_conv=True,
    ),
    row("hubert", over_waveform, "HubertModel"),
    row("patchtst", patch_time_series),
    row("sew", over_waveform, "SEWModel", squeeze_factor=2),
    row("speech_to_text", speech_to_text),
    row("speecht5 hifi_gan", hifi_gan),
    row("unispeech", over_waveform, "UniSpeechModel"),
    row("wav2vec2", over_waveform, "Wav2Vec2Model"),
    row("wav2vec2 for ctc", over_waveform, "Wav2Vec2ForCTC"),
    row("wav2vec2_bert", over_features),
    row("wav2vec2_conformer", over_waveform, "Wav2Vec2ConformerModel"),
    row("wavlm", over_waveform, "WavLMModel"),
    row("whisper", whisper),
    row("whisper cached", whisper_cached),
)
