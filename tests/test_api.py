"""From Python: `archcalc.load` and what it gives."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import archcalc
from archcalc import cli, networks
from archcalc.analysis import counts, receptive
from archcalc.errors import SpecError, UsageError
from archcalc.graph import Graph, state_key
from archcalc.ops import Shape
from archcalc.units import ITEMSIZE
from tests.graphs import call, chain

TINY = """\
input: 3 × 8 × 8
given: {classes: 4}
heads:
  aux: {at: body, layers: gap linear(2)}
columns: {layer: layer}
layers:
  table: |
    layer
    body
    head
notation:
  body: conv(8, 3) bn relu
  head: gap dropout linear(classes)
"""


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return str(path)


def test_a_model_is_frozen_and_carries_its_numbers() -> None:
    model = archcalc.load("vgg16")
    assert (model.name, model.family, model.variant, model.input) == ("vgg16", "vgg", "D", (3, 224, 224))
    assert model.totals.params == 138_357_544
    assert sum(layer.params for layer in model.layers) == model.totals.params
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.name = "vgg19"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["vgg:D", "vgg:vgg16", "vgg16"])
def test_a_model_answers_to_the_typed_and_the_printed_name(name: str) -> None:
    assert archcalc.load(name).name == "vgg16"


def test_several_variants_and_none_named_is_wrong_use_that_lists_them() -> None:
    with pytest.raises(UsageError) as caught:
        archcalc.load("vgg")
    assert "vgg:vgg16" in caught.value.render()


@pytest.mark.parametrize(("typed", "meant"), [("vgg61", "vgg16"), ("resnet5", "resnet50"), ("googlnet", "googlenet")])
def test_an_unknown_name_offers_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=typed) as caught:
        archcalc.load(typed)
    assert f"`{meant}`" in caught.value.hint


def test_input_and_constants_replace_the_printed_ones(tiny: str) -> None:
    model = archcalc.load(tiny, input=(3, 16, 16), settings={"classes": 10})
    assert model.graph.nodes[0].shape == (8, 16, 16)
    assert model.totals.params == (3 * 8 * 9 + 8) + 2 * 8 + (8 * 10 + 10)
    assert not model.claims  # the paper's figures are for the printed input


@pytest.mark.parametrize("settings", [{"klasses": 3}, {"classes": "many"}])
def test_a_setting_that_makes_no_sense_is_wrong_use(tiny: str, settings: dict[str, str | int]) -> None:
    with pytest.raises(UsageError):
        archcalc.load(tiny, settings=settings)


def test_a_setting_that_breaks_the_network_is_an_error_at_its_place(tiny: str) -> None:
    with pytest.raises(SpecError, match="at least 1"):
        archcalc.load(tiny, settings={"classes": 0})


def test_the_torch_twin_is_a_module_whose_names_follow_from_the_paths(tiny: str) -> None:
    model = archcalc.load(tiny)
    network = model.torch()
    names = dict(network.named_parameters())
    expected = {
        f"{state_key(layer.path)}.{p.name}" for layer in model.layers if not layer.node.head for p in layer.cost.params
    }
    assert expected == set(network.state_dict()) - {"body.bn.num_batches_tracked"}
    assert sum(p.numel() for p in names.values()) == model.totals.params
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 4)


def test_the_torch_twin_trains_with_its_heads(tiny: str) -> None:
    torch.manual_seed(0)
    network = archcalc.load(tiny).torch(heads=True)
    x, y = torch.randn(8, 3, 8, 8), torch.randint(4, (8,))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.3)
    losses = []
    for _ in range(100):
        main, heads = network(x)
        loss = torch.nn.functional.cross_entropy(main, y) + heads["aux"].square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_every_model_can_be_built_where_it_takes_no_memory() -> None:
    model = archcalc.load("vit-h-14")
    network = model.torch(device="meta")
    assert network(torch.zeros(1, 3, 224, 224, device="meta")).shape == (1, 1000)
    assert sum(p.numel() for p in network.parameters()) == model.totals.params


# --- counted once -------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a graph is counted, and how often receptive fields are walked through one."""
    made: Counter[str] = Counter()

    def watch(module: Any, name: str) -> None:
        function: Callable[..., Any] = getattr(module, name)

        def watched(*args: Any) -> Any:
            made[name] += 1
            return function(*args)

        monkeypatch.setattr(module, name, watched)

    watch(counts, "_costs")  # all that counts a graph comes by here
    watch(receptive, "_walk")
    return made


