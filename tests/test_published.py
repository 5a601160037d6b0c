"""Counts of the zoo against counts of other hands: what a library or a paper prints, or torch counts of its module."""

from __future__ import annotations

import pytest

import archcalc

# A row is a model, its parameters, its MACs (empty where nobody counted them), the input, what was counted, by whom.
# torchvision 0.29.1 prints the parameters as `num_params` of its weights; timm 1.0.31 has them in its modules. MACs are
# half of what torch.utils.flop_counter counts on that module, whose products of convolutions, linears and attention it
# sees. "trained" counts scales and shifts of batch norms, not their statistics, also where the authors freeze them;
# "deployed" has biases in their place; "by hand" is a module written apart from the spec, in torch alone. The file
# yolov3.weights holds 61,949,149 parameters and 52,608 statistics, of 4 bytes each, behind 20 others; transformers'
# Whisper has 576,000 positions more, which are fixed.
PUBLISHED = """
    coatnet-0-timm         |  25,036,820 |     4,546,507,776 | 3×224×224              | trained | timm coatnet_0_224
    cvt-13                 |  19,997,480 |     4,566,089,216 | 3×224×224              | trained | transformers
    convnextv2-tiny        |  28,635,496 |     4,455,531,264 | 3×224×224              | trained | timm convnextv2_tiny
    hrnet-w18              |  21,299,004 |     4,283,537,072 | 3×224×224              | trained | timm hrnet_w18
    hrnet-w32              |  41,232,680 |     8,921,133,056 | 3×224×224              | trained | timm hrnet_w32
    r3d-18                 |  33,371,472 |    40,696,553,472 | 3×16×112×112           | trained | torchvision r3d_18
    r2plus1d-18-torchvision |  31,505,325 |    40,519,080,960 | 3×16×112×112           | trained | torchvision
    pvt-v2-b2              |  25,362,856 |     4,026,734,592 | 3×224×224              | trained | timm pvt_v2_b2
    mobilevit-s            |   5,578,632 |     2,000,831,488 | 3×256×256              | trained | timm mobilevit_s
    fcn-resnet50           |  32,957,013 |   142,725,772,800 | 3×520×520              | trained | torchvision
    deeplabv3-resnet50     |  39,638,869 |   168,731,205,888 | 3×520×520              | trained | torchvision
    retinanet-resnet50-fpn |  34,068,119 |   254,469,734,400 | 3×800×1344             | trained | torchvision
    maskrcnn-resnet50-fpn  |  44,454,513 |   269,193,583,872 | 3×800×1344 + 4×1000 + 4×100 | trained | torchvision
    ssd300-vgg16           |  35,641,826 |    34,858,153,472 | 3×300×300              | trained | torchvision
    darknet53              |  41,609,928 |     9,285,115,904 | 3×256×256              | trained | timm
    yolov3                 |  61,949,149 |                   | 3×416×416              | trained | its weights' file
    yolov5n                |   1,872,157 |                   | 3×640×640              | trained | its training prints
    yolov5s                |   7,235,389 |                   | 3×640×640              | trained | its training prints
    yolov5m                |  21,190,557 |                   | 3×640×640              | trained | its training prints
    yolov5l                |  46,563,709 |                   | 3×640×640              | trained | its training prints
    yolov5x                |  86,749,405 |                   | 3×640×640              | trained | its training prints
    yolov8n                |   3,157,184 |                   | 3×640×640              | trained | its training prints
    unetpp                 |   9,042,276 |     4,189,814,784 | 3×96×96                | trained | by hand
    unet3d                 |  19,074,627 |   266,731,018,496 | 3×116×132×132          | trained | by hand
    vnet                   |  65,175,314 |   502,142,074,880 | 1×64×128×128           | trained | by hand
    sd-unet                | 859,520,964 |   401,636,720,640 | 4×64×64 + 320 + 768×77 | trained | diffusers
    sd-vae                 |  83,653,863 | 1,815,588,700,160 | 3×512×512              | trained | diffusers
    whisper-tiny           |  37,184,640 |    35,541,098,496 | 80×3000 + 448          | trained | transformers
    detr-resnet50          |  41,577,888 |                   | 3×800×1066             | trained | transformers
    mamba-130m             | 129,135,360 |   262,995,443,712 | 2048                   | trained | transformers
    dit-xl-2               | 674,834,720 |   118,621,421,568 | 4×32×32 + 256 + 1      | trained | by hand
    swinv2-t               |  28,347,154 |                   | 3×256×256     | trained  | timm swinv2_tiny_window8_256
    sam-b-encoder          |  89,670,912 | 486,038,667,264 | 3×1024×1024   | trained  | transformers; MACs by hand
    sam:ViT-L              | 308,278,272 |                 | 3×1024×1024   | trained  | transformers
    sam:ViT-H              | 637,026,048 |                 | 3×1024×1024   | trained  | transformers
    densenet161            |  28,681,000 |   7,727,907,072 | 3×224×224     | trained  | torchvision densenet161
    mnasnet-b1-0.5         |   2,218,512 |     104,455,968 | 3×224×224     | trained  | torchvision mnasnet0_5
    mnasnet-b1-0.75        |   3,170,208 |     215,493,104 | 3×224×224     | trained  | torchvision mnasnet0_75
    mnasnet-b1             |   4,383,312 |     314,415,872 | 3×224×224     | trained  | torchvision mnasnet1_0
    mnasnet-b1-1.3         |   6,282,256 |     526,362,432 | 3×224×224     | trained  | torchvision mnasnet1_3
    regnety-128gf          | 644,812,894 | 127,517,815,680 | 3×224×224     | trained  | torchvision regnet_y_128gf
    resnext101-32x8d       |  88,791,336 |  16,414,015,488 | 3×224×224     | trained  | torchvision resnext101_32x8d
    vgg11-bn               | 132,868,840 |   7,609,090,048 | 3×224×224     | trained  | torchvision vgg11_bn
    vgg13-bn               | 133,053,736 |  11,308,466,176 | 3×224×224     | trained  | torchvision vgg13_bn
    vgg16-bn               | 138,365,992 |  15,470,264,320 | 3×224×224     | trained  | torchvision vgg16_bn
    vgg19-bn               | 143,678,248 |  19,632,062,464 | 3×224×224     | trained  | torchvision vgg19_bn
    wide-resnet50-2        |  68,883,240 |  11,398,021,120 | 3×224×224     | trained  | torchvision wide_resnet50_2
    wide-resnet101-2       | 126,886,696 |  22,753,050,624 | 3×224×224     | trained  | torchvision wide_resnet101_2
    efficientnetv2-s       |  21,458,488 |   8,365,617,152 | 3×384×384     | trained  | torchvision efficientnet_v2_s
    efficientnetv2-m       |  54,139,356 |  24,582,460,384 | 3×480×480     | trained  | torchvision efficientnet_v2_m
    efficientnetv2-l       | 118,515,272 |  56,079,699,008 | 3×480×480     | trained  | torchvision efficientnet_v2_l
    ghostnet               |   5,182,508 |     141,150,512 | 3×224×224     | trained  | timm ghostnet_100
    ghostnet-0.5           |   2,587,292 |      42,328,152 | 3×224×224     | trained  | timm ghostnet_050
    ghostnet-1.3           |   7,358,820 |     227,003,256 | 3×224×224     | trained  | timm ghostnet_130
    repvgg-a0              |   9,108,968 |   1,512,581,120 | 3×224×224     | trained  | timm repvgg_a0
    mobileone-s0           |   5,293,272 |   1,051,935,232 | 3×224×224     | trained  | timm mobileone_s0
    fasternet-t0           |   3,905,500 |     335,422,720 | 3×224×224     | trained  | timm fasternet_t0
    fasternet:FasterNet-T1 |   7,595,368 |     850,511,872 | 3×224×224     | trained  | timm fasternet_t1
    fasternet:FasterNet-T2 |  14,982,888 |   1,904,334,848 | 3×224×224     | trained  | timm fasternet_t2
    fasternet:FasterNet-S  |  31,181,032 |   4,549,740,544 | 3×224×224     | trained  | timm fasternet_s
    fasternet:FasterNet-M  |  53,521,464 |   8,721,938,432 | 3×224×224     | trained  | timm fasternet_m
    fasternet:FasterNet-L  |  93,465,192 |  15,494,383,616 | 3×224×224     | trained  | timm fasternet_l
    repvgg-a0-deploy       |   8,309,384 |   1,361,451,008 | 3×224×224     | deployed | timm, reparameterized
    repvgg:RepVGG-B1g4     |  36,125,416 |   7,306,870,784 | 3×224×224     | deployed | timm, reparameterized
    mobileone-s0-deploy    |   2,078,504 |     275,110,400 | 3×224×224     | deployed | timm, reparameterized
    mobileone:MobileOne-S4 |  14,838,352 |   2,979,269,760 | 3×224×224     | deployed | timm, reparameterized
    deit-s-distilled       |  22,436,432 |   4,624,140,288 | 3×224×224     | trained  | timm deit_small_distilled
    mixer-s-32             |  19,104,624 |   1,002,426,368 | 3×224×224     | trained  | timm mixer_s32_224
    mixer-b-16             |  59,880,472 |  12,601,767,936 | 3×224×224     | trained  | timm mixer_b16_224
    mixer-l-16             | 208,196,168 |  44,547,678,208 | 3×224×224     | trained  | timm mixer_l16_224
    convmixer-768-32       |  21,110,248 |  20,676,851,712 | 3×224×224     | trained  | timm convmixer_768_32
    nerf                   |     593,924 |         591,488 | 60 + 24       | trained  | by hand
    pointnet               |   3,480,049 |     448,025,856 | 3×1024        | trained  | by hand
    gcn                    |      23,040 |     231,057,392 | 1433×2708 + 2708×2708 | trained | by hand
    wavenet                |   1,279,616 |  20,250,624,000 | 256×16000     | trained  | by hand
    tcn                    |      66,510 |      51,607,050 | 1×784         | trained  | by hand
    conformer-s            |   8,710,848 |   3,729,844,224 | 1×1000×80     | trained  | by hand
    conformer-m            |  27,327,488 |  10,931,175,424 | 1×1000×80     | trained  | by hand
    conformer              | 115,111,424 |  43,291,159,552 | 1×1000×80     | trained  | by hand
    multi-head-attention   |   1,048,576 |    10,588,160 | 512×10         | trained | torch MultiheadAttention
    densenet-c-transition  |      33,280 |   102,760,448 | 256×56×56      | trained | torchvision densenet121
    densenet-bc-block      |     368,320 | 1,143,209,984 | 64×56×56       | trained | torchvision densenet121, block 1
    hvt-ti-1               |   5,735,656 |               | 3×224×224      | trained | the authors' models.py
    hvt-s-1                |  22,087,144 |               | 3×224×224      | trained | the authors' models.py
    hvt-s-2                |  22,105,576 |               | 3×224×224      | trained | the authors' models.py
    hvt-s-3                |  22,114,408 |               | 3×224×224      | trained | the authors' models.py
    hvt-s-4                |  22,118,632 |               | 3×224×224      | trained | the authors' models.py
    discogan-generator     |   5,513,856 |   207,618,048 | 3×64×64        | trained | the authors' model.py
    discogan-discriminator |   2,765,568 |   103,817,216 | 3×64×64        | trained | the authors' model.py
    clip-rn50              | 102,007,137 |               | 3×224×224 + 77 | trained | the authors' clip/model.py
    clip-rn101             | 119,688,033 |               | 3×224×224 + 77 | trained | the authors' clip/model.py
    clip-rn50x4            | 178,300,601 |               | 3×288×288 + 77 | trained | the authors' clip/model.py
    clip-rn50x16           | 290,979,217 |               | 3×384×384 + 77 | trained | the authors' clip/model.py
    clip-rn50x64           | 623,258,305 |               | 3×448×448 + 77 | trained | the authors' clip/model.py
    clip-zero-shot | 151,277,313 | | 3×224×224 + 77 + 77 + 77 + 77 | trained | the notebook of ViT-B/32
    bit-r50x1              |  25,549,352 |               | 3×224×224      | trained | timm resnetv2_50x1_bit
    bit-r101x3             | 387,934,888 |               | 3×224×224      | trained | timm resnetv2_101x3_bit
    bit-l                  | 936,533,224 |               | 3×480×480      | trained | timm resnetv2_152x4_bit
    efficientnet-l2        | 480,309,308 |               | 3×800×800      | trained | timm tf_efficientnet_l2
    attention-56           |  31,810,728 |  6,270,836,736 | 3×224×224 | trained | the authors' prototxt
    attention-92           |  52,466,344 | 10,533,789,696 | 3×224×224 | trained | the authors' prototxt
    dsn-cifar10            |     966,986 |    222,486,528 | 3×32×32   | trained | the authors' prototxt, no heads
    spp-zf-5               |  77,037,672 |                | 3×224×224 | trained | the authors' prototxt
    vgg16-dense            | 138,357,544 |               | 3×384×384      | trained | torchvision vgg16
    vgg19-dense            | 143,667,240 |               | 3×384×384      | trained | torchvision vgg19
"""


