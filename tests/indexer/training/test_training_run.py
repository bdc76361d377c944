"""A whole training run on a handful of real pictures: it learns, it repeats, it goes on after a kill."""

import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from indexer.fingerprints.copy_network import folded_network
from indexer.training.evaluation import Quality
from indexer.training.heldout import HeldOut
from indexer.training.loss import Batch, copy_loss
from indexer.training.near_duplicates import find_near_duplicates, nearest_pairs
from indexer.training.pictures import PictureBank, is_held_out, open_bank, pack
from indexer.training.procedural import procedural_picture
from indexer.training.projection import save_network
from indexer.training.run import CHECKPOINT, Options, TrainingRun
from indexer.training.train import keep_options
from indexer.training.views import START_FILE, Step, Views, make_views, network_in
from tests.pictures import picture

OPTIONS = Options(steps=4, pictures_per_step=3, copies=1, side=32, evaluate_every=2, held_out=0.3)
PHOTOGRAPHS = ("coffee", "cat", "rocket", "astronaut", "camera", "hubble")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name in PHOTOGRAPHS:
        whole = picture(name).resize((256, 256))
        whole.save(folder / f"{name}.png")
        whole.crop((0, 0, 128, 256)).save(folder / f"{name}-left.png")
    for number in range(8):
        Image.fromarray(procedural_picture(random.Random(number))).save(folder / f"drawn-{number}.png")
    return folder


def train(bank_of: Path, folder: Path, options: Options, until: int | None = None) -> dict[int, Quality]:
    """Trains; with `until`, stops after so many steps, as a killed process does."""
    measured: dict[int, Quality] = {}

    def evaluated(step: int, quality: Quality) -> None:
        measured[step] = quality

    class Killed(Exception):
        pass

    def show(what: str, done: int, of: int, figures: str) -> None:
        if what == "training" and done == until:
            raise Killed

    folder.mkdir(exist_ok=True)
    bank = open_bank(folder) if (folder / "pictures.json").exists() else pack([bank_of], folder)
    run = TrainingRun(folder, bank, options, 1, "cpu", show)
    try:
        run.train(evaluated)
        run.export()
    except Killed:
        pass
    finally:
        run.close()
    return measured


@pytest.mark.slow
def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(
    pictures: Path, tmp_path: Path
) -> None:
    whole = train(pictures, tmp_path / "whole", OPTIONS)
    assert list(whole) == [0, 2, 4]
    assert all(quality.queries > quality.positives > 0 for quality in whole.values())
    (tmp_path / "killed").mkdir()
    for name in (
        "pictures.u8",
        "pictures.json",
        "start.safetensors",
        "start-memory.npy",
        "near-duplicates.json",
    ):
        shutil.copy(tmp_path / "whole" / name, tmp_path / "killed")  # the same start, made once
    train(pictures, tmp_path / "killed", OPTIONS, until=3)
    assert (tmp_path / "killed" / CHECKPOINT).exists()
    assert list(train(pictures, tmp_path / "killed", OPTIONS)) == [4]
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed"))
    assert one.keys() == other.keys() == folded_network().state_dict().keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    moved = folded_network()
    moved.load_state_dict(load_file(tmp_path / "whole" / "start.safetensors"))
    frozen = "trunk._blocks.2._project_conv.weight"
    learned = "trunk._blocks.9._project_conv.weight"
    assert torch.equal(moved.state_dict()[frozen].half(), one[frozen])
    assert not torch.equal(moved.state_dict()[learned].half(), one[learned])


def test_pictures_are_packed_once_and_split_by_name(pictures: Path, tmp_path: Path) -> None:
    bank = pack([pictures], tmp_path)
    assert np.array_equal(
        bank[bank.names.index("coffee.png")], np.asarray(picture("coffee").resize((256, 256)))
    )
    assert open_bank(tmp_path).digest == bank.digest
    shares = [is_held_out(f"{number}.jpg", 0.2) for number in range(2000)]
    assert 0.15 < np.mean(shares) < 0.25
    assert is_held_out("coffee.png", 0.2) == is_held_out("coffee.png", 0.2)


