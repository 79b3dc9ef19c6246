from __future__ import annotations

import copy
import itertools
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import makeweight.game as game_module
from makeweight.assembly import Assembly
from makeweight.augmentations import Augmentation
from makeweight.breeding import half_of, shared_pulls
from makeweight.evolution import Annealed, Elitist, Evolution
from makeweight.game import Contest, rescore_best, step
from makeweight.gan_sampler import GANSampler
from makeweight.heads import HEADS, AuxiliaryClassifier
from makeweight.individual import Individual
from makeweight.judges import Discriminator, Judgement
from makeweight.methods import get_method, method_names
from makeweight.methods.class_dcgan import OneClass
from makeweight.objectives import OBJECTIVES
from makeweight.penalties import R1
from makeweight.rules import Game, Players, judges_alike

from .playing import (
    BATCH,
    COLD,
    N_CLASSES,
    RATE,
    RECIPES,
    SHAPE,
    THREE,
    MinibatchDeviation,
    make_game,
    make_players,
    real_batches,
)
from .reference import Chance, Outcome, Player, Rules, fitness, reference_generation, reference_step


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
    shipped = game_module.fitness

    def listen(*arguments: Any) -> Tensor:
        values = shipped(*arguments)
        found.extend(values.tolist())
        return values

    monkeypatch.setattr(game_module, "fitness", listen)
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


