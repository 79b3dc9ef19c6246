import contextlib
import copy
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import makeweight.train as training
from makeweight.errors import InputError
from makeweight.evolution import Acceptance, Always, Annealed, Evolution, Individual, Population, detached_copy
from makeweight.heads import AuxiliaryClassifier, Discriminator, Judgement
from makeweight.networks import DCGAN
from makeweight.objectives import OBJECTIVES
from makeweight.priors import Empirical
from makeweight.stabilisers import R1, Affine, AveragedWeights, Penalty
from makeweight.train import (
    Game,
    Players,
    Schedule,
    StepOutcome,
    StepReport,
    half_of,
    judges_alike,
    rescore_best,
    shared_pulls,
    step,
    train,
)

from .reference import Chance, Outcome, Player, Rules, fitness, reference_step

THREE = ("minimax", "non_saturating", "least_squares")
SHAPE, N_CLASSES, LATENT, BATCH, RATE = (1, 8, 8), 3, 5, 6, 5e-3
COLD = 1e-4  # fitness gaps here are about 1e-3
Batch = tuple[Tensor, Tensor]


def mode_dependent_trunk() -> tuple[nn.Module, int]:
    """The shape of the authors' trunk, shrunk: its batch norm and a dropout that drops nothing."""
    layers = [nn.Conv2d(1, 4, 4, 2, 1, bias=False), nn.LeakyReLU(0.2), nn.Dropout(0.0)]
    layers += [nn.Conv2d(4, 6, 4, 2, 1, bias=False), nn.BatchNorm2d(6), nn.LeakyReLU(0.2), nn.Flatten()]
    return nn.Sequential(*layers), 24


class MinibatchDeviation(nn.Module):
    """Adds the spread over the batch: ties images to their neighbours in both modes alike."""

    def forward(self, features: Tensor) -> Tensor:
        return features + features.std(0).mean()


def make_game(mutations: tuple[str, ...] = THREE, acceptance: Acceptance | None = None, **changes: Any) -> Game:
    settings: dict[str, Any] = {
        "objective": OBJECTIVES.get("non_saturating")(),
        "mutations": [OBJECTIVES.get(name)() for name in mutations],
        "acceptance": acceptance or Always(),
        "evolution": Evolution(),
        "head": AuxiliaryClassifier(),
        "prior": Empirical(),
        "augmentation": Affine(mirror=True),
        "penalty": Penalty(),
        "class_counts": np.array([7, 3, 2]),
        "latent_dim": LATENT,
        "batch_size": BATCH,
        "device": torch.device("cpu"),
        "autocast": contextlib.nullcontext,
    }
    return Game(**{**settings, **changes})