def test_near_duplicates_are_found_by_their_geometry_and_distractors_are_not(
    pictures: Path, tmp_path: Path
) -> None:
    bank = pack([pictures], tmp_path)
    photographs = [number for number, name in enumerate(bank.names) if not name.startswith("drawn")]
    pairs = [(left, right) for left in photographs for right in photographs if left < right]
    found = find_near_duplicates(bank, pairs, 2, lambda done, of: None)
    found_names = {frozenset((bank.names[left], bank.names[right])) for left, right in found}
    assert {
        frozenset((f"{name}.png", f"{name}-left.png")) for name in ("coffee", "cat", "rocket")
    } <= found_names
    assert all(
        len({name.removesuffix(".png").removesuffix("-left") for name in pair}) == 1 for pair in found_names
    )


def test_neighbours_are_unordered_pairs_without_the_picture_itself() -> None:
    vectors = np.eye(4, dtype=np.float32)
    vectors[1] = vectors[0]
    pairs = nearest_pairs(vectors, neighbours=1)
    assert (0, 1) in pairs
    assert all(one < other for one, other in pairs)


def batch(copies: torch.Tensor, originals: torch.Tensor, *spared: tuple[int, int]) -> Batch:
    blank = torch.zeros(len(copies), len(originals), dtype=torch.bool)
    for row, column in spared:
        blank[row, column] = True
    numbers = torch.arange(len(originals))
    return Batch(originals, numbers, copies, numbers[: len(copies)], blank)


def test_the_loss_falls_when_copies_come_nearer_and_spares_kin() -> None:
    originals = torch.eye(6)
    near = torch.nn.functional.normalize(originals + 0.05, dim=1)
    mixed = near[torch.tensor([1, 0, 2, 3, 4, 5])]
    good, _ = copy_loss(batch(near, originals), originals)
    bad, _ = copy_loss(batch(mixed, originals), originals)
    assert good < 0.01 < bad
    double = originals.clone()
    double[1] = double[0]
    counted, crowded = copy_loss(batch(double, double), double)
    spared, free = copy_loss(batch(double, double, (0, 1), (1, 0)), double)
    assert counted > spared + 0.1
    assert crowded > free


def test_gradients_reach_originals_and_copies() -> None:
    originals = torch.nn.functional.normalize(torch.randn(5, 8), dim=1).requires_grad_()
    copies = torch.nn.functional.normalize(torch.randn(5, 8), dim=1).requires_grad_()
    copies_apart, crowding = copy_loss(batch(copies, originals), torch.zeros(5, 8))
    torch.autograd.backward(copies_apart + crowding)
    assert originals.grad is not None
    assert copies.grad is not None
    assert originals.grad.abs().sum() > 0
    assert copies.grad.abs().sum() > 0


def test_held_out_pictures_whose_double_was_learned_do_not_count(pictures: Path, tmp_path: Path) -> None:
    bank: PictureBank = pack([pictures], tmp_path)
    names = ("coffee.png", "coffee-left.png", "cat.png", "rocket.png", "astronaut.png")
    coffee, left, *others = (bank.names.index(name) for name in names)
    network = folded_network()
    alone = HeldOut(bank, [coffee, *others], [left], {}, 32).measure(network, "cpu")
    without = HeldOut(bank, [coffee, *others], [left], {coffee: {left}, left: {coffee}}, 32)
    assert without.measure(network, "cpu").queries == alone.queries - 3


@pytest.mark.parametrize("seed", range(4))
def test_procedural_pictures_repeat_and_are_not_flat(seed: int) -> None:
    one, other = (procedural_picture(random.Random(seed)) for _ in range(2))
    assert np.array_equal(one, other)
    assert one.shape == (224, 224, 3)
    assert one.std() > 5


def test_the_trunk_may_run_where_the_views_are_made_or_where_they_are_learned_from(
    pictures: Path, tmp_path: Path
) -> None:
    bank = pack([pictures], tmp_path)
    save_network(folded_network(), tmp_path / START_FILE)
    there = Views(tmp_path, 32, 1, 5, tuple(range(len(bank))))
    here = replace(there, runs_trunk=False)
    step = Step(3, (0, 1, 2))
    made, raw = make_views(there, step), make_views(here, step)
    assert np.array_equal(made.others, raw.others)
    with torch.inference_mode():
        lowered = network_in(tmp_path / START_FILE).lower(torch.from_numpy(raw.maps), 5).numpy()
    assert np.allclose(lowered, made.maps, atol=0.02)


def test_a_run_goes_on_with_its_options_except_the_number_of_steps(tmp_path: Path) -> None:
    keep_options(tmp_path, OPTIONS)
    keep_options(tmp_path, replace(OPTIONS, steps=9))
    with pytest.raises(SystemExit, match="side"):
        keep_options(tmp_path, replace(OPTIONS, side=64))
