"""What kind of thing each of torch's operators is, by name: its family, and what is counted of it beside MACs."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod

from ...ops.base import OpFamily
from ...records import NamedTuple
from .macs import MACS
from .seen import Seen

Counted = Callable[[Seen], int]


class Kind(NamedTuple):
    """A family; a kind of elementwise operations, and how many of it; the class of `torch.nn`, without its axes."""

    family: OpFamily
    counts: str = ""
    many: Counted = lambda seen: seen.made
    torch_module: str = ""


def _read(seen: Seen) -> int:
    return prod(seen.first())


def _windows(seen: Seen) -> int:
    """The elements that windows read."""
    return seen.made * prod(seen.sizes("kernel_size", axes_of(seen.call.name), 1))


def axes_of(name: str) -> int:
    """How many axes a window has: `conv2d` has 2."""
    found = re.search(r"([123])d", name)
    return int(found[1]) if found else 1


def _words(words: str, kind: Kind) -> dict[str, Kind]:
    return dict.fromkeys(words.split(), kind)


MOVES = Kind("layout")
KINDS: dict[str, Kind] = {
    **_words("linear addmm", Kind("linear", torch_module="Linear")),
    "bilinear": Kind("linear", torch_module="Bilinear"),
    **_words("conv1d conv2d conv3d convolution _convolution deform_conv2d", Kind("convolution", torch_module="Conv")),
    **_words(
        "conv_transpose1d conv_transpose2d conv_transpose3d", Kind("convolution", torch_module="ConvTranspose")
    ),
    **_words("matmul mm bmm mv dot inner vdot addbmm baddbmm addmv einsum tensordot _grouped_mm", Kind("product")),
    "scaled_dot_product_attention": Kind(
        "attention", "softmax", lambda seen: prod(seen.out[:-1]) * seen.shape("key")[-2]
    ),
    "_native_multi_head_attention": Kind("attention"),
    "_transformer_encoder_layer_fwd": Kind("attention"),
    **_words("lstm lstm_cell", Kind("recurrent", torch_module="LSTM")),
    **_words("gru gru_cell", Kind("recurrent", torch_module="GRU")),
    **_words("rnn_tanh rnn_relu rnn_tanh_cell rnn_relu_cell", Kind("recurrent", torch_module="RNN")),
    **_words("batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training "
             "cudnn_batch_norm _batch_norm_impl_index _batch_norm_with_update",
             Kind("norm", "norm", torch_module="BatchNorm")),
    **_words("layer_norm native_layer_norm", Kind("norm", "norm", torch_module="LayerNorm")),
    **_words("group_norm native_group_norm", Kind("norm", "norm", torch_module="GroupNorm")),
    "instance_norm": Kind("norm", "norm", torch_module="InstanceNorm"),
    **_words("rms_norm _fused_rms_norm", Kind("norm", "norm", torch_module="RMSNorm")),
    **_words("norm linalg_vector_norm _weight_norm _weight_norm_interface weight_norm", Kind("norm", "norm", _read)),
    **{
        name: Kind("activation", "activation", torch_module=module)
        for name, module in (
            ("relu", "ReLU"), ("relu6", "ReLU6"), ("gelu", "GELU"), ("silu", "SiLU"), ("sigmoid", "Sigmoid"),
            ("tanh", "Tanh"), ("hardtanh", "Hardtanh"), ("hardswish", "Hardswish"), ("hardsigmoid", "Hardsigmoid"),
            ("leaky_relu", "LeakyReLU"), ("elu", "ELU"), ("selu", "SELU"), ("celu", "CELU"), ("mish", "Mish"),
            ("softplus", "Softplus"), ("prelu", "PReLU"), ("rrelu", "RReLU"), ("glu", "GLU"),
            ("log_sigmoid", "LogSigmoid"), ("softshrink", "Softshrink"), ("hardshrink", "Hardshrink"),
            ("threshold", "Threshold"), ("_prelu_kernel", "PReLU"),
        )
    },
    **_words("floor_divide __and__ __or__ __xor__ logical_not erf erfinv", Kind("activation", "activation")),
    **_words("softmax log_softmax _softmax _log_softmax _safe_softmax",
             Kind("activation", "softmax", torch_module="Softmax")),
    **_words("max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices "
             "max_pool3d_with_indices", Kind("pool", "pool", _windows, "MaxPool")),
    **_words("avg_pool1d avg_pool2d avg_pool3d", Kind("pool", "pool", _windows, "AvgPool")),
    **_words("adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d",
             Kind("pool", "pool", _read, "AdaptiveAvgPool")),
    **_words("adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d",
             Kind("pool", "pool", _read, "AdaptiveMaxPool")),
    **_words("mean sum amax amin max min prod all any var std var_mean std_mean argmax argmin logsumexp cumsum cumprod "
             "cummax cummin nansum nanmean median nanmedian mode logcumsumexp count_nonzero aminmax _cummax_helper "
             "_cummin_helper renorm trace index_reduce dist _is_all_true _is_any_true", Kind("pool", "pool", _read)),
    **_words("add sub rsub subtract addcmul addcdiv lerp _euclidean_dist cdist", Kind("merge", "add")),
    **_words("mul multiply div divide true_divide outer ger addr trapz", Kind("merge", "multiply")),
    **_words("upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_bilinear2d upsample_bicubic2d "
             "upsample_linear1d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa "
             "_upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d",
             Kind("resampling", "interpolation", torch_module="Upsample")),
    **_words("grid_sampler grid_sampler_2d grid_sampler_3d", Kind("resampling", "interpolation")),
    **_words("nll_loss nll_loss_nd nll_loss2d nll_loss_forward nll_loss2d_forward mse_loss smooth_l1_loss huber_loss "
             "soft_margin_loss binary_cross_entropy binary_cross_entropy_with_logits multi_margin_loss "
             "multilabel_margin_loss multilabel_margin_loss_forward _ctc_loss", Kind("pool", "activation", _read)),
    **_words("fractional_max_pool2d fractional_max_pool3d", Kind("pool", "pool", _read, "FractionalMaxPool")),
    **_words("cross linalg_cross", Kind("merge", "multiply")),
    **_words("roi_align roi_pool ps_roi_align ps_roi_pool", Kind("pool", "pool")),
    **_words("fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn fft_ifftn fft_rfftn "
             "fft_irfftn _fft_r2c _fft_c2c _fft_c2r stft istft fft_fftshift fft_ifftshift hann_window",
             Kind("resampling")),
    "embedding": Kind("embedding", torch_module="Embedding"),
    "embedding_bag": Kind("embedding"),
    "cat": Kind("merge"), "concat": Kind("merge"), "stack": Kind("merge"),
    **_words("dropout feature_dropout alpha_dropout native_dropout dropout1d dropout2d dropout3d feature_alpha_dropout",
             Kind("elementwise", torch_module="Dropout")),
    **_words(
        "view reshape flatten unflatten transpose permute t mT movedim moveaxis swapaxes squeeze unsqueeze expand "
        "expand_as broadcast_to broadcast_tensors view_as reshape_as _unsafe_view _reshape_alias select slice narrow "
        "chunk split split_with_sizes unbind unsafe_chunk unsafe_split tensor_split hsplit vsplit dsplit diagonal "
        "alias detach as_strided unfold real imag view_as_real view_as_complex contiguous clone copy _to_copy to "
        "to_dtype type_as lift_fresh lift_fresh_copy lift fill zero masked_fill masked_scatter masked_select index "
        "index_select index_put _index_put_impl index_add index_copy index_fill gather scatter scatter_add "
        "scatter_reduce take take_along_dim roll flip fliplr flipud rot90 pad constant_pad_nd reflection_pad1d "
        "reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d circular_pad repeat "
        "repeat_interleave tile sort argsort topk kthvalue nonzero unique unique2 _unique2 unique_consecutive one_hot "
        "bincount searchsorted bucketize histc tril triu diag diag_embed im2col col2im pixel_shuffle pixel_unshuffle "
        "channel_shuffle native_channel_shuffle block_diag cartesian_prod meshgrid combinations empty empty_like "
        "empty_strided zeros zeros_like ones ones_like full full_like new_zeros new_ones new_full new_empty arange "
        "range linspace logspace eye scalar_tensor tril_indices triu_indices rand rand_like randn randn_like randint "
        "randint_like randperm bernoulli multinomial normal uniform exponential random resize resize_as set "
        "slice_scatter select_scatter nms qnms ravel atleast_1d atleast_2d atleast_3d _pack_padded_sequence "
        "_pad_packed_sequence pad_sequence where_indices numpy_T adjoint matrix_H mH resolve_conj resolve_neg "
        "positive float int long half bool double item _nested_tensor_from_mask _shape_as_tensor "
        "sym_size sym_numel complex max_unpool2d max_unpool3d isin "
        "assert_async _assert_async _assert_tensor_metadata _functional_assert_async",
        MOVES,
    ),
}  # fmt: skip

# What reads of a tensor its size and type alone.
SHAPED = {"new_zeros", "new_ones", "new_full", "zeros_like", "ones_like", "full_like"}


def kind_of(seen: Seen) -> Kind | None:
    """What a call is; None where no table knows it, and torch does not call it pointwise."""
    found = KINDS.get(seen.call.name)
    if found is None and seen.call.pointwise:
        return Kind("activation", "activation")
    return found


def known(name: str) -> bool:
    """Whether there is a rule for an operator of this name."""
    return name in KINDS or name in MACS


def elementwise(seen: Seen, kind: Kind) -> dict[str, int]:
    """The operations of a call that are no MACs, by kind."""
    found: dict[str, int] = {}
    if seen.call.name in MACS and (seen.has("bias") or seen.call.name in ("addmm", "baddbmm", "addmv")):
        found["bias"] = seen.made
    if kind.counts and kind.many(seen):
        found[kind.counts] = kind.many(seen)
    return found