def make_players(
    game: Game,
    *,
    seed: int = 0,
    by_mode: bool = False,
    average: bool = False,
    rate: float = RATE,
    swaps: bool = False,
) -> Players:
    """Players whose weights are large enough that scores, and the objectives' gradients, differ well.

    By default survivors are copied, as on a GPU, so that offspring stay in their places to be looked at.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pair = DCGAN(width=4, generator_width=6).build(SHAPE, N_CLASSES, LATENT)
        trunk, n_features = mode_dependent_trunk() if by_mode else (pair.trunk, pair.n_features)
        judge = Discriminator(trunk, n_features, N_CLASSES)
        for network in (pair.generator, judge):
            for parameter in network.parameters():
                parameter.data.add_(0.15 * torch.randn(parameter.shape))
    founder = Individual(pair.generator, rate, (0.5, 0.999))
    population = None if game.plain else Population(founder, len(game.mutations))
    if population:
        population.swaps = swaps
    return Players(
        generator=population.parent if population else founder,
        discriminator=Individual(judge, rate, (0.5, 0.999)),
        judges_alike=judges_alike(judge, SHAPE),
        population=population,
        average=AveragedWeights(detached_copy(pair.generator), 0.9) if average else None,
    )


def real_batches(seed: int = 0) -> Iterator[Batch]:
    random = torch.Generator().manual_seed(seed)
    while True:
        codes = torch.randint(N_CLASSES, (BATCH,), generator=random)
        images = (torch.randn(BATCH, *SHAPE, generator=random) * 0.3 + codes.view(-1, 1, 1, 1) * 0.4 - 0.4).clamp(-1, 1)
        yield images, codes


def chance_of(game: Game, random: torch.Generator) -> Chance:
    """Take what a step takes from the stream, in its order: two augmentations, request, new request, coin."""
    show_real, show_fake = game.augmentation.draw(BATCH, random), game.augmentation.draw(BATCH, random)
    noise, codes = game.request(random)
    fresh = game.plain or game.evolution.fresh_noise
    test_noise, test_codes = game.request(random) if fresh else (noise, codes)
    coin = torch.rand((), generator=random).item() if game.acceptance.scores_parent else 0.0
    return Chance(noise, codes, test_noise, test_codes, show_real, show_fake, coin)


def assert_same(shipped: Individual, plain: Player, what: str, *, buffers: bool = True) -> None:
    """Compare weights, running statistics and Adam's moments, all to rounding.

    Adam divides by the size of the gradient, so where that is about as small as the rounding of the largest one, a
    weight may differ by as much more.
    """
    mine, moments = shipped.network.state_dict(), shipped.named_tensors()
    named = dict(plain.network.named_parameters())
    for i, (name, parameter) in enumerate(named.items()):
        state = plain.optimiser.state[parameter]
        if not state:  # no step yet: nothing has moved
            assert not moments["optimiser.step"]
            assert torch.equal(mine[name], parameter.data)
            continue
        for moment, value in state.items():
            own = moments["optimiser.step" if moment == "step" else f"optimiser.{i}.{moment}"]
            torch.testing.assert_close(own, value, rtol=2e-3, atol=1e-7, msg=lambda m, n=moment: f"{what} {n} {m}")
        size = (state["exp_avg_sq"] / (1 - 0.999 ** state["step"])).sqrt() + 1e-8
        slack = shipped.learning_rate * 1e-6 * state["exp_avg"].abs().max() / size
        excess = (mine[name] - parameter.data).abs() - (2e-4 * parameter.data.abs() + 2e-6 + slack)
        assert excess.max() <= 0, f"{what} {name} is off by {excess.max():.2e} more than rounding"
    if buffers:  # statistics of what was drawn after the step, which carries rounding as far as it is long
        for name in plain.network.state_dict().keys() - named.keys():
            expected, atol = plain.network.state_dict()[name], 2e-6 + 1e-4 * shipped.learning_rate
            torch.testing.assert_close(mine[name], expected, rtol=2e-4, atol=atol)


def follow(plain: Player, shipped: Individual) -> None:
    """Take over what `assert_same` found equal, so that rounding does not add up from step to step."""
    plain.network.load_state_dict(shipped.network.state_dict())
    moments = {name: value.clone() for name, value in shipped.named_tensors().items()}
    for i, parameter in enumerate(plain.network.parameters()):
        if moments["optimiser.step"]:
            state = {name: moments[f"optimiser.{i}.{name}"] for name in ("exp_avg", "exp_avg_sq")}
            plain.optimiser.state[parameter] = {"step": moments["optimiser.step"].clone(), **state}


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Fitness values in the order in which the shipped step finds them."""
    found: list[float] = []
    shipped = training.fitness

    def listen(*arguments: Any) -> Tensor:
        values = shipped(*arguments)
        found.extend(values.tolist())
        return values

    monkeypatch.setattr(training, "fitness", listen)
    return found