def test_a_model_is_counted_once(counted: Counter[str]) -> None:
    model = archcalc.load("resnet18")
    assert not counted
    assert model.totals == model.totals == model.report().totals
    assert model.layers is model.layers
    assert model.claims is model.claims
    assert model.report(8).totals.macs == 8 * model.totals.macs
    assert model.training(8).forward_macs == model.report(8).totals.macs
    assert model.fit(10**9, "adam").batch > 1
    assert model.summary(batch=4, optimizer="sgd").judgements == model.claims
    assert counted == {"_costs": 1}


@pytest.mark.parametrize(
    ("arguments", "graphs", "walks"),
    [
        (("summary", "lenet5", "--static"), 1, 0),
        (("summary", "lenet5", "--static", "--batch", "8", "--train"), 1, 0),
        (("summary", "lenet5", "--static", "--columns", "receptive_field"), 1, 1),
        (("summary", "lenet5", "--static", "--format", "json"), 1, 1),
        (("compare", "lenet5", "alexnet"), 2, 2),
        (("compare", "lenet5", "alexnet", "--by", "stage", "--batch", "3", "--format", "json"), 2, 2),
        (("fit", "lenet5", "--memory", "1GiB"), 1, 0),
        (("fit", "lenet5", "--memory", "1GiB", "--train", "--optimizer", "adam"), 1, 0),
        (("measure", "lenet5", "--batch", "1,2", "--runs", "1"), 1, 0),
    ],
)
def test_a_command_counts_each_network_once(
    counted: Counter[str], arguments: tuple[str, ...], graphs: int, walks: int
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(list(arguments))
    assert not left.value.code
    assert (counted["_costs"], counted["_walk"]) == (graphs, walks)


def test_counts_at_a_batch_are_those_counted_there() -> None:
    for name in ("googlenet", "lstm-ptb-small", "vit-b-16"):
        graph = archcalc.load(name).graph
        for dtype in ITEMSIZE:
            assert counts.analyse(graph, 1, dtype).at_batch(6) == counts.analyse(graph, 6, dtype)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_has_a_sample(batch: int) -> None:
    with pytest.raises(UsageError, match="at least one sample"):
        archcalc.load("lenet5").report(batch)


# --- in another process -------------------------------------------------------------------------------------------

READ = """\
import pickle, sys
model = pickle.load(sys.stdin.buffer)
assert pickle.loads(pickle.dumps(model)) == model
ops = {node.op for node in model.graph.nodes}
assert {type(op)(*[getattr(op, field.name) for field in op.fields]) for op in ops} == ops  # also by their hashes
print(model.totals.params, len(model.claims), sum(claim.holds for claim in model.claims), model.fold_bn().totals.params)
"""


@pytest.mark.parametrize("name", ["vgg16", "googlenet", "alexnet", "vit-b-16", "nasnet-a-mobile"])
def test_a_model_is_pickled(name: str) -> None:
    model = archcalc.load(name)
    claims = len(model.claims), sum(claim.holds for claim in model.claims)
    done = subprocess.run(
        [sys.executable, "-c", READ], input=pickle.dumps(model), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split() == list(map(str, (model.totals.params, *claims, model.fold_bn().totals.params)))


def test_a_pickle_is_the_network_that_was_read(tiny: str) -> None:
    """Whatever becomes of its file."""
    model = archcalc.load(tiny, settings={"classes": 7}).fold_bn()
    assert model.totals.params  # what is counted already stays behind
    data = pickle.dumps(model)
    assert data == pickle.dumps(archcalc.load(tiny, settings={"classes": 7}).fold_bn())
    Path(tiny).unlink()
    again = pickle.loads(data)
    assert again == model
    assert (again.totals, again.settings, again.folded) == (model.totals, {"classes": 7}, True)
    assert again.selection is not None
    assert networks.network(again.selection, (3, 9, 9)).graph.inputs == (("input", (3, 9, 9)),)


# --- one door -----------------------------------------------------------------------------------------------------


def test_a_path_is_a_spec(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archcalc.load(Path(tiny)) == archcalc.load(tiny)
    monkeypatch.chdir(tmp_path)
    assert archcalc.load(Path("tiny.yaml")).totals == archcalc.load(tiny).totals
    with pytest.raises(SpecError, match="vgg16"):
        archcalc.load(Path("vgg16"))  # a file, not the model of this name


def test_another_front_gives_graphs_of_its_own_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    def front(reference: str, input: Shape | None, settings: networks.Settings) -> Graph | None:
        return chain(input or (3, 8, 8), call("conv", out=4, kernel=3)) if reference.startswith("mine:") else None

    monkeypatch.setattr(networks, "FRONTS", [front])
    model = archcalc.load("mine:net", input=(5, 8, 8))
    assert (model.name, model.totals.params, model.claims) == ("mine:net", 4 * 5 * 9 + 4, ())
    assert model.summary(batch=2).report.totals.macs == 2 * model.totals.macs
    assert archcalc.load("lenet5").totals.params == 60_000


# --- everything can be called -------------------------------------------------------------------------------------

SPEC = Path(__file__).parent.parent / "specs" / "lenet5.yaml"
FAST = archcalc.Conditions(threads=1, runs=1, time_limit=0)
CALLS: dict[str, Callable[[], Any]] = {
    "capture": lambda: archcalc.capture(torch.nn.Linear(4, 4), torch.ones(1, 4)),
    "check": lambda: archcalc.check(SPEC),
    "compare": lambda: archcalc.compare("lenet5", "alexnet"),
    "diff": lambda: archcalc.diff("lenet5", "alexnet"),
    "explain": lambda: archcalc.explain("lenet5", "C1"),
    "export": lambda: archcalc.export("lenet5"),
    "fit": lambda: archcalc.fit("lenet5", "1GiB"),
    "list": lambda: archcalc.list("lenet5"),
    "load": lambda: archcalc.load("lenet5"),
    "lock": lambda: archcalc.lock("lenet5"),
    "measure": lambda: archcalc.measure("lenet5", FAST),
    "paper": lambda: archcalc.paper("lenet5"),
    "plot": lambda: archcalc.plot("layers", "lenet5"),
    "scale": lambda: archcalc.scale("lenet5", batches=[1, 2]),
    "summary": lambda: archcalc.summary("lenet5"),
    "trace": lambda: archcalc.trace("torch.nn:ReLU", "net.json", input=(4,)),
    "verify": lambda: archcalc.verify("lenet5"),
}


def test_no_module_hides_a_public_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`import archcalc.x` binds `archcalc.x`: no module may have a function's name."""
    monkeypatch.chdir(tmp_path)
    for module in pkgutil.walk_packages(archcalc.__path__, "archcalc."):
        importlib.import_module(module.name)
    assert {name for name in dir(archcalc) if inspect.isfunction(getattr(archcalc, name))} == CALLS.keys()
    for name, ask in CALLS.items():
        assert dataclasses.is_dataclass(ask()), name


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"explain", "export", "lock", "plot", "trace"}))
def test_a_result_is_a_table_in_a_notebook(name: str) -> None:
    result = CALLS[name]()
    assert "<table>" in result._repr_html_()
    assert "<script" not in result._repr_html_()
    assert len(result.frame()) > 0


def test_arithmetic_shows_itself() -> None:
    assert "117,600" in CALLS["explain"]()._repr_html_()


def test_a_picture_shows_itself() -> None:
    drawn = CALLS["plot"]()
    assert drawn._repr_html_().startswith("<svg")
    assert drawn.figure().axes


def test_a_path_is_a_spec_file(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archcalc.load(Path(tiny)).totals == archcalc.load(tiny).totals
    monkeypatch.chdir(Path(tiny).parent)
    Path(tiny).rename("lenet5")
    assert archcalc.load(Path("lenet5")).totals.params == 216 + 8 + 16 + 36, "not the model of that name"


def test_ctrl_c_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def tick(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    found = archcalc.measure("lenet5", archcalc.Conditions(threads=1, runs=9, time_limit=60), tick=tick)
    assert isinstance(found.stopped, KeyboardInterrupt)
    assert found.run.measurements[0].stopped == "interrupted"


def test_progress_is_heard() -> None:
    heard: list[tuple[int, int]] = []
    archcalc.scale("lenet5", inputs=[32, 64], batches=[1, 8], tick=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
