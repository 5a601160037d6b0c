"""What other tools call the ops and their arguments: torch, Keras, timm, einops. Read where a word is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import did_you_mean
from .base import OPS

# Words that stand in front of a list elsewhere and are no merge here, and the merge that they mean, if any.
LISTS = {"sum": "add", "stack": "many", "max": "", "maximum": "", "minimum": ""}

# What to write · the words for it beside an op's own and its `torch_module`; case, `_` and the number of axes are free.
_CALLS = """
linear            · fc dense fullyconnected innerproduct matrixmultiply
conv              · convolution pointwiseconv
stdconv           · standardizedconv wsconv weightstandardizedconv
dwconv            · depthwiseconv depthwise convdw
deconv            · transposedconv convolutiontranspose convtransposed upconv
dwconv(k) conv(n) · separableconv sepconv depthwiseseparableconv
localconv         · locallyconnected
dynconv           · dynamicconv condconv
deformconv        · deformableconv dcn
bn                · batchnormalization syncbatchnorm
layernorm         · layernormalization ln
groupnorm         · groupnormalization gn
instancenorm      · instancenormalization
rmsnorm           · rmsnormalization t5layernorm llamarmsnorm
l2norm            · normalize unitnormalization l2normalize
grn               · globalresponsenorm globalresponsenormalization
maxpool           · maxpooling
avgpool           · averagepool averagepooling meanpool
gap               · globalavgpool globalaveragepool globalaveragepooling globalpool
gmp               · globalmaxpool globalmaxpooling
regions(n, 7)     · roipool roipooling
roialign          · multiscaleroialign roialignrotated
upsample          · interpolate upsampling resize upsamplenearest upsamplingnearest
upsample(smooth=True) · upsamplebilinear upsamplingbilinear
pad               · zeropadding constantpad
pad(n, mode=reflect)   · reflectionpad
pad(n, mode=replicate) · replicationpad
pad(n, mode=circular)  · circularpad
relu              · rectifier
hardswish         · hswish hardsilu
hardsigmoid       · hsigmoid
gelu(tanh=True)   · gelutanh gelunew geluapproximate
leaky_relu        · lrelu
tanh(1.7159, 2/3) · scaledtanh stanh
embed             · wordembedding tokenembedding lookup
position          · posembed posemb positionembedding positionalembedding positionalencoding learnedposition
sinusoid          · sinusoidalembedding sinusoidalencoding sinposition
class_token       · clstoken classembedding clsembed
attention(heads, rotary=10000) · rope rotary rotaryembedding rotarypositionembedding
attention(heads, alibi=True)   · alibi
attention(heads, relative=h×w) · relativepositionbias relposbias
attention         · multiheadselfattention mha selfattention crossattention msa mhsa multiqueryattention
rnn               · simplernn elmanrnn
lstm(n, hidden=h, cell=c)   · lstmcell convlstmcell
gru(n, hidden=h)            · grucell
rnn(n, hidden=h)            · rnncell
lstm(n, bidirectional=True) · bidirectional bilstm blstm
gru(n, bidirectional=True)  · bigru
rearrange         · permute transpose einops swapaxes movedim spacetodepth depthtospace
reshape           · view unflatten
split             · chunk
slice             · narrow getitem indexselect
matmul            · bmm mm dot
reverse           · flip
affine(bias=False) · layerscale
learned           · parameter
constant          · registerbuffer
identity          · noop passthrough linearactivation
patches           · extractpatches
windows           · windowpartition
together          · windowreverse windowunpartition
experts:          · moe mixtureofexperts
add:              · residualadd addition plus
sub:              · subtract minus
mul:              · multiply
mean:             · average
sqrt reciprocal   · rsqrt
droppath          · stochasticdepth
max               · amax
concat:           · cat concatenate concatenation
"""
# Words of the field that no op is, near in spelling to one that builds something else.
_NONE = """
adaptivelogsoftmax additiveattention affinegrid alphadropout celu conv2dlstm convlstm convtbc
cosinesimilarity cropping crossmaplrn div drop dropblock dropout1d dropout2d dropout3d einsum embeddingbag
featurealphadropout fold fractionalmaxpool frozenbatchnorm gaussiandropout gaussiannoise geglu glu gumbelsoftmax
hardshrink hardtanh logsigmoid lppool maximum maxunpool minimum mlp onehot pow repeatvector
rrelu scaleddotproductattention sdpa softmax2d softmin softshrink softsign sort spatialdropout
squeeze squeezeexcite swiglu tanhshrink threshold timedistributed tokenpool transformer unfold
unsqueeze
"""
_ARGUMENTS = """
out         · filters outchannels outfeatures units embeddim outdim numoutput
kernel      · kernelsize poolsize filtersize k
stride      · strides
pad         · padding
dilation    · dilationrate atrous
groups      · numgroups group
bias        · usebias qkvbias
multiplier  · depthmultiplier
out_pad     · outputpadding
ceil        · ceilmode
count_pad   · countincludepad
heads       · numheads nhead
kv_heads    · numkeyvalueheads nkvheads numkvheads
causal      · iscausal usecausalmask
rotary      · rope ropetheta ropebase
qk_norm     · qknorm
dropout     · attndrop attentiondropout
key         · keydim kdim
value       · valuedim vdim
mask        · attnmask attentionmask
width       · hiddensize units embeddingdim outputdim dmodel
words       · numembeddings inputdim vocabsize
p           · rate droprate probability
slope       · negativeslope alpha
eps         · epsilon
axis        · dim
like        · size outputsize
scale       · elementwiseaffine affine gamma
shift       · beta
factor      · scalefactor upscalefactor downscalefactor
smooth      · mode bilinear
size        · outputsize
mode        · paddingmode
bidirectional · bidir
states      · returnstate
"""


def _plain(word: str) -> str:
    """`BatchNorm2d`, `nn.BatchNorm1d` and `batch_norm` are one word."""
    return re.sub(r"[_\-\s]|[123]d(?=$|[a-z_])|^lazy", "", word.rpartition(".")[2].lower().removesuffix("_"))


def _read(table: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in table.strip().splitlines():
        ours, _, theirs = line.partition("·")
        for word in theirs.split():
            found.setdefault(word, []).append(ours.strip())
    return found


def op_meant(word: str) -> str | None:
    """What the ops call this word of another tool; nothing where none of them does that, None where it is unknown."""
    plain = _plain(word)
    own = {_plain(op.torch_module): name for name, op in reversed(OPS.items()) if op.torch_module}
    own |= {_plain(name): name for name in (*OPS, "identity")}
    if {plain, word.lower().replace("_", "")} & {*_NONE.split()}:
        return ""
    return own.get(plain) or next(iter(_read(_CALLS).get(plain, ())), None)


def _slip(word: str, name: str) -> bool:
    """Whether one letter too many, too few or another, or two that changed places, makes `name` of `word`."""
    pairs = enumerate(zip(word, name, strict=False))
    at = next((n for n, (here, there) in pairs if here != there), min(len(word), len(name)))
    here, there = word[at:], name[at:]
    swapped = here[:2] == there[1::-1] and here[2:] == there[2:]
    return swapped or here[1:] == there[1:] or here[1:] == there or here == there[1:]


def suggest_op(word: str, others: Iterable[str] = (), ops: Iterable[str] = OPS) -> str:
    """A hint at an unknown word where one of `ops` or `others` could stand: the op that is called so elsewhere, or one
    with a slip in it, or else the nearest of the others; no op that builds something else than the word says."""
    meant, ops, plain = op_meant(word), [*ops], _plain(word)
    if meant is None:
        slips = (name for name in ops if _slip(plain, _plain(name)))
        meant = next((name for name in slips if len(plain) > 2 or name.startswith(plain)), None)
    if meant and meant != word and re.split("[( :]", meant)[0] in {*ops, "identity", "experts"}:
        return f"Did you mean `{meant}`?"
    near = did_you_mean(word, others)
    return f"No op does what `{word}` does elsewhere." if meant == "" and not near.startswith("Did") else near


def suggest_argument(name: str, known: Iterable[str]) -> str:
    """A hint at an argument that the call does not take."""
    names = list(known)
    plain = {_plain(own): own for own in names}
    meant = [own for own in (plain.get(_plain(name)), *_read(_ARGUMENTS).get(_plain(name), ())) if own in names]
    return f"Did you mean `{meant[0]}`?" if meant else did_you_mean(name, names)
