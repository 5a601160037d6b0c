"""What other tools call the ops: the hint at an unknown word names the op that does the same, never another one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archcalc.errors import SpecError, UsageError
from archcalc.models import load
from archcalc.ops import ARGUMENTS, OPS
from archcalc.ops.synonyms import _ARGUMENTS, _CALLS, _NONE, _plain, _read, suggest_argument, suggest_op
from archcalc.tasks.explain import explain_op

CALLS = {
    "fc": "linear", "dense": "linear", "Dense": "linear", "nn.Linear": "linear", "InnerProduct": "linear",
    "batchnorm": "bn", "BatchNorm2d": "bn", "nn.BatchNorm3d": "bn", "batch_norm": "bn", "BatchNormalization": "bn",
    "LayerNorm": "layernorm", "layer_norm": "layernorm", "LayerNorm2d": "layernorm", "GroupNorm": "groupnorm",
    "InstanceNorm2d": "instancenorm", "RMSNorm": "rmsnorm", "LocalResponseNorm": "lrn", "normalize": "l2norm",
    "silu": "swish", "SiLU": "swish", "GELU": "gelu", "gelu_tanh": "gelu(tanh=True)", "LeakyReLU": "leaky_relu",
    "h_swish": "hardswish", "hard_sigmoid": "hardsigmoid", "ReLU": "relu", "relu_": "relu", "QuickGELU": "quickgelu",
    "Conv1d": "conv", "Conv2d": "conv", "Convolution3D": "conv", "LazyConv2d": "conv", "tf.keras.layers.Conv2D": "conv",
    "ConvTranspose2d": "deconv", "Conv2DTranspose": "deconv", "DepthwiseConv2D": "dwconv",
    "SeparableConv2D": "dwconv(k) conv(n)", "LocallyConnected2D": "localconv", "DeformConv2d": "deformconv",
    "MaxPooling2D": "maxpool", "MaxPool2d": "maxpool", "max_pool": "maxpool", "avg_pool": "avgpool",
    "AveragePooling1D": "avgpool", "GlobalAveragePooling2D": "gap", "GlobalMaxPool2D": "gmp",
    "AdaptiveAvgPool2d": "adaptive_avgpool", "PixelShuffle": "pixel_shuffle", "pixelshuffle": "pixel_shuffle",
    "pixelunshuffle": "pixel_unshuffle", "ChannelShuffle": "shuffle", "channel_shuffle": "shuffle",
    "interpolate": "upsample", "UpSampling2D": "upsample", "UpsamplingBilinear2d": "upsample(smooth=True)",
    "LogSoftmax": "log_softmax", "DropPath": "droppath", "StochasticDepth": "droppath",
    "ReflectionPad2d": "pad(n, mode=reflect)", "nn.CircularPad1d": "pad(n, mode=circular)",
    "ZeroPadding2D": "pad", "Dropout": "dropout", "Embedding": "embed", "nn.Embedding": "embed",
    "MultiheadAttention": "attention", "MultiHeadAttention": "attention", "mha": "attention",
    "cls_token": "class_token", "rope": "attention(heads, rotary=10000)", "ALiBi": "attention(heads, alibi=True)",
    "pos_embed": "position", "LayerScale": "affine(bias=False)", "Identity": "identity",
    "bidirectional": "lstm(n, bidirectional=True)", "BiLSTM": "lstm(n, bidirectional=True)",
    "LSTMCell": "lstm(n, hidden=h, cell=c)", "SimpleRNN": "rnn", "permute": "rearrange", "transpose": "rearrange",
    "view": "reshape", "chunk": "split", "narrow": "slice", "bmm": "matmul", "rsqrt": "sqrt reciprocal",
    "cat": "concat:", "Concatenate": "concat:", "multiply": "mul:", "subtract": "sub:", "Average": "mean:",
    "covn": "conv", "rellu": "relu", "layernrom": "layernorm", "swsih": "swish", "maxpol": "maxpool",
}  # fmt: skip
# What an op of ours is near to in spelling, and none is.
NOTHING = """
CELU celu RReLU GLU glu SwiGLU Hardtanh hardtanh Hardshrink Softshrink Tanhshrink Softsign Softmin LogSigmoid
Softmax2d Threshold AlphaDropout Dropout2d SpatialDropout2D GaussianDropout drop
MaxUnpool2d LPPool2d FractionalMaxPool2d EmbeddingBag CosineSimilarity Maximum Minimum
scaled_dot_product_attention FrozenBatchNorm2d affine_grid fold unfold einsum mlp Mlp sort pow div squeeze
TimeDistributed RepeatVector AdditiveAttention
"""
# Words of any network that no spelling leads from to an op: each was offered another one by likeness alone.
UNKNOWN = "se stem min attn ffn pool expand tile repeat gather scatter erf cos hard_mish ConvBnAct LayerNormAct"


def offered(hint: str) -> str | None:
    match = re.fullmatch(r"Did you mean `([^`]+)`\?", hint)
    return match[1] if match else None


@pytest.mark.parametrize(("word", "ours"), CALLS.items())
def test_words_of_other_tools(word: str, ours: str, tmp_path: Path) -> None:
    assert offered(suggest_op(word)) == ours
    spec = tmp_path / "net.yaml"
    spec.write_text(f"input: 8 × 8 × 8\nlayers:\n  - {word.replace('nn.', '')}\n", encoding="utf-8")
    if word.replace("nn.", "") not in OPS and "." not in word.replace("nn.", ""):
        with pytest.raises(SpecError) as raised:
            load(f"./{spec}" if not spec.is_absolute() else str(spec))
        assert raised.value.hint == f"Did you mean `{ours}`?"


@pytest.mark.parametrize("word", NOTHING.split())
def test_what_no_op_does_is_said(word: str) -> None:
    assert suggest_op(word) == f"No op does what `{word}` does elsewhere."
    assert suggest_op(word, [f"{word}s"]) == f"Did you mean `{word}s`?"  # a block of the file is meant


@pytest.mark.parametrize("word", UNKNOWN.split())
def test_likeness_alone_offers_no_op(word: str) -> None:
    assert offered(suggest_op(word)) is None


def test_each_module_of_torch_is_offered_its_own_op_or_none() -> None:
    nn = pytest.importorskip("torch").nn
    own = {word: {re.sub(r"^Lazy|[123]d", "", op.torch_module)} for word, op in OPS.items()}
    own["bn"] |= {"SyncBatchNorm"}
    own["upsample"] |= {"UpsamplingNearest"}
    own["pad"] |= {"ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad"}
    own |= {"identity": {"Identity"}, "learned": {"Parameter"}, "reshape": {"Unflatten"}}
    own |= {"rnn": {"RNN", "RNNCell"}, "lstm": {"LSTM", "LSTMCell"}, "gru": {"GRU", "GRUCell"}}
    own["upsample"] |= {"UpsamplingBilinear"}
    found = 0
    for name in (name for name, value in vars(nn).items() if isinstance(value, type)):
        ours = offered(suggest_op(name, ["identity"]))
        if ours is not None:
            found += 1
            assert re.sub(r"^Lazy|[123]d", "", name) in own[ours.partition("(")[0]], f"{name} is no {ours}"
    assert found > 60


def test_the_table_names_what_there_is_once() -> None:
    calls, arguments = _read(_CALLS), _read(_ARGUMENTS)
    for theirs, ours in calls.items():
        assert len(ours) == 1, f"{theirs} is {ours}"
        assert {re.split(r"[(:]", call)[0] for call in re.split(r"(?<!,) ", ours[0])} <= {*OPS, "identity", "experts"}
        assert _plain(theirs) == theirs, f"no word is ever read as {theirs}"
        assert theirs not in OPS
    assert not {*_NONE.split()} & calls.keys()
    own = {field.name for fields in ARGUMENTS.values() for field in fields}
    assert {name for names in arguments.values() for name in names} <= own
    assert all(_plain(theirs) == theirs for theirs in arguments)


ARGUMENT = [
    ("conv", "kernel_size", "kernel"), ("conv", "padding", "pad"), ("conv", "out_channels", "out"),
    ("conv", "filters", "out"), ("conv", "strides", "stride"), ("conv", "dilation_rate", "dilation"),
    ("conv", "use_bias", "bias"), ("conv", "num_groups", "groups"), ("linear", "units", "out"),
    ("linear", "out_features", "out"), ("lstm", "units", "width"), ("lstm", "hidden_size", "width"),
    ("lstm", "bidir", "bidirectional"), ("attention", "num_heads", "heads"), ("attention", "is_causal", "causal"),
    ("attention", "num_key_value_heads", "kv_heads"), ("attention", "rope_theta", "rotary"),
    ("layernorm", "elementwise_affine", "scale"), ("layernorm", "epsilon", "eps"), ("softmax", "dim", "axis"),
    ("leaky_relu", "negative_slope", "slope"), ("upsample", "scale_factor", "factor"), ("upsample", "size", "like"),
    ("dropout", "rate", "p"),
    ("embed", "num_embeddings", "words"), ("embed", "embedding_dim", "width"), ("maxpool", "pool_size", "kernel"),
    ("maxpool", "ceil_mode", "ceil"), ("conv", "strid", "stride"),
]  # fmt: skip


@pytest.mark.parametrize(("word", "theirs", "ours"), ARGUMENT)
def test_arguments_of_other_tools(word: str, theirs: str, ours: str, tmp_path: Path) -> None:
    assert offered(suggest_argument(theirs, [field.name for field in ARGUMENTS[word]])) == ours
    for text in (f"layers:\n  - {word}({theirs}=1)\n", f"defaults: {{{word}: {{{theirs}: 1}}}}\nlayers:\n  - relu\n"):
        spec = tmp_path / "net.yaml"
        spec.write_text(f"input: 8 × 8 × 8\n{text}", encoding="utf-8")
        with pytest.raises(SpecError) as raised:
            load(str(spec))
        assert raised.value.hint == f"Did you mean `{ours}`?"


@pytest.mark.parametrize(
    ("key", "ours"), [("cat", "concat:"), ("Add", "add"), ("multiply", "mul:"), ("cocnat", "concat"), ("ad", "add")]
)
def test_merges_of_other_tools(key: str, ours: str, tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text(f"input: 8 × 8 × 8\nlayers:\n  - {key}: [relu, tanh]\n", encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        load(str(spec))
    assert raised.value.hint == f"Did you mean `{ours}`?"


def test_explain_knows_them_too() -> None:
    with pytest.raises(UsageError, match="`silu` is no op") as raised:
        explain_op("silu")
    assert raised.value.hint == "Did you mean `swish`?"