def play_both(
    game: Game, rules: Rules, scores: list[float], *, n_steps: int, seed: int, by_mode: bool, rate: float = RATE
) -> list[Outcome]:
    """Play the shipped step and the plain one side by side, and compare everything after every step."""
    players = make_players(game, seed=seed, by_mode=by_mode, rate=rate)
    players.temperature = rules.temperature
    assert players.judges_alike is not by_mode
    parent = Player.of(players.generator.network, rate)
    discriminator = Player.of(players.discriminator.network, rate)
    random = torch.Generator().manual_seed(seed)
    outcomes = []
    for number, (images, codes) in zip(range(n_steps), real_batches(seed), strict=False):
        chance = chance_of(game, random.clone_state())
        scores.clear()
        shipped = step(game, players, images, codes, random)
        parent, plain = reference_step(
            parent,
            discriminator,
            rules,
            images,
            codes,
            chance,
            number=number,
            parent_draws_again=by_mode or game.evolution.fresh_noise,
        )
        at = f"step {number}:"
        expected = plain.fitness + [plain.parent_fitness] * rules.parent_competes
        assert scores == pytest.approx(expected, rel=1e-4, abs=1e-5), at
        assert (shipped.winner.item(), shipped.accepted.item()) == (plain.winner, plain.accepted), at
        losses = [shipped.discriminator_loss.item(), shipped.generator_loss.item()]
        assert losses == pytest.approx([plain.discriminator_loss, plain.generator_loss], rel=1e-4, abs=1e-5), at
        for mine, theirs in zip(players.offspring or [players.generator], plain.offspring, strict=True):
            assert_same(mine, theirs, f"{at} offspring")
        assert_same(players.generator, parent, f"{at} survivor")
        # A plain game shows real images first; where nothing is scored, the order leaves only running statistics.
        assert_same(players.discriminator, discriminator, f"{at} discriminator", buffers=not game.plain)
        follow(parent, players.generator)
        follow(discriminator, players.discriminator)
        outcomes.append(plain)
    return outcomes


RECIPES = {
    "acgan": (("non_saturating",), Always()),
    "egan": (THREE, Always()),
    "aggan": (THREE, Annealed()),
}


@pytest.mark.parametrize("by_mode", [False, True], ids=["alike", "batch_norm"])
@pytest.mark.parametrize("fresh_noise", [False, True], ids=["step_noise", "fresh_noise"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_step_equals_the_plain_one(recipe: str, fresh_noise: bool, by_mode: bool, scores: list[float]) -> None:
    mutations, acceptance = RECIPES[recipe]
    game = make_game(mutations, acceptance, evolution=Evolution(fresh_noise=fresh_noise))
    rules = Rules(mutations, parent_competes=recipe == "aggan", temperature=COLD)
    for seed in (1, 2):
        play_both(game, rules, scores, n_steps=4, seed=seed, by_mode=by_mode)


@pytest.mark.parametrize("by_mode", [False, True], ids=["alike", "batch_norm"])
@pytest.mark.parametrize(("temperature", "accepted"), [(COLD, False), (1e6, True)], ids=["cold", "hot"])
def test_worse_offspring_are_refused_when_cold(
    temperature: float, accepted: bool, by_mode: bool, scores: list[float]
) -> None:
    """Steps far too long make every offspring worse than its parent."""
    game = make_game(THREE, Annealed())
    rules = Rules(THREE, parent_competes=True, temperature=temperature)
    (outcome,) = play_both(game, rules, scores, n_steps=1, seed=7, by_mode=by_mode, rate=0.5)
    assert max(outcome.fitness) < outcome.parent_fitness
    assert outcome.accepted is accepted


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"evolution": Evolution(diversity_weight=0.9)}, {"diversity_weight": 0.9}),
        ({"head": AuxiliaryClassifier(weight=0.3)}, {"class_weight": 0.3}),
        ({"head": AuxiliaryClassifier(generator_weight=0.1)}, {"class_weight_of_generator": 0.1}),
        ({"penalty": R1(gamma=0.4, every=2)}, {"penalty": 0.4, "penalty_every": 2}),
        ({"head": AuxiliaryClassifier(fakes=False)}, {"classes_of_fakes": False}),
        ({"objective": OBJECTIVES.get("least_squares")()}, {"squares": True}),
    ],
    ids=["diversity_weight", "class_weight", "generator_weight", "r1", "modified_acgan", "least_squares"],
)
def test_step_equals_the_plain_one_for_other_parts(
    changes: dict[str, Any], rules: dict[str, Any], scores: list[float]
) -> None:
    game = make_game(THREE, Annealed(), **changes)
    plain = Rules(THREE, parent_competes=True, temperature=COLD, **rules)
    play_both(game, plain, scores, n_steps=3, seed=5, by_mode=False)