def resnext29(groups: int) -> int:
    """Three stages of three blocks, 64, 128 and 256 channels a group."""
    params, before = 27 * 64 + 2 * 64, 64
    for width in (64, 128, 256):
        inner, after = groups * width, 4 * width
        params += before * after + 2 * after  # the shortcut of the first block
        for _ in range(3):
            params += before * inner + 9 * inner * width + inner * after + 2 * (inner + inner + after)
            before = after
    return params + before * 10 + 10


def convs2s(words: int) -> tuple[int, int]:
    """Nine layers of 512, four of 1,024 and two of 2,048 on either side; an attention in each layer of the decoder."""
    wide = [512] * 9 + [1024] * 4 + [2048] * 2
    params = 2 * 768 * (40_000 + 1024) + 2 * 769 * 512 + 2049 * 768 + 2049 * 512 + 513 * 40_000
    macs = 2 * 768 * 512 + 2048 * 768 + 2048 * 512 + 512 * 40_000  # of a word
    for before, c in zip([512, *wide], wide, strict=False):
        kernel = 1 if c == 2048 else 3
        narrow = before * c if before != c else 0
        params += 2 * (2 * c * (kernel * before + 1) + narrow + (c if narrow else 0)) + (c + 1) * 768 + 769 * c
        macs += 2 * (2 * c * kernel * before + narrow) + 2 * c * 768 + 2 * words * 768
    return params, words * macs