@pytest.mark.parametrize("by_mode", [False, True], ids=["alike", "batch_norm"])
@pytest.mark.parametrize("fresh_noise", [False, True], ids=["step_noise", "fresh_noise"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_step_equals_the_plain_one(recipe: str, fresh_noise: bool, by_mode: bool, scores: list[float]) -> None:
    mutations, acceptance = RECIPES[recipe]
    game = make_game(mutations, acceptance, evolution=Evolution(fresh_noise=fresh_noise))
    rules = Rules(mutations, parent_competes=recipe == "aggan", temperature=COLD)
    for seed in (1, 2):
        play_both(game, rules, scores, n_steps=4, seed=seed, by_mode=by_mode)


@pytest.mark.parametrize("recipe", ["egan", "aggan"])
def test_step_equals_the_plain_one_where_batch_norm_scores_by_batches(recipe: str, scores: list[float]) -> None:
    """Fitness is another than by running averages, and neither way of scoring leaves a trace in these."""
    mutations, acceptance = RECIPES[recipe]
    found = []
    for by_batches in (False, True):
        game = make_game(mutations, acceptance, evolution=Evolution(batch_statistics=by_batches))
        rules = Rules(mutations, parent_competes=recipe == "aggan", temperature=COLD, scored_by_batches=by_batches)
        outcomes = play_both(game, rules, scores, n_steps=4, seed=1, by_mode=True)
        found.append([value for outcome in outcomes for value in outcome.fitness])
    assert np.abs(np.subtract(*found)).min() > 1e-3


@pytest.mark.parametrize("by_batches", [False, True])
def test_the_best_generator_is_rescored_as_offspring_are(by_batches: bool, scores: list[float]) -> None:
    game = make_game(THREE, Annealed(), evolution=Evolution(batch_statistics=by_batches))
    players = make_players(game, by_mode=True)
    judge = players.discriminator.network
    modes: list[bool] = []
    norm = next(module for module in judge.modules() if isinstance(module, nn.BatchNorm2d))
    norm.register_forward_hook(lambda module, _, __: modes.append(module.training))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    images, codes = next(real_batches())
    for _ in range(2):
        rescore_best(game, players, images, codes, torch.Generator().manual_seed(0))
    assert modes == [by_batches] * 4
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert (norm.training, norm.track_running_stats) == (False, True)


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
        ({"head": AuxiliaryClassifier(mixup=True)}, {"mixup": True}),
        ({"objective": OBJECTIVES.get("least_squares")()}, {"squares": True}),
    ],
    ids=["diversity_weight", "class_weight", "generator_weight", "r1", "modified_acgan", "mixup", "least_squares"],
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


GANS = [*(each for each in map(get_method, method_names()) if issubclass(each, GANSampler)), OneClass]


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("method", GANS, ids=lambda method: method.__name__)
def test_a_step_of_every_gan_waits_for_no_number(
    method: type[GANSampler], alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device `meta` holds no numbers: whatever looks at one, or takes one to the processor, fails there."""
    monkeypatch.setattr("makeweight.assembly.judges_alike", lambda *_: alike)  # asked once, before the first step
    monkeypatch.setattr("torch.autocast", lambda *_, **__: nullcontext())  # there is none for this device
    sampler = method(random_state=0, batch_size=8, latent_dim=5)
    assembly = Assembly(sampler.setting, SHAPE, np.array([7] if method is OneClass else [7, 3, 2]))
    game = assembly.game(torch.device("meta"), nullcontext)
    players = assembly.players(game)
    players.temperature = COLD
    n = game.discriminator_steps * game.batch_size
    images, codes = torch.empty(n, *SHAPE, device="meta"), torch.zeros(n, dtype=torch.long, device="meta")
    outcome = step(game, players, images, codes, torch.Generator().manual_seed(0))
    assert outcome.figures().is_meta
    with pytest.raises(RuntimeError, match="meta"):
        outcome.generator_loss.item()


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


def test_a_shared_half_has_the_heads_share_of_drawn_images() -> None:
    class Uneven(AuxiliaryClassifier):
        def drawn_share(self, n_classes: int) -> float:
            return 0.2

    game = make_game(THREE, Annealed(), head=Uneven(fakes=False))
    players = make_players(game)
    images, codes = next(real_batches())
    shown = images.clone().requires_grad_()
    judge = players.discriminator.network
    _, half = shared_pulls(game, players, judge(shown), shown, codes, scored=True)
    expected = half_of(game, players, judge(images), codes, real=False)
    assert half is not None
    assert half.loss.item() == pytest.approx(expected.loss.item(), rel=1e-6)
    torch.testing.assert_close(half.gradient, expected.gradient, rtol=1e-4, atol=1e-7)


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


def test_a_game_is_plain_where_there_is_nothing_to_choose() -> None:
    assert make_game(("minimax",)).plain
    assert not make_game(("minimax",), Annealed()).plain
    assert not make_game(THREE).plain


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"head": HEADS.get("projection")()},
        {"head": HEADS.get("concatenated")()},
        {"head": HEADS.get("conditional_activation")(), "objective": OBJECTIVES.get("hinge")()},
        {"feature_matching": 0.3},
    ],
    ids=str,
)
def test_shared_pulls_with_codes_and_features(changes: dict[str, Any], scored: bool) -> None:
    game = make_game((*THREE, "hinge"), Annealed(), **changes)
    players = make_players(game)
    judge, (images, codes) = players.discriminator.network, next(real_batches())
    others, other_codes = next(real_batches(1))
    beside = judge(others, other_codes).detached() if game.feature_matching else None

    def judged() -> tuple[Tensor, Judgement]:
        shown = images.clone().requires_grad_()
        return shown, judge(shown, codes)

    shown, judgement = judged()
    pulls, half = shared_pulls(game, players, judgement, shown, codes, scored=scored, beside=beside)
    for mutation, pull in zip(game.mutations, pulls, strict=True):
        shown, judgement = judged()
        loss = mutation.mutation_loss(judgement.scores) + game.head.generator_loss(judgement, codes)
        if beside is not None:
            loss = loss + 0.3 * (judgement.features.mean(0) - beside.features.mean(0)).square().sum()
        (expected,) = torch.autograd.grad(loss, shown)
        torch.testing.assert_close(pull, expected, rtol=1e-4, atol=1e-6 * expected.abs().max().item())
    learns_labels = isinstance(game.head, AuxiliaryClassifier)
    assert (half is not None) is (scored and not learns_labels)
    if half is not None:
        expected_half = half_of(game, players, judged()[1], codes, real=False)
        torch.testing.assert_close(half.gradient, expected_half.gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("swaps", [False, True], ids=["copied", "swapped"])
def test_two_survivors_equal_the_plain_generation(swaps: bool, scores: list[float]) -> None:
    game = make_game(THREE, Elitist(), evolution=Evolution(n_survivors=2))
    rules, kept = Rules(THREE, parent_competes=True), set()
    rate = 0.1  # steps too long now and then
    players = make_players(game, seed=3, swaps=swaps, rate=rate)
    parents = [Player.of(each.network, rate) for each in players.parents]
    discriminator = Player.of(players.discriminator.network, rate)
    random = torch.Generator().manual_seed(3)
    for images, codes in itertools.islice(real_batches(3), 4):
        coins = random.clone_state()
        chance = chance_of(game, coins)
        scores.clear()
        before = [each.weights.detach().clone() for each in players.parents]
        step(game, players, images, codes, random)
        parents, values = reference_generation(parents, discriminator, rules, images, codes, chance)
        assert scores == pytest.approx(values, rel=1e-4, abs=1e-5)
        for mine, theirs in zip(players.parents, parents, strict=True):
            assert_same(mine, theirs, "survivor", buffers=False)
        assert_same(players.discriminator, discriminator, "discriminator")
        kept.add(sum(torch.equal(each.weights, old) for each in players.parents for old in before))
        for mine, theirs in zip([*players.parents, players.discriminator], [*parents, discriminator], strict=True):
            follow(theirs, mine)
    assert len(kept) > 1, "parents should survive in some steps and not in others"


@pytest.fixture
def contests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Contest, Tensor]]:
    """All contenders, and numbers of the survivors, of each step."""
    found: list[tuple[Contest, Tensor]] = []
    shipped = game_module.evolve

    def listen(*arguments: Any) -> Any:
        contest, fittest, accepted, survivors = shipped(*arguments)
        found.append((contest, survivors))
        return contest, fittest, accepted, survivors

    monkeypatch.setattr(game_module, "evolve", listen)
    return found


def test_survivors_of_the_annealed_rule_are_in_the_order_of_their_fitness(
    contests: list[tuple[Contest, Tensor]],
) -> None:
    """Where a worse offspring goes on beside a better parent of lower rank, ranks alone would not be this order."""
    game = make_game(THREE, Annealed(temperature=0.05), evolution=Evolution(n_survivors=3))
    players = make_players(game, seed=3, rate=0.1)
    players.temperature = 0.05
    random = torch.Generator().manual_seed(3)
    mixed = 0
    for images, codes in itertools.islice(real_batches(3), 20):
        step(game, players, images, codes, random)
        contest, survivors = contests[-1]
        assert (contest.fitness[survivors].diff() <= 0).all()
        mixed += len(set((survivors >= 9).tolist()))
    assert mixed > 20, "some steps should keep parents beside offspring"


@pytest.mark.parametrize("acceptance", [Elitist(), Annealed()])
def test_an_offspring_without_a_fitness_never_wins(acceptance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    game, shipped = make_game(THREE, acceptance), game_module.fitness
    players = make_players(game)
    players.temperature = 1.0

    def first_is_nan(*arguments: Any) -> Tensor:
        values = shipped(*arguments)
        return torch.cat([values[:1] * float("nan"), values[1:]])

    monkeypatch.setattr(game_module, "fitness", first_is_nan)
    random = torch.Generator().manual_seed(0)
    outcomes = [step(game, players, *batch, random) for batch in itertools.islice(real_batches(), 12)]
    assert 0 not in {outcome.winner.item() for outcome in outcomes}
    assert any(outcome.accepted.item() for outcome in outcomes)


def test_the_penalty_looks_at_the_fittest_survivors_images(contests: list[tuple[Contest, Tensor]]) -> None:
    seen: list[Tensor] = []

    class Listening(R1):
        def loss(self, discriminator: nn.Module, shown: Any) -> Tensor:
            seen.append(shown.drawn)
            return super().loss(discriminator, shown)

    evolution = Evolution(n_survivors=2)
    game = make_game(THREE, Elitist(), evolution=evolution, penalty=Listening(every=1), augmentation=Augmentation())
    step(game, make_players(game, seed=3), *next(real_batches(3)), torch.Generator().manual_seed(3))
    ((contest, survivors),) = contests
    first, second = contest.images[survivors]
    assert torch.equal(seen[0], first)
    assert not torch.equal(first, second)


def test_a_relativistic_step_by_hand() -> None:
    relativistic = OBJECTIVES.get("relativistic")()
    game = make_game(("relativistic",), objective=relativistic, head=AuxiliaryClassifier(fakes=False))
    players = make_players(game)
    generator, judge = (Player.of(each.network, RATE) for each in (players.generator, players.discriminator))
    random = torch.Generator().manual_seed(2)
    chance = chance_of(game, random.clone_state())
    images, codes = next(real_batches())
    step(game, players, images, codes, random)

    def judged(noise: Tensor, asked: Tensor) -> tuple[Judgement, Judgement]:
        drawn = generator.network(noise, asked)
        return judge.network(chance.show_real(images)), judge.network(chance.show_fake(drawn))

    real, fake = judged(chance.noise, chance.codes)
    labels = nn.functional.cross_entropy(fake.class_logits, chance.codes)
    generator.descend(-torch.log(torch.sigmoid(fake.scores - real.scores)).mean() + labels)
    real, fake = judged(chance.test_noise, chance.test_codes)
    labels = nn.functional.cross_entropy(real.class_logits, codes)
    judge.descend(-torch.log(torch.sigmoid(real.scores - fake.scores)).mean() + labels)
    assert_same(players.generator, generator, "generator", buffers=False)
    assert_same(players.discriminator, judge, "discriminator")


@pytest.mark.parametrize("recipe", RECIPES)
def test_several_steps_of_the_discriminator(recipe: str) -> None:
    """Each on its own part of the batch: the last part changes the discriminator alone."""
    mutations, acceptance = RECIPES[recipe]
    game = make_game(mutations, acceptance, discriminator_steps=3)
    images, codes = next(real_batches(n=3 * BATCH))
    ends = []
    for changed in (images, torch.cat([images[: 2 * BATCH], -images[2 * BATCH :]])):
        players = make_players(game)
        players.temperature = COLD
        step(game, players, changed, codes, torch.Generator().manual_seed(0))
        assert players.discriminator.named_tensors()["optimiser.step"] == 3
        assert players.n_steps == 1
        ends.append([each.weights.detach().clone() for each in (players.generator, players.discriminator)])
    assert torch.equal(ends[0][0], ends[1][0])
    assert not torch.equal(ends[0][1], ends[1][1])
