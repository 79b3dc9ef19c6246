from __future__ import annotations

import gc
import itertools
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from makeweight.augmentations import AUGMENTATIONS, Affine, Augmentation, InstanceNoise, Transform
from makeweight.chance import Chance, Changes, Tape, tensors_of
from makeweight.evolution import Annealed, Evolution
from makeweight.game import is_penalty_due, play, step
from makeweight.penalties import R1, GradientPenalty
from makeweight.priors import Request
from makeweight.replay import Captured, Replay
from makeweight.stabilisers import Mixed
from makeweight.team import Team
from makeweight.transfer import abreast

from .playing import BATCH, THREE, make_game, make_players, real_batches

CPU = torch.device("cpu")


def weights_of(*individuals: Any) -> list[Tensor]:
    return [each.row.clone() for each in individuals]


@pytest.mark.parametrize(
    ("mutations", "changes"),
    [
        (THREE, {"acceptance": Annealed(temperature=0.1, cooling=0.9)}),
        (THREE, {"acceptance": Annealed(temperature=0.1), "evolution": Evolution(fresh_noise=True)}),
        (("non_saturating",), {"discriminator_steps": 3}),
        (("non_saturating",), {"penalty": GradientPenalty()}),
        (("hinge",), {"augmentation": AUGMENTATIONS.get("diff_augment")()}),
    ],
)
def test_steps_by_a_tape_are_those_by_its_source(mutations: tuple[str, ...], changes: dict[str, Any]) -> None:
    """The tape's tensors stay where they are, and hold what a step without a tape would draw."""
    game = make_game(mutations, **changes)
    by_tape, as_ever = make_players(game), make_players(game)
    tape = Tape(torch.Generator().manual_seed(3), CPU)
    random = torch.Generator().manual_seed(3)
    places: list[int] = []
    n_images = BATCH * game.discriminator_steps
    for number, (images, codes) in enumerate(itertools.islice(real_batches(n=n_images), 5)):
        for players in (by_tape, as_ever):
            players.temperature = None if game.acceptance.start() is None else 0.1 * 0.5**number
        if number:
            tape.refill()
        mine = play(game, by_tape, images, codes, tape)
        theirs = step(game, as_ever, images, codes, random)
        assert torch.equal(mine.figures(), theirs.figures())
        held = [tensor.data_ptr() for drawn in tape.drawn for tensor in tensors_of(drawn) or []]
        assert held == (places or held)
        places = held
        for one, other in zip(
            weights_of(by_tape.generator, by_tape.discriminator),
            weights_of(as_ever.generator, as_ever.discriminator),
            strict=True,
        ):
            assert torch.equal(one, other)
    assert tape.replayable
    assert len(places) >= 4


class Inverted(Augmentation):
    """An augmentation of a user's own, by a plain function."""

    def draw(self, n: int, generator: torch.Generator, n_steps: int = 0) -> Transform:
        return lambda images: -images


@pytest.mark.parametrize("augmentation", [Inverted(), InstanceNoise()])
def test_a_tape_knows_what_it_cannot_hold(augmentation: Augmentation) -> None:
    game = make_game(augmentation=augmentation)
    tape = Tape(torch.Generator().manual_seed(0), CPU)
    play(game, make_players(game), *next(real_batches()), tape)
    assert not tape.replayable


def test_everything_drawn_is_moved() -> None:
    """The device `meta` holds no numbers, so that what lies there has been moved."""
    game, chance = make_game(), Chance(torch.Generator().manual_seed(0), torch.device("meta"))
    request = chance.draw(game.request)
    assert isinstance(request, Request)
    assert (request.noise.is_meta, request.codes.is_meta) == (True, True)
    changes = chance.draw(lambda random: Affine().draw(4, random))
    assert isinstance(changes, Changes)
    assert changes.numbers.is_meta


def test_changes_are_prepared_once_a_shape() -> None:
    shapes: list[tuple[int, ...]] = []

    def prepare(numbers: Tensor, shape: torch.Size) -> Tensor:
        shapes.append(tuple(shape))
        return 2 * numbers

    changes = Changes(lambda images, ready: images + ready, torch.tensor(1.0), prepare)
    small, large = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 4, 4)
    assert [changes(images).max().item() for images in (small, large, small + 1)] == [2, 2, 3]
    assert shapes == [(1, 1, 2, 2), (1, 1, 4, 4)]
    assert changes.with_numbers(torch.tensor(5.0))(small).max() == 10
    assert len(shapes) == 3