def test_offspring_do_not_stack() -> None:
    """Every objective breeds the same bytes, in whichever place it stands."""
    bred: list[dict[str, bytes]] = []
    for order in itertools.permutations(THREE):
        game = make_game(order)
        players = make_players(game)
        random = torch.Generator().manual_seed(0)
        for images, codes in itertools.islice(real_batches(), 2):
            outcome = step(game, players, images, codes, random)
        tensors = [place.named_tensors() for place in players.offspring]
        survivor = players.generator.named_tensors()
        assert all(torch.equal(survivor[name], value) for name, value in tensors[int(outcome.winner)].items())
        bred.append(
            {name: b"".join(v.numpy().tobytes() for v in t.values()) for name, t in zip(order, tensors, strict=True)}
        )
    assert len(set(bred[0].values())) == 3
    assert all(other == bred[0] for other in bred[1:])


def test_mode_dependent_judge_is_scored_in_evaluation_and_taught_in_training() -> None:
    game = make_game(THREE, Annealed())
    players = make_players(game, by_mode=True)
    players.temperature = 1.0
    modes: list[bool] = []
    dropout = players.discriminator.network.trunk[2]
    dropout.register_forward_hook(lambda module, *_: modes.append(module.training))
    step(game, players, *next(real_batches()), torch.Generator().manual_seed(0))
    # Breeding in training, real images and four contenders in evaluation, the discriminator's own step in training.
    assert modes.count(True) == 3
    assert modes[-6:] == [False] * 4 + [True] * 2


def test_judge_without_modes_is_asked_five_times_a_step() -> None:
    """Real images, the parent's and three offspring's: the parent's score and the discriminator's step cost nothing."""
    game = make_game(THREE, Annealed())
    players = make_players(game)
    players.temperature = 1.0
    n_passes = 0

    def count(*_: Any) -> None:
        nonlocal n_passes
        n_passes += 1

    players.discriminator.network.register_forward_hook(count)
    step(game, players, *next(real_batches()), torch.Generator().manual_seed(0))
    assert n_passes == 5


@pytest.mark.parametrize("temperature", [COLD, 1e6], ids=["cold", "hot"])
def test_swapping_and_copying_the_survivor_are_the_same(temperature: float) -> None:
    game, ends, told = make_game(THREE, Annealed()), [], []
    for swaps in (False, True):
        players = make_players(game, swaps=swaps, rate=0.05)
        players.temperature = temperature
        random = torch.Generator().manual_seed(3)
        steps = [step(game, players, *batch, random) for batch in itertools.islice(real_batches(), 12)]
        told.append([outcome.figures().tolist() for outcome in steps])
        ends.append([value.numpy().tobytes() for value in players.generator.named_tensors().values()])
        assert players.population is not None
        assert players.generator is players.population.parent
        assert len({id(each) for each in [*players.offspring, players.generator]}) == 4
    assert told[0] == told[1]
    assert ends[0] == ends[1]
    assert {row[3] for row in told[0]} == ({0.0, 1.0} if temperature == COLD else {1.0})


class _NoQuestions(TorchDispatchMode):
    """Refuse whatever would make a program wait for a GPU's answer."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero):
            raise AssertionError(f"a step asked the device: {func}")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("by_mode", [False, True], ids=["alike", "batch_norm"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_asks_nothing_of_the_device(recipe: str, by_mode: bool) -> None:
    mutations, acceptance = RECIPES[recipe]
    game = make_game(mutations, acceptance, penalty=R1(every=1))
    players = make_players(game, by_mode=by_mode, average=True)
    players.temperature = COLD
    random, batch = torch.Generator().manual_seed(0), next(real_batches())
    with _NoQuestions():
        outcome = step(game, players, *batch, random)
        assert players.average is not None
        players.average.update(players.generator.network, 1)
        with pytest.raises(AssertionError, match="asked the device"):
            outcome.generator_loss.item()


def test_reports_come_at_their_steps_and_miss_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU figures are read every twentieth step, and at the end; the window is that of every step all the same."""
    game = make_game(THREE, Annealed())
    each = play(game, schedule(45))
    monkeypatch.setattr(training, "report_every", lambda device: 20)
    some = play(game, schedule(45))
    assert [report.step for report in some] == [20, 40, 45]

    def figures(report: StepReport) -> tuple[Any, ...]:
        return report.step, report.discriminator_loss, report.generator_loss, report.acceptance_rate, report.wins

    assert [figures(report) for report in some] == [figures(each[i - 1]) for i in (20, 40, 45)]