def tcn(k: int, n: int, c: int, reads: int, gives: int, steps: int, at: int) -> tuple[int, int]:
    """n blocks of two convolutions of width k to c maps, the first with a 1×1 beside it, and what gives numbers at so
    many steps."""
    narrow = reads * c if reads != c else 0
    macs = k * reads * c + narrow + (2 * n - 1) * k * c * c
    return macs + (2 * n + (narrow > 0)) * c + gives * (c + 1), steps * macs + at * gives * c


def of_words(
    words: int, layers: int, d: int, weights: int, other: int, *, run: int = 0, scores: int = 0
) -> tuple[int, int]:
    """Layers of so many weights, of which `run` work for a word (all, if 0), and other numbers, with two products of
    `scores` pairs of words; what stands before and behind them is added outside."""
    return layers * (weights + other), words * layers * (run or weights) + 2 * layers * scores * d


def gpt2(layers: int, d: int) -> tuple[int, int]:
    params, macs = of_words(1024, layers, d, 12 * d * d, 13 * d, scores=1024**2)
    return params + (50_257 + 1024 + 2) * d, macs + 1024 * 50_257 * d


def bert(layers: int, d: int) -> tuple[int, int]:
    params, macs = of_words(128, layers, d, 12 * d * d, 13 * d, scores=128**2)
    return params + (30_522 + 512 + 2 + 2) * d + (d + 1) * d, macs + d * d


def llama(ffn: int, shared: int, words: int, *, experts: int = 1, best: int = 1) -> tuple[int, int]:
    """32 layers of 4096 with `shared` numbers of keys and values a word, at 2048 words; experts have a router."""
    d, routed = 4096, experts * (experts > 1)
    plain, one = 2 * d * d + 2 * d * shared + routed * d, 3 * d * ffn
    found = of_words(2048, 32, d, plain + experts * one, 2 * d, run=plain + best * one, scores=2048**2)
    return found[0] + 2 * words * d + d, found[1] + 2048 * words * d


