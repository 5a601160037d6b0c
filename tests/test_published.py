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
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in PUBLISHED.strip().splitlines()]


@pytest.mark.parametrize(("name", "params", "macs", "input_", "_counted", "_by"), ROWS, ids=[row[0] for row in ROWS])
def test_a_count_is_the_published_one(name: str, params: str, macs: str, input_: str, _counted: str, _by: str) -> None:
    model = archcalc.load(name)
    assert " + ".join("×".join(map(str, shape)) for _, shape in model.graph.inputs) == input_
    assert model.totals.params == int(params.replace(",", ""))
    if macs:
        assert model.totals.macs == int(macs.replace(",", ""))