def test_the_kind_of_a_step() -> None:
    game = make_game(penalty=R1(every=2))
    players = make_players(game)
    due = []
    for _ in range(5):
        due.append(is_penalty_due(game, players))
        players.n_steps += 1
    assert due == [True, False, True, False, True]
    assert not is_penalty_due(make_game(), players)


@dataclass
class Film:
    """Stands for a CUDA graph: replayed, it takes the step that was captured, which it does not count."""

    filmed: Filmed
    known: Captured

    def replay(self) -> None:
        self.filmed.n_replayed += 1
        n_steps, self.known.tape.place = self.filmed.players.n_steps, 0
        known = self.known
        known.outcome = play(self.filmed.game, self.filmed.players, known.images, known.codes, known.tape)
        self.filmed.players.n_steps = n_steps


class Filmed(Replay):
    """Replays without a GPU."""

    n_replayed = 0

    def _capture(self, known: Captured) -> None:
        known.graph, known.outcome = Film(self, known), object()  # type: ignore[assignment]


@pytest.mark.parametrize("filmed", [True, False], ids=["replayed", "refused"])
@pytest.mark.parametrize("by_mode", [False, True], ids=["a penalty now and then", "mixed more and more"])
def test_replayed_steps_are_steps(filmed: bool, by_mode: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By every kind of step, also where the graph of one is let go, or where nothing can be captured at all."""
    changes = {"mixing": Mixed(rate=0.1), "steps_per_epoch": 3} if by_mode else {"penalty": R1(every=3)}
    game = make_game(THREE, Annealed(temperature=0.1), **changes)
    mine, theirs = make_players(game, by_mode=by_mode), make_players(game, by_mode=by_mode)
    random = torch.Generator().manual_seed(3)
    replay = (Filmed if filmed else Replay)(game, mine, torch.Generator().manual_seed(3))
    if not filmed:
        monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
        monkeypatch.setattr(torch.cuda, "graph", refusing)
    for images, codes in itertools.islice(real_batches(), 14):
        mine.temperature = theirs.temperature = 0.1 / (1 + mine.n_steps)
        figures = replay(images, codes).figures()
        assert torch.equal(figures, step(game, theirs, images, codes, random).figures())
        assert mine.n_steps == theirs.n_steps
        for one, other in zip(
            (mine.generator, mine.discriminator), (theirs.generator, theirs.discriminator), strict=True
        ):
            assert torch.equal(one.row, other.row)
    assert gc.isenabled()
    assert (replay.refused, replay.n_failed) == ((None, 0) if filmed else ("not permitted", 3))
    if isinstance(replay, Filmed):
        assert replay.n_replayed == (9 if by_mode else 12)


def refusing(*arguments: Any, **settings: Any) -> None:
    """Fail as a capture does."""
    raise RuntimeError("not permitted\nand more")


def test_what_does_not_lie_in_tensors_is_not_replayed() -> None:
    game = make_game(augmentation=Inverted())
    replay = Filmed(game, make_players(game), torch.Generator().manual_seed(0))
    replay(*next(real_batches()))
    assert (replay.refused, replay.kinds) == ("something that is drawn does not lie in tensors", {})


def test_an_exhausted_gpu_is_not_taken_for_a_step_that_cannot_be_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    game = make_game()
    replay = Replay(game, make_players(game), torch.Generator().manual_seed(0))
    replay(*next(real_batches()))

    def exhausted(*arguments: Any, **settings: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", exhausted)
    with pytest.raises(torch.OutOfMemoryError):
        replay(*next(real_batches()))
    assert replay.players.n_steps == 1


def test_only_one_process_on_a_gpu_replays() -> None:
    game = make_game()
    assert not Replay.fits(game)
    on_gpu = replace(game, device=torch.device("cuda"))
    assert Replay.fits(on_gpu)
    assert not Replay.fits(replace(on_gpu, n_parts=2))
    assert not Replay.fits(replace(on_gpu, team=Team(rank=0, size=2)))


def test_tasks_are_done_in_order_on_the_processor() -> None:
    assert abreast([lambda: 1, lambda: 2], CPU) == [1, 2]