def t5_small() -> tuple[int, int]:
    """Six layers on either side of 512, with 8 biases for each of 32 classes of distances, at 512 and 512 words."""
    d, mlp = 512, 2 * 512 * 2048
    there = of_words(512, 6, d, 4 * d * d + mlp, 2 * d, scores=512**2)
    back = of_words(512, 6, d, 8 * d * d + mlp, 3 * d, scores=2 * 512**2)
    return there[0] + back[0] + 32_128 * d + 2 * d + 2 * 32 * 8, there[1] + back[1] + 512 * 32_128 * d


def r2plus1d() -> int:
    """Tran et al., section 3.5: as many channels in the middle as leave the weights of a 3D one; 45 at first."""

    def split(n: int, m: int, area: int = 9, middle: int = 0) -> int:
        middle = middle or 3 * area * n * m // (area * n + 3 * m)
        return area * n * middle + 3 * middle * m + 2 * (middle + m)

    params, n = split(3, 64, 49, 45), 64
    for m in (64, 128, 256, 512):
        params += split(n, m) + 3 * split(m, m) + (n != m) * (n * m + 2 * m)
        n = m
    return params + 513 * 400


def prelu_net(widths: tuple[int, int, int], counts: tuple[int, int, int]) -> tuple[int, int]:
    """A 7×7 and three groups of 3×3, biases and slopes; 63 positions of a pyramid; slopes of two layers of 4,096."""
    params, macs, before = 96 * (147 + 2), 112**2 * 96 * 147, 96
    for side, c, n in zip((56, 28, 14), widths, counts, strict=True):
        params += c * (9 * before + 2) + (n - 1) * c * (9 * c + 2)
        macs += side**2 * (9 * before * c + (n - 1) * 9 * c * c)
        before = c
    return params + 4096 * (63 * before + 2) + 4096 + FC + FC_BIASES, macs + 4096 * 63 * before + FC


def elu_net() -> tuple[int, int]:
    """Outputs, filter and side of each convolution, as SMAUG's CIFAR100-Large-ELU lists and pads them."""
    layers = """384 3 32 | 384 1 16 384 2 16 640 2 16 640 2 16 | 640 1 8 768 2 8 768 2 8 768 2 8
        | 768 1 4 896 2 4 896 2 4 | 896 3 2 1024 2 2 1024 2 2 | 1024 1 1 1152 2 1 | 1152 1 1 | 100 1 1"""
    figures = [int(word) for word in layers.replace("|", "").split()]
    params, macs, before = 0, 0, 3
    for c, k, side in zip(figures[::3], figures[1::3], figures[2::3], strict=True):
        params, macs, before = params + c * (k * k * before + 1), macs + side**2 * c * k * k * before, c
    return params, macs


def fitnet(*stages: tuple[int, ...]) -> tuple[int, int]:
    """3×3 with two pieces an output, at 32, 16 and 8 places a side, and 500 units of five pieces on what is left."""
    params, macs, before = 0, 0, 3
    for stage, side in zip(stages, (32, 16, 8), strict=True):
        for c in stage:
            params, macs, before = params + 2 * c * (9 * before + 1), macs + side**2 * 2 * c * 9 * before, c
    return params + 2500 * (before + 1) + 10 * 501, macs + 2500 * before + 10 * 500


def resnet18_preact() -> int:
    """Four groups of two blocks of two 3×3, whose norms are before them, on 100 classes; shortcuts where they widen."""
    params, before = 27 * 64 + 2 * 64, 64
    for c in (64, 128, 256, 512):
        params += 9 * c * (before + 3 * c) + 2 * (before + 3 * c) + (before * c if before != c else 0)
        before = c
    return params + 513 * 100


def resnext152() -> int:
    """3, 8, 36 and 3 blocks; 64 groups of 4, 8, 16 and 32 channels, and shortcuts with norms where they widen."""
    params, before = 49 * 3 * 64 + 2 * 64, 64
    for blocks, inner, after in ((3, 256, 256), (8, 512, 512), (36, 1024, 1024), (3, 2048, 2048)):
        for block in range(blocks):
            params += before * inner + 9 * inner * inner // 64 + inner * after + 2 * (2 * inner + after)
            params += before * after + 2 * after if block == 0 else 0
            before = after
    return params + 2049 * 1000


VGG16 = 138_357_544 - 4097 * 1000  # torchvision's, without its classes
ZF = 96 * 148 + 256 * 2401 + 384 * 2305 + (384 + 256) * 3457  # its convolutions
FC = 4096 * 4096 + 1000 * 4096  # the last two layers of AlexNet and its kin, and their biases
FC_BIASES = 4096 + 1000


def efficientnet(depth: int) -> int:
    """Tan and Le, Table 1: expansion, kernel, channels and layers, `depth` times as many; a squeeze to a quarter."""
    params, before = 27 * 32 + 2 * 32, 32
    stages = ["1 3 16 1", "6 3 24 2", "6 5 40 2", "6 3 80 3", "6 5 112 3", "6 5 192 4", "6 3 320 1"]
    for e, k, c, n in (map(int, stage.split()) for stage in stages):
        for _ in range(depth * n):
            wide, little = e * before, before // 4
            params += (wide * (before + 2) if e > 1 else 0) + wide * (k * k + 2) + 2 * wide * little + little + wide
            params, before = params + c * (wide + 2), c
    return params + 1280 * (320 + 2) + 1281 * 1000