def test_a_broken_training_is_named_by_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaking(*arguments: Any) -> StepOutcome:
        outcome = step(*arguments)
        broken = arguments[1].n_steps == 7
        return replace(outcome, generator_loss=outcome.generator_loss / 0) if broken else outcome

    monkeypatch.setattr(training, "step", breaking)
    monkeypatch.setattr(training, "report_every", lambda device: 20)
    with pytest.raises(InputError, match=r"^the training broke down at step 7: a loss is inf\. Try a smaller "):
        play(make_game(), schedule(45))


@pytest.mark.parametrize(
    ("trunk", "alike"),
    [
        ([nn.Conv2d(1, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.GroupNorm(2, 4), nn.Flatten()], True),
        ([nn.Conv2d(1, 4, 4, 2, 1), nn.InstanceNorm2d(4), nn.Flatten()], True),
        ([nn.Conv2d(1, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.Flatten()], False),
        ([nn.Conv2d(1, 4, 4, 2, 1), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten()], False),
        ([nn.Conv2d(1, 4, 4, 2, 1), nn.Dropout(0.5), nn.Flatten()], False),
        ([nn.Conv2d(1, 4, 4, 2, 1), nn.Flatten(), MinibatchDeviation()], False),
    ],
    ids=["group_norm", "instance_norm", "batch_norm", "batch_statistics", "dropout", "neighbours"],
)
def test_what_judges_alike_is_found_by_trying(trunk: list[nn.Module], alike: bool) -> None:
    judge = Discriminator(nn.Sequential(*trunk), 64, N_CLASSES)
    before = {name: value.clone() for name, value in judge.state_dict().items()}
    assert judges_alike(judge, SHAPE) is alike
    assert all(torch.equal(before[name], value) for name, value in judge.state_dict().items())


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("fakes", [False, True])
@pytest.mark.parametrize("shift", [0.0, -30.0, -80.0, -200.0, 30.0])
@pytest.mark.parametrize("objective", ["non_saturating", "least_squares"])
def test_shared_pulls_equal_those_of_each_loss(objective: str, shift: float, fakes: bool, scored: bool) -> None:
    """However sure the discriminator is, and where an image's slope vanishes."""
    game = make_game(THREE, Annealed(), head=AuxiliaryClassifier(fakes=fakes), objective=OBJECTIVES.get(objective)())
    players = make_players(game)
    judge, (images, codes) = players.discriminator.network, next(real_batches())
    with torch.no_grad():
        judge.realness.bias.add_(shift)

    def judged() -> tuple[Tensor, Judgement]:
        shown = images.clone().requires_grad_()
        return shown, judge(shown)

    shown, judgement = judged()
    pulls, half = shared_pulls(game, players, judgement, shown, codes, scored=scored)
    for mutation, pull in zip(game.mutations, pulls, strict=True):
        shown, judgement = judged()
        loss = mutation.mutation_loss(judgement.scores) + game.head.generator_loss(judgement, codes)
        (expected,) = torch.autograd.grad(loss, shown)
        torch.testing.assert_close(pull, expected, rtol=1e-4, atol=1e-6 * expected.abs().max().item())
    assert (half is not None) is (scored and not fakes)
    if half is not None:
        expected_half = half_of(game, players, judged()[1], codes, real=False)
        assert half.loss.item() == pytest.approx(expected_half.loss.item(), rel=1e-6)
        assert half.realness.item() == pytest.approx(expected_half.realness.item(), rel=1e-6)
        torch.testing.assert_close(half.gradient, expected_half.gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("recipe", RECIPES)
def test_step_takes_its_chance_from_the_stream_it_is_given(recipe: str) -> None:
    mutations, acceptance = RECIPES[recipe]
    before = torch.random.get_rng_state()
    ends = []
    for _ in range(2):
        game = make_game(mutations, acceptance)
        players = make_players(game)
        players.temperature = COLD
        random = torch.Generator().manual_seed(4)
        for images, codes in itertools.islice(real_batches(), 3):
            step(game, players, images, codes, random)
        named = {**players.generator.named_tensors(), **players.discriminator.named_tensors()}
        ends.append([value.numpy().tobytes() for value in named.values()])
    assert ends[0] == ends[1]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_best_starts_as_a_copy_of_the_survivor() -> None:
    game = make_game()
    players = make_players(game)
    rescore_best(game, players, *next(real_batches()), torch.Generator())
    assert players.best is not None
    assert players.best is not players.generator
    weights = zip(players.best.parameters, players.generator.parameters, strict=True)
    assert all(torch.equal(mine, theirs) and mine is not theirs for mine, theirs in weights)


def test_best_and_survivor_are_rescored_by_the_present_judge_on_one_request(scores: list[float]) -> None:
    game, seen = make_game(THREE, Annealed()), set()
    rules = Rules(THREE, parent_competes=True)
    for seed in range(8):
        players = make_players(game, seed=seed)
        players.best = make_players(game, seed=seed + 100).generator
        players.discriminator = make_players(game, seed=seed + 200).discriminator
        images, codes = next(real_batches(seed))
        random = torch.Generator().manual_seed(seed)
        twin = random.clone_state()
        show = game.augmentation.draw(BATCH, twin)
        noise, asked = game.request(twin)
        chance = Chance(noise, asked, noise, asked, show, show)
        judge = players.discriminator.network
        networks = [copy.deepcopy(each.network) for each in (players.best, players.generator)]
        best, survivor = (fitness(judge, rules, network, images, codes, chance)[0] for network in networks)
        scores.clear()
        before = [value.clone() for value in players.best.parameters]
        rescore_best(game, players, images, codes, random)
        assert scores == pytest.approx([best, survivor], rel=1e-4)
        kept = players.generator.parameters if survivor > best else before
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(players.best.parameters, kept, strict=True))
        assert players.best is not players.generator
        seen.add(survivor > best)
    assert seen == {True, False}


def test_a_fitness_of_the_past_does_not_count(scores: list[float]) -> None:
    """When the judge turns its mind, the best gives way to a survivor that was less fit before."""
    game = make_game(THREE, Annealed())
    for seed in range(20):
        players = make_players(game, seed=seed)
        players.best = make_players(game, seed=seed + 100).generator
        judge = players.discriminator.network
        images, codes = next(real_batches(seed))

        def rescore(players: Players = players, images: Tensor = images, codes: Tensor = codes) -> tuple[float, ...]:
            scores.clear()
            rescore_best(game, players, images, codes, torch.Generator().manual_seed(0))
            return tuple(scores)

        best_then, survivor_then = rescore()
        if survivor_then > best_then:
            continue
        with torch.no_grad():
            for parameter in judge.realness.parameters():
                parameter.neg_()  # what looked real looks drawn from now on
        best_now, survivor_now = rescore()
        if survivor_now > best_now:
            assert torch.equal(players.best.parameters[0], players.generator.parameters[0])
            return
    pytest.fail("no seed turned the order round")


def schedule(n_steps: int | None = 5, **changes: Any) -> Schedule:
    settings: dict[str, Any] = {
        "budget": None,
        "steps_per_epoch": 2,
        "learning_rate": 0.1,
        "decay": 0.5,
        "best_every": 0,
    }
    return Schedule(n_steps=n_steps, **{**settings, **changes})


def test_settled_schedules_stay() -> None:
    assert schedule(7).settle(0, 0.0) == 7
    assert schedule(7).settle(3, 99.0) == 7


@pytest.mark.parametrize(
    ("decay", "n_done", "seconds", "n_steps"),
    [
        (0.5, 30, 4.99, None),  # half of ten seconds is not over
        (0.5, 30, 5.0, 60),  # as many more
        (0.5, 1, 20.0, 2),  # one slow step; the falling half is owed
        (0.2, 80, 7.9, None),
        (0.2, 80, 8.0, 100),
        (0.0, 80, 9.99, None),  # no falling part: the end of the budget is the end
        (0.0, 80, 10.0, 80),
        (0.75, 10, 2.5, 40),
    ],
)
def test_budget_is_settled_when_the_rate_begins_to_fall(
    decay: float, n_done: int, seconds: float, n_steps: int | None
) -> None:
    assert schedule(None, budget=10.0, decay=decay).settle(n_done, seconds) == n_steps


def test_budget_with_a_rate_that_falls_from_the_start_plays_at_least_a_step() -> None:
    n_steps = schedule(None, budget=10.0, decay=1.0).settle(0, 0.0)
    assert n_steps is None or n_steps >= 1


def test_rate_falls_linearly_over_the_last_share() -> None:
    rates = [schedule(10, decay=0.4).rate(done, 10) for done in range(11)]
    assert rates == pytest.approx([0.1] * 7 + [0.075, 0.05, 0.025, 0.0])


def test_rate_stays_without_decay_and_while_the_length_is_open() -> None:
    assert schedule(10, decay=0.0).rate(9, 10) == 0.1
    assert schedule(None, budget=1.0).rate(9, None) == 0.1


def play(game: Game, plan: Schedule, players: Players | None = None, **options: Any) -> list[StepReport]:
    told: list[StepReport] = []
    players = players or make_players(game)
    train(game, players, real_batches(), plan, torch.Generator().manual_seed(0), told.append, **options)
    return told


def test_temperature_cools_each_step() -> None:
    game = make_game(THREE, Annealed(temperature=8.0, cooling=0.5))
    assert [report.temperature for report in play(game, schedule(5))] == [4.0, 2.0, 1.0, 0.5, 0.25]


def test_temperature_cools_each_epoch() -> None:
    game = make_game(THREE, Annealed(temperature=8.0, cooling=0.5, per="epoch"))
    assert [report.temperature for report in play(game, schedule(5))] == [8.0, 4.0, 4.0, 2.0, 2.0]


def test_temperature_goes_on_where_it_was() -> None:
    game = make_game(THREE, Annealed(temperature=8.0, cooling=0.5, per="epoch"))
    players = make_players(game)
    assert [report.temperature for report in play(game, schedule(3), players)] == [8.0, 4.0, 4.0]
    assert [report.temperature for report in play(game, schedule(3), players)] == [2.0, 2.0, 1.0]
    assert players.n_steps == 6


def test_first_step_is_accepted_at_the_starting_temperature() -> None:
    """Cooling comes after the step: the first chance is taken at T₀."""

    class Listening(Annealed):
        def chance(self, best: Tensor, parent: Tensor, temperature: float | None) -> Tensor:
            asked.append(temperature)
            return super().chance(best, parent, temperature)

    asked: list[float | None] = []
    play(make_game(THREE, Listening(temperature=8.0, cooling=0.5)), schedule(3))
    assert asked == [8.0, 4.0, 2.0]


def test_reports() -> None:
    game = make_game(THREE, Annealed())
    told = play(game, schedule(5))
    assert [report.step for report in told] == [1, 2, 3, 4, 5]
    assert {report.n_steps for report in told} == {5}
    assert told[-1].seconds_left == 0
    assert all(report.steps_per_second == pytest.approx(report.step / report.seconds) for report in told)
    for report in told:
        assert list(report.wins) == list(THREE)
        assert sum(report.wins.values()) == pytest.approx(1)
        assert report.acceptance_rate is not None
        assert (report.acceptance_rate * report.step) % 1 == pytest.approx(0)
        assert math.isfinite(report.discriminator_loss)
        assert math.isfinite(report.generator_loss)


def test_losses_of_a_report_are_means_over_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []
    shipped = training.step

    def listen(*arguments: Any) -> Any:
        outcome = shipped(*arguments)
        found.append(outcome.discriminator_loss.item())
        return outcome

    monkeypatch.setattr(training, "step", listen)
    monkeypatch.setattr(training, "REPORT_WINDOW", 3)
    told = play(make_game(), schedule(5))
    assert told[1].discriminator_loss == pytest.approx(sum(found[:2]) / 2)
    assert told[4].discriminator_loss == pytest.approx(sum(found[2:]) / 3)


@pytest.mark.parametrize("recipe", ["acgan", "egan"])
def test_rules_without_refusal_report_no_acceptance(recipe: str) -> None:
    mutations, acceptance = RECIPES[recipe]
    (report,) = play(make_game(mutations, acceptance), schedule(1))
    assert report.acceptance_rate is None
    assert report.temperature is None
    assert list(report.wins) == list(mutations)


def test_history_holds_every_hundredth_and_the_last() -> None:
    game = make_game(("non_saturating",))
    few = train(game, make_players(game), real_batches(), schedule(5), torch.Generator().manual_seed(0))
    assert [report.step for report in few] == [1, 2, 3, 4, 5]
    many = train(game, make_players(game), real_batches(), schedule(205), torch.Generator().manual_seed(0))
    assert [report.step for report in many] == [*range(2, 205, 2), 205]


def test_both_players_follow_the_rate() -> None:
    game = make_game()
    players = make_players(game)
    rates: list[tuple[float, float]] = []

    def listen(report: StepReport) -> None:
        rates.append((players.generator.learning_rate, players.discriminator.learning_rate))

    train(game, players, real_batches(), schedule(4), torch.Generator().manual_seed(0), listen)
    assert rates == [(0.1, 0.1), (0.1, 0.1), (0.1, 0.1), (0.05, 0.05)]


def test_average_follows_the_survivor() -> None:
    game = make_game(THREE, Annealed())
    players = make_players(game, average=True)
    assert players.average is not None
    expected = [value.detach().clone() for value in players.average.module.parameters()]

    def follow(report: StepReport) -> None:
        keep = min(0.9, (1 + report.step) / (10 + report.step))
        for value, now in zip(expected, players.generator.parameters, strict=True):
            value.copy_(keep * value + (1 - keep) * now.detach())

    train(game, players, real_batches(), schedule(4), torch.Generator().manual_seed(0), follow)
    for mine, value in zip(players.average.module.parameters(), expected, strict=True):
        torch.testing.assert_close(mine.detach(), value)


def test_best_is_rescored_at_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    at: list[int] = []
    shipped = training.rescore_best

    def listen(game: Game, players: Players, *rest: Any) -> None:
        at.append(players.n_steps)
        shipped(game, players, *rest)

    monkeypatch.setattr(training, "rescore_best", listen)
    play(make_game(THREE, Annealed()), schedule(7, best_every=3))
    assert at == [3, 6]


def test_budget_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second a step and ten seconds: settled after five, and the rate falls over the other five."""
    clock = itertools.count()
    monkeypatch.setattr(training.time, "perf_counter", lambda: float(next(clock)))
    game = make_game(("non_saturating",))
    players = make_players(game)
    rates: list[float] = []
    told: list[StepReport] = []

    def listen(report: StepReport) -> None:
        told.append(report)
        rates.append(players.generator.learning_rate)

    train(game, players, real_batches(), schedule(None, budget=10.0), torch.Generator().manual_seed(0), listen)
    assert [report.step for report in told] == list(range(1, 11))
    assert {report.n_steps for report in told} == {10}
    assert [report.seconds_left for report in told] == pytest.approx([10 - n for n in range(1, 11)])
    assert rates == pytest.approx([0.1] * 6 + [0.08, 0.06, 0.04, 0.02])


def test_an_interrupt_passes_through() -> None:
    def interrupt(report: StepReport) -> None:
        raise KeyboardInterrupt

    game = make_game(("non_saturating",))
    with pytest.raises(KeyboardInterrupt):
        train(game, make_players(game), real_batches(), schedule(3), torch.Generator(), interrupt)


def test_a_game_is_plain_where_there_is_nothing_to_choose() -> None:
    assert make_game(("minimax",)).plain
    assert not make_game(("minimax",), Annealed()).plain
    assert not make_game(THREE).plain