def moe(experts: int, steps: int) -> tuple[int, int]:
    """Five LSTMs of 2,048 cells with projections, one with 512 inputs more; two mixtures, four experts a step."""
    lstms = 5 * (8192 * 1024 + 2048 * 512) + 8192 * 512
    attention, gate, expert = 2 * 512**2 + 512, 512 * experts, 2 * 512 * 2048
    params = 3 * 32_000 * 512 + 32_000 + lstms + 5 * 8192 + attention + 2 * (gate + experts * expert)
    step = lstms + attention - 512 + 2 * (gate + 4 * expert) + 32_000 * 512
    return params, steps * step + steps**2 * 1024  # V and the weighted sum for each pair


ST_CNN = (
    48 * 76 + 64 * 1201 + 128 * 1601 + 160 * 3201 + 192 * 4001 + 3 * 192 * 4801 + 3 * 3072 * 3073 + 55 * 3073,
    64**2 * 48 * 75
    + 32**2 * (64 * 1200 + 128 * 1600)
    + 16**2 * (160 * 3200 + 192 * 4000)
    + (2 * 8**2 + 4**2) * 192 * 4800
    + 3 * 3072 * 3072
    + 55 * 3072,
)
# Worked out by hand, the biases of a layer as one input more: parameters and MACs.
BY_HAND: dict[str, tuple[int, int | None]] = {
    "gpt2": gpt2(12, 768),
    "gpt2-medium": gpt2(24, 1024),
    "gpt2-large": gpt2(36, 1280),
    "gpt2-xl": gpt2(48, 1600),
    "bert-base": bert(12, 768),
    "bert-large": bert(24, 1024),
    "llama-7b": llama(11_008, 4096, 32_000),
    "llama-3-8b": llama(14_336, 1024, 128_256),
    "mixtral-8x7b": llama(14_336, 1024, 32_000, experts=8, best=2),
    "t5-small": t5_small(),
    "r2plus1d-18": (r2plus1d(), None),
    "nadaraya-watson": (0, 50 * 1),
    "nadaraya-watson-parametric": (1, 50 * 1),
    "additive-attention": (8 * 20 + 8 * 2 + 8, 8 * 20 + 10 * 8 * 2 + 10 * 8 + 10 * 4),
    "dot-product-attention": (0, 10 * 2 + 10 * 4),
    "jordan-network": (8 * (4 + 3 + 1) + 3 * (8 + 1), 8 * (8 * (4 + 3) + 3 * 8)),
    "elman-network": (150 * (31 + 150 + 1) + 31 * (150 + 1), 8 * (150 * (31 + 150) + 31 * 150)),
    "williams-zipser": (4 * (3 + 4), 8 * 4 * (3 + 4)),
    "lstm-speech": (4 * 195 * (20 + 195 + 1) + 3 * 195, 4 * 4 * 195 * (20 + 195)),
    "gru-speech": (3 * 227 * (20 + 227 + 1), 4 * 3 * 227 * (20 + 227)),
    "tanh-speech": (400 * (20 + 400 + 1), 4 * 400 * (20 + 400)),
    "lstm-cell": (4 * (195 * (195 + 20) + 195), 4 * 195 * (195 + 20)),
    "gru-cell": (3 * (227 * 20 + 227 * 227), 3 * (227 * 20 + 227 * 227)),
    "graves-lm-char": (4000 * (49 + 1001) + 3000 + 49 * 1001, 4 * (4000 * (49 + 1000) + 49 * 1000)),
    "graves-lm-word": (4000 * (10_000 + 1001) + 3000 + 10_000 * 1001, 4 * (4000 * 11_000 + 10_000 * 1000)),
    "graves-handwriting": (
        1600 * (404 + 804 + 804) + 3 * 1200 + 121 * 1201,
        4 * (1600 * (403 + 803 + 803) + 121 * 1200),
    ),
    "graves-handwriting-1-layer": (3600 * 904 + 2700 + 121 * 901, 4 * (3600 * 903 + 121 * 900)),
    "graves-handwriting-synthesis": (
        1600 * (461 + 861 + 861) + 3 * 1200 + 30 * 401 + 121 * 1201,
        4 * (1600 * (460 + 860 + 860) + 30 * 400 + 10 * 57 + 121 * 1200),
    ),
    "residual-block": (2 * (9 * 64 * 64 + 2 * 64), 56 * 56 * 2 * 9 * 64 * 64),
    "residual-bottleneck": (2 * 256 * 64 + 9 * 64 * 64 + 2 * (64 + 64 + 256), 56 * 56 * (2 * 256 * 64 + 9 * 64 * 64)),
    "residual-resnext": (2 * 256 * 128 + 9 * 4 * 128 + 2 * (128 + 128 + 256), 56 * 56 * (2 * 256 * 128 + 9 * 4 * 128)),
    "residual-se": (73_984 + 580, 56 * 56 * 2 * 9 * 64 * 64 + 512),
    "residual-cbam": (73_984 + 678, 56 * 56 * (2 * 9 * 64 * 64 + 98) + 1024),
    "se-module": (4 * (64 + 1) + 64 * (4 + 1), 2 * 4 * 64),
    "cbam-module": (580 + 2 * 7 * 7, 2 * 512 + 56 * 56 * 98),
    "densenet-b-layer": (2 * 64 + 64 * 128 + 2 * 128 + 9 * 128 * 32, 56 * 56 * (64 * 128 + 9 * 128 * 32)),
    "batch-norm": (2 * 64, 0),
    "layer-norm": (2 * 64, 0),
    "local-response-norm": (0, 0),
    "perceptron": (2 + 1, 2),
    "two-layer-mlp": (256 * 785 + 10 * 257, 256 * 784 + 10 * 256),
    "layer-fully-connected": (10 * 12, 10 * 12),
    "layer-locally-connected": (10 * 3, 10 * 3),
    "layer-convolutional": (3, 10 * 3),
    "layer-convolutional-toeplitz": (3, 10 * 12),
    "capsnet": (
        82 * 256 + 20_737 * 256 + 1152 * 10 * 8 * 16 + 161 * 512 + 513 * 1024 + 1025 * 784,
        400 * 81 * 256 + 36 * 20_736 * 256 + 1152 * 10 * 8 * 16 + 160 * 512 + 512 * 1024 + 1024 * 784,
    ),
    "capsnet-without-decoder": (
        82 * 256 + 20_737 * 256 + 1152 * 10 * 8 * 16,
        400 * 81 * 256 + 36 * 20_736 * 256 + 1152 * 10 * 8 * 16,
    ),
    "discogan-cycle": (2 * 5_513_856, 2 * 207_618_048),
    "cgan-face-generator": (
        131 * 8000 + 8001 * 8000 + 80 * 3 * 25 + 3 * 32 * 32,
        130 * 8000 + 8000 * 8000 + 80 * 3 * 25 * 100,
    ),
    "cgan-face-discriminator": (
        193 * 64 + 2049 * 64 + 801 * 384 + 4801 * 2500 + 531,
        33 * 33 * 192 * 64 + 15 * 15 * 2048 * 64 + 9 * 9 * 800 * 384 + 4800 * 2500 + 530,
    ),
    "st-cnn-baseline": ST_CNN,
    "st-cnn-single": (
        ST_CNN[0] + 32 * 76 + 32 * 801 + 32 * 32_769 + 32 * 33 + 6 * 33,
        ST_CNN[1] + 64 * 64 * (32 * 75 + 6) + 32 * 32 * 32 * 800 + 32 * 32_768 + 32 * 32 + 6 * 32,
    ),
    "st-cnn-multi": (
        ST_CNN[0] + 32 * (12_289 + 49_153 + 65_537 + 32_769) + 4 * (32 * 33 + 6 * 33),
        ST_CNN[1] + 32 * (12_288 + 49_152 + 65_536 + 32_768) + 4 * 38 * 32 + 6 * (64 * 64 + 2 * 32 * 32 + 16 * 16),
    ),
    "resnext29-8x64d": (resnext29(8), None),
    "resnext29-16x64d": (resnext29(16), None),
    "pix2pix-generator": (
        16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 4 * 512 * 512)
        + 16 * (512 * 512 + 3 * 1024 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 3)
        + 2 * (128 + 256 + 4 * 512 + 4 * 512 + 256 + 128 + 64)
        + 3,
        None,
    ),
    "pix2pix-discriminator": (
        97 * 64 + 16 * (64 * 128 + 128 * 256 + 256 * 512) + 2 * (128 + 256 + 512) + 16 * 512 + 1,
        16 * (128**2 * 6 * 64 + 64**2 * 64 * 128 + 32**2 * 128 * 256 + 31**2 * 256 * 512 + 30**2 * 512),
    ),
    "cnn-f": (
        64 * 364 + 256 * 1601 + 3 * 256 * 2305 + 4096 * 9217 + FC + FC_BIASES,
        54 * 54 * 64 * 363 + 27 * 27 * 256 * 1600 + 3 * 13 * 13 * 256 * 2304 + 4096 * 9216 + FC,
    ),
    "cnn-m": (
        96 * 148 + 256 * 2401 + 512 * 2305 + 2 * 512 * 4609 + 4096 * 18_433 + FC + FC_BIASES,
        109**2 * 96 * 147 + 26**2 * 256 * 2400 + 13**2 * 512 * (2304 + 2 * 4608) + 4096 * 18_432 + FC,
    ),
    "cnn-s": (
        96 * 148 + 256 * 2401 + 512 * 2305 + 2 * 512 * 4609 + 4096 * 18_433 + FC + FC_BIASES,
        109**2 * 96 * 147 + 35**2 * 256 * 2400 + 18**2 * 512 * (2304 + 2 * 4608) + 4096 * 18_432 + FC,
    ),
    "spp-zf-5": (
        96 * 148 + 256 * 2401 + 384 * 2305 + (384 + 256) * 3457 + 4096 * (50 * 256 + 1) + FC + FC_BIASES,
        110**2 * 96 * 147 + 27**2 * 256 * 2400 + 13**2 * (384 * 2304 + 640 * 3456) + 4096 * 50 * 256 + FC,
    ),
    "spp-convnet-5": (
        96 * 364 + 256 * 2401 + 384 * 2305 + (384 + 256) * 3457 + 4096 * (50 * 256 + 1) + FC + FC_BIASES,
        55**2 * (96 * 363 + 256 * 2400) + 27**2 * 384 * 2304 + 13**2 * 640 * 3456 + 4096 * 50 * 256 + FC,
    ),
    "spp-overfeat-5": (
        96 * 148 + 256 * 2401 + 512 * 2305 + 2 * 512 * 4609 + 4096 * (50 * 512 + 1) + FC + FC_BIASES,
        109**2 * 96 * 147 + 36**2 * 256 * 2400 + 18**2 * 512 * (2304 + 2 * 4608) + 4096 * 50 * 512 + FC,
    ),
    "spp-overfeat-7": (
        96 * 148 + 256 * 2401 + 512 * 2305 + 4 * 512 * 4609 + 4096 * (50 * 512 + 1) + FC + FC_BIASES,
        109**2 * 96 * 147 + 36**2 * 256 * 2400 + 18**2 * 512 * (2304 + 4 * 4608) + 4096 * 50 * 512 + FC,
    ),
    "madry-cifar-wide": (
        9 * (3 * 16 + 16 * 160 + 9 * 160**2 + 160 * 320 + 9 * 320**2 + 320 * 640 + 9 * 640**2)
        + 2 * (16 + 10 * 160 + 10 * 320 + 10 * 640)
        + 641 * 10,
        None,
    ),
    "inception-resnet-v1": (20_963_328 + 1793 * 1000, None),  # timesler/facenet-pytorch without its sixth block C
    "maxout-cifar10": (
        193 * 192 + 6145 * 384 + 4801 * 384 + 4801 * 2500 + 501 * 10,
        33 * 33 * 192 * 192 + 15 * 15 * 6144 * 384 + 9 * 9 * 4800 * 384 + 4800 * 2500 + 500 * 10,
    ),
    "maxout-mnist": (
        96 * (64 + 21 * 21) + 96 * (48 * 64 + 9 * 9) + 96 * (48 * 25 + 6 * 6) + 10 * (24 * 9 + 1),
        21 * 21 * 96 * 64 + 9 * 9 * 96 * 48 * 64 + 6 * 6 * 96 * 48 * 25 + 10 * 24 * 9,
    ),
    "stochastic-pooling-cifar10": (
        64 * 76 + 2 * 64 * 1601 + 10 * (64 * 16 + 1),
        32 * 32 * 64 * 75 + (16 * 16 + 8 * 8) * 64 * 1600 + 10 * 64 * 16,
    ),
    "stochastic-pooling-mnist": (
        64 * 26 + 2 * 64 * 1601 + 10 * (64 * 9 + 1),
        28 * 28 * 64 * 25 + (14 * 14 + 7 * 7) * 64 * 1600 + 10 * 64 * 9,
    ),
    "prelu-net-a": prelu_net((256, 512, 512), (5, 5, 5)),
    "prelu-net-b": prelu_net((256, 512, 512), (6, 6, 6)),
    "prelu-net-c": prelu_net((384, 768, 896), (6, 6, 6)),
    "elu-net": elu_net(),
    "fitnet-1": fitnet((16, 16, 16), (32, 32, 32), (48, 48, 64)),
    "fitnet-2": fitnet((16, 32, 32), (48, 64, 80), (96, 96, 128)),
    "fitnet-3": fitnet((32, 48, 64, 64), (80,) * 4, (128,) * 3),
    "fitnet-4": fitnet((32, 32, 32, 48, 48), (80,) * 6, (128,) * 6),
    "dropconnect-cifar10": (
        64 * 76 + 64 * 1601 + 36 * 32 * (577 + 289) + 1153 * 128 + 129 * 10,
        24 * 24 * 64 * 75 + 12 * 12 * 64 * 1600 + 36 * 32 * (576 + 288) + 1152 * 128 + 128 * 10,
    ),
    "multi-digit-svhn": (
        144 * 76
        + 64 * 1201
        + 128 * 1601
        + 160 * 3201
        + 192 * 4001
        + 3 * 192 * 4801
        + 16 * 192 * 4801
        + 3073 * (3072 + 3072 + 7 + 5 * 10),
        54**2 * 144 * 75
        + 27**2 * (64 * 1200 + 128 * 1600)
        + 14**2 * (160 * 3200 + 192 * 4000)
        + 7**2 * 2 * 192 * 4800
        + 4**2 * 2 * 192 * 4800
        + 3072 * (3072 + 3072 + 57),
    ),
    "dcgan-generator": (
        (100 + 2) * 16_384 + 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3) + 2 * (512 + 256 + 128),
        None,
    ),
    "dcgan-discriminator": (
        25 * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 1024) + 2 * (256 + 512 + 1024) + 16_384,
        None,
    ),
    "dropout-mlp-1024": (785 * 1024 + 2 * 1025 * 1024 + 1025 * 10, 784 * 1024 + 2 * 1024**2 + 1024 * 10),
    "dropout-mlp-8192": (785 * 8192 + 8193 * 8192 + 8193 * 10, None),
    "fast-rcnn-vgg16": (VGG16 + 4097 * (21 + 84), None),
    "faster-rcnn-vgg16": (VGG16 + 4097 * (21 + 84), None),
    "faster-rcnn-zf": (ZF + 4096 * (9217 + 4097) + 4097 * (21 + 84), None),
    "zfnet": (ZF + 4096 * (9217 + 4097) + 4097 * 1000, None),
    "gan-mnist-generator": (101 * 1200 + 1201 * 1200 + 1201 * 784, 100 * 1200 + 1200**2 + 1200 * 784),
    "gan-mnist-discriminator": (785 * 1200 + 241 * 1200 + 241, 784 * 1200 + 240 * 1200 + 240),
    "gan-cifar-generator": (101 * 8000 + 8001 * 8000 + 80 * 3 * 25 + 3 * 32 * 32, None),
    "gan-cifar-discriminator": (193 * 64 + 2049 * 64 + 801 * 384 + 4801 * 2500 + 501, None),
    "cgan-mnist-generator": (101 * 200 + 11 * 1000 + 1201 * 1200 + 1201 * 784, None),
    "cgan-mnist-discriminator": (785 * 1200 + 11 * 250 + 291 * 960 + 241, None),
    **{f"highway-{n}": (785 * 50 + (n - 1) * 2 * 51 * 50 + 510, None) for n in (10, 20, 50, 100)},
    **{f"plain-mlp-{n}": (785 * 71 + (n - 1) * 72 * 71 + 720, None) for n in (10, 20, 50, 100)},
    "madry-mnist-cnn": (32 * 26 + 64 * 801 + 1024 * 3137 + 10 * 1025, 784 * 800 + 196 * 51_200 + 3136 * 1024 + 10_240),
    "render-for-cnn": (
        96 * 364 + 256 * 1201 + 384 * 2305 + (384 + 256) * 1729 + 4096 * (9217 + 4097) + 3 * 360 * 12 * 4097,
        None,
    ),
    "rnnsearch-50": (60_000 * 620 + 6 * 1000 * 1620 + 4_001_000 + 4 * 1000 * 3620 + 30_000 * 500, None),
    "rnnenc-50": (60_000 * 620 + 3 * 1000 * 1620 + 1000 * 1000 + 4 * 1000 * 2620 + 30_000 * 500, None),
    "tf-playground-mlp": (3 * 4 + 5 * 2 + 3, 8 + 8 + 2),
    "unet": (
        64 * (10 + 577)
        + sum(2 * c * (9 * c + 1) + 2 * c * (18 * c + 1) for c in (64, 128, 256, 512))  # down
        + sum(c * (8 * c + 1) + c * (18 * c + 1) + c * (9 * c + 1) for c in (64, 128, 256, 512))  # and up again
        + 65 * 2,
        None,
    ),
    "all-cnn-c": (
        96 * (28 + 2 * 865) + 192 * (865 + 3 * 1729 + 193) + 10 * 193,
        9 * (32**2 * 96 * (3 + 96) + 16**2 * 96 * (96 + 192) + 16**2 * 192**2 + 8**2 * 192**2 + 6**2 * 192**2)
        + 6**2 * 192 * (192 + 10),
    ),
    "mcdnn-mnist": (20 * 17 + 40 * 501 + 150 * 361 + 10 * 151, 26**2 * 20 * 16 + 9**2 * 40 * 500 + 150 * 360 + 1500),
    "resnet18-preact-erasing": (resnet18_preact(), None),
    "resnet34-c": (
        21_797_672 + 3 * (64**2 + 128) + 3 * (128**2 + 256) + 5 * (256**2 + 512) + 2 * (512**2 + 1024),  # torchvision's
        None,
    ),
    "resnext152-64x4d": (resnext152(), None),
    "pool-2x2": (0, 0),
    "tcn:Adding Problem 600": tcn(8, 8, 24, 2, 1, 600, 1),
    "tcn:Seq. MNIST, smaller": tcn(6, 8, 20, 1, 10, 784, 1),
    "tcn:Copy Memory Task 1000": tcn(8, 8, 10, 1, 10, 1020, 1020),
    "tcn:Music Nottingham": tcn(6, 4, 150, 88, 88, 100, 100),
    "tcn-ptb-word": (10_000 * 600 + 4 * 2 * 600 * 1801, 100 * (4 * 2 * 3 * 600 * 600 + 600 * 10_000)),
    "tcn-ptb-char": (50 * 100 + tcn(3, 3, 450, 100, 50, 1, 1)[0], tcn(3, 3, 450, 100, 50, 100, 100)[1]),
    "simple-mlp-1": (842 * 1000 + 1001 * 500 + 501 * 10, 841 * 1000 + 1000 * 500 + 500 * 10),
    "simple-mlp-2": (842 * 1500 + 1501 * 1000 + 1001 * 500 + 501 * 10, None),
    "simple-mlp-3": (842 * 2000 + 2001 * 1500 + 1501 * 1000 + 1001 * 500 + 501 * 10, None),
    "simple-mlp-4": (842 * 2500 + 2501 * 2000 + 2001 * 1500 + 1501 * 1000 + 1001 * 500 + 501 * 10, None),
    "gnmt": (
        2 * 32_000 * 1024 + 4096 * (8 * 2049 + 9 * 3073) + 2 * 1024 * 1024 + 1024 + 32_000 * 1025,
        5 * (4096 * (8 * 2048 + 9 * 3072) + 2 * 1024 * 1024 + 2 * 5 * 1024 + 32_000 * 1024),
    ),
    "convs2s-en-de": convs2s(25),
    "efficientnet-b0": (efficientnet(1), None),
    "efficientnet-b0-scaled": (efficientnet(2), None),
    "moe-translation-32": moe(32, 5),
    "moe-translation-2048": moe(2048, 1),
    "rnnenc-30": (
        2 * 30_000 * 620 + 3 * 1000 * 1620 + 1000 * 1000 + 4 * 1000 * 2620 + 30_000 * 500,
        30 * (3 * 1000 * 1620 + 4 * 1000 * 2620 + 30_000 * 500) + 1000 * 1000,
    ),
}
ROWS = [[cell.strip() for cell in line.split("|")] for line in PUBLISHED.strip().splitlines()]


@pytest.mark.parametrize(("name", "params", "macs", "input_", "_counted", "_by"), ROWS, ids=[row[0] for row in ROWS])
def test_a_count_is_the_published_one(name: str, params: str, macs: str, input_: str, _counted: str, _by: str) -> None:
    model = archcalc.load(name)
    assert " + ".join("×".join(map(str, shape)) for _, shape in model.graph.inputs) == input_
    assert model.totals.params == int(params.replace(",", ""))
    if macs:
        assert model.totals.macs == int(macs.replace(",", ""))


@pytest.mark.parametrize("name", BY_HAND)
def test_a_count_is_the_one_by_hand(name: str) -> None:
    totals = archcalc.load(name).totals
    params, macs = BY_HAND[name]
    assert (totals.params, macs or totals.macs) == (params, totals.macs)


def test_the_weights_of_a_radiance_field() -> None:
    """5 MB: "Our method requires only 5 MB for the network weights" (NeRF, section 6.3), of a coarse and a fine one."""
    assert round(2 * archcalc.load("nerf").totals.param_bytes / 1e6) == 5
