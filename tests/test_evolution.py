import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from makeweight.errors import InputError
from makeweight.evolution import (
    ACCEPTANCES,
    Always,
    Annealed,
    AnnealedLinearly,
    Evolution,
    FitnessTerm,
    Quality,
    fitness,
)
from makeweight.individual import Individual, Population
from makeweight.objectives import OBJECTIVES


def make_individual(seed: int = 0, learning_rate: float = 0.1) -> Individual:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    return Individual(network, learning_rate, (0.5, 0.999))


def learn(individual: Individual, n_steps: int = 1, seed: int = 0) -> None:
    random = torch.Generator().manual_seed(seed)
    for _ in range(n_steps):
        loss = individual.network(torch.randn(5, 3, generator=random)).square().sum()
        individual.step(individual.gradient(loss))


def contents(individual: Individual) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in individual.named_tensors().items()}


def make_parts(evolution: Evolution) -> None:
    evolution.parts()
    evolution.terms()


def terms(weight: float) -> list[FitnessTerm]:
    return Evolution(diversity_weight=weight).terms()


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


class TestFitness:
    def test_by_hand(self) -> None:
        realness = torch.tensor([0.625, 0.5])
        gradients = torch.tensor([[2.0, 1.0, 2.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0, 1.0]])  # norms 5 and 1
        expected = [0.625 - 0.2 * math.log(5), 0.5]
        assert fitness(realness, gradients, terms(0.2)).tolist() == pytest.approx(expected, rel=1e-6)
        assert fitness(realness, gradients, terms(0.0)).tolist() == pytest.approx([0.625, 0.5], rel=1e-6)

    def test_grows_with_realness_and_falls_with_the_gradient(self) -> None:
        low, high, lax = fitness(
            torch.tensor([0.2, 0.7, 0.2]), torch.tensor([[0.1], [0.1], [10.0]]), terms(0.2)
        ).tolist()
        assert high > low > lax


class TestAlways:
    def test_accepts_whatever_comes(self) -> None:
        rule = Always()
        assert rule.chance(number(-9.0), number(9.0), None) == 1
        assert rule.start() is None
        assert rule.cooled(None) is None
        assert not rule.scores_parent
        assert not rule.per_epoch()


class TestAnnealed:
    @pytest.mark.parametrize(
        ("best", "parent", "temperature", "chance"),
        [
            (0.5, 0.4, 1.0, 1.0),  # fitter
            (0.5, 0.4, 1e-300, 1.0),
            (0.5, 0.4, 0.0, 1.0),
            (0.4, 0.4, 1.0, 1.0),  # no gap: exp(0)
            (0.4, 0.4, 0.0, 0.0),  # no gap and no heat
            (0.25, 0.5, 0.25, math.exp(-1)),  # the sign: worse means less likely
            (0.0, 2.0, 1.0, math.exp(-2)),
            (-3.0, -1.0, 4.0, math.exp(-0.5)),
            (0.4, 0.5, 1000.0, math.exp(-1e-4)),  # hot: nearly anything goes
            (0.4, 0.5, 1e-5, 0.0),  # cold: exp(-10⁴) is nothing
            (0.4, 0.5, 5e-324, 0.0),  # T → 0 overflows nothing
            (0.4, 0.5, 0.0, 0.0),
            (0.4, 0.5, None, 0.0),
        ],
    )
    def test_chance_by_hand(self, best: float, parent: float, temperature: float | None, chance: float) -> None:
        found = Annealed().chance(number(best), number(parent), temperature)
        assert found.item() == pytest.approx(chance, rel=1e-9, abs=1e-300)

    def test_chance_falls_as_it_cools(self) -> None:
        chances = [Annealed().chance(number(0.4), number(0.5), 10.0**-power).item() for power in range(5)]
        assert chances == sorted(chances, reverse=True)
        assert chances[0] == pytest.approx(math.exp(-0.1))

    def test_cooling_by_hand(self) -> None:
        rule = Annealed(temperature=1000, cooling=0.99)
        temperature: float | None = rule.start()
        for _ in range(917):
            temperature = rule.cooled(temperature)
        assert temperature == pytest.approx(1000 * 0.99**917)
        assert temperature is not None
        assert temperature < 0.1 < temperature / 0.99
        assert rule.cooled(None) is None

    def test_units_of_time(self) -> None:
        assert not Annealed().per_epoch()
        assert Annealed(per="epoch").per_epoch()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"temperature": 0.0},
            {"temperature": -1.0},
            {"temperature": math.nan},
            {"cooling": 0.0},
            {"cooling": 1.01},
            {"per": "batch"},
        ],
    )
    def test_impossible_parameters_are_refused(self, wrong: dict[str, float | str]) -> None:
        words = {
            "temperature": "above 0 and at most 1,000,000,000",
            "cooling": "above 0 and at most 1",
            "per": "'step' or 'epoch'",
        }
        ((name, value),) = wrong.items()
        with pytest.raises(InputError) as caught:
            Annealed(**wrong).check()  # type: ignore[arg-type]
        assert str(caught.value) == f"Annealed({name}={value!r}) is impossible: it must be {words[name]}."


@pytest.mark.parametrize("name", ACCEPTANCES.names())
def test_every_rule_gives_a_probability_and_takes_the_fitter(name: str) -> None:
    rule = ACCEPTANCES.get(name)()
    temperature = rule.start()
    for gap in (-5.0, -0.1, 0.0, 0.1, 5.0):
        assert 0 <= rule.chance(number(gap), number(0.0), temperature) <= 1
    assert rule.chance(number(0.1), number(0.0), temperature) == 1


class TestElitist:
    def test_only_the_fitter_replaces(self) -> None:
        rule = ACCEPTANCES.get("elitist")()
        assert [rule.chance(number(best), number(0.0), None).item() for best in (-0.1, 0.0, 0.1)] == [0, 0, 1]
        assert rule.scores_parent
        assert rule.start() is None


class TestAnnealedLinearly:
    def test_cooling_by_hand(self) -> None:
        rule = AnnealedLinearly(temperature=2.0, n_units=4)
        heat = [rule.start()]
        for _ in range(5):
            heat.append(rule.cooled(heat[-1]))
        assert heat == [2.0, 1.5, 1.0, 0.5, 0.0, 0.0]
        rule = AnnealedLinearly()  # 2000 falls of 0.0005, which are no whole multiple of a power of two
        heat = [rule.start()]
        for _ in range(2000):
            heat.append(rule.cooled(heat[-1]))
        assert heat[-2] == pytest.approx(0.0005)
        assert heat[-1] == 0
        assert rule.cooled(None) is None
        assert AnnealedLinearly(per="epoch").per_epoch()
        assert not rule.per_epoch()

    def test_chance_is_that_of_metropolis(self) -> None:
        rule = AnnealedLinearly()
        assert rule.chance(number(0.25), number(0.5), 0.25).item() == pytest.approx(math.exp(-1))
        assert rule.chance(number(0.25), number(0.5), 0.0) == 0
        assert rule.chance(number(0.5), number(0.25), 0.0) == 1

    @pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"n_units": 0}, {"per": "batch"}])
    def test_impossible_parameters_are_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=rf"^AnnealedLinearly\({next(iter(wrong))}=.* is impossible: it must be "):
            AnnealedLinearly(**wrong).check()


class TestEvolution:
    def test_terms_are_added_up(self) -> None:
        realness, gradients = torch.tensor([0.5, 0.25]), torch.tensor([[3.0, 4.0], [0.0, 1.0]])
        evolution = Evolution(fitness=(Quality(weight=2.0), "diversity"))
        expected = [1 - 0.2 * math.log(5), 0.5]
        assert fitness(realness, gradients, evolution.terms()).tolist() == pytest.approx(expected, rel=1e-6)
        for alone in (("quality",), ["quality"], "quality", Quality()):
            assert fitness(realness, gradients, Evolution(fitness=alone).terms()).tolist() == [0.5, 0.25]  # type: ignore[arg-type]

    def test_no_gradient_leaves_the_fitness_finite(self) -> None:
        realness, gradients = torch.tensor([0.5, 0.25]), torch.tensor([[0.0, 0.0], [0.0, 1.0]])
        still, moving = fitness(realness, gradients, Evolution().terms())
        assert still.item() == pytest.approx(0.5 + 0.2 * 12 * math.log(10), rel=1e-5)
        assert 0 < Annealed().chance(moving, still, 1000.0) < 1

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"fitness": "quality", "diversity_weight": 7.0}, r"diversity_weight=7.0 has no effect beside fitness="),
            ({"fitness": ()}, r"fitness=\(\) is impossible: give a term, or a tuple of them."),
            ({"fitness": ("speed",)}, "there is no fitness_term called 'speed': choose from diversity, quality."),
            ({"n_survivors": 0}, r"Evolution\(n_survivors=0\) is impossible: it must be a whole number, 1 to 1,024."),
            ({"n_survivors": True}, r"Evolution\(n_survivors=True\) is impossible"),
            ({"acceptance": Annealed(cooling=2)}, r"Annealed\(cooling=2\) is impossible"),
            ({"fitness": Quality(weight=math.nan)}, r"Quality\(weight=nan\) is impossible: it must be a finite"),
        ],
    )
    def test_impossible_parameters_are_refused(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=f"^{message}"):
            Evolution(**wrong).check()

    def test_default_parts(self) -> None:
        mutations, acceptance = Evolution().parts()
        assert [mutation.name for mutation in mutations] == ["minimax", "non_saturating", "least_squares"]
        assert isinstance(acceptance, Always)

    def test_instances_are_cloned(self) -> None:
        rule = Annealed(cooling=0.5)
        mutation = OBJECTIVES.get("minimax")()
        mutations, acceptance = Evolution(mutations=[mutation], acceptance=rule).parts()  # type: ignore[arg-type]
        assert acceptance is not rule
        assert mutations[0] is not mutation
        assert acceptance.get_params() == rule.get_params()

    @pytest.mark.parametrize("wrong", [(), [], "minimax", None])
    def test_no_mutations_are_refused(self, wrong: object) -> None:
        with pytest.raises(InputError) as caught:
            Evolution(mutations=wrong).parts()  # type: ignore[arg-type]
        assert str(caught.value) == f"mutations={wrong!r} is impossible: give a tuple of at least one objective."

    def test_unknown_names_are_refused(self) -> None:
        with pytest.raises(InputError, match="^there is no objective called 'anneal': choose from .*"):
            Evolution(mutations=("anneal",)).parts()
        with pytest.raises(InputError) as caught:
            Evolution(acceptance="anneal").parts()
        assert str(caught.value) == (
            "there is no acceptance called 'anneal': choose from always, annealed, annealed_linearly, elitist; did you "
            "mean 'annealed'?"
        )

    def test_nested_parameters_are_reached_by_name(self) -> None:
        evolution = Evolution(acceptance=Annealed())
        evolution.set_params(acceptance__cooling=0.5, diversity_weight=0.1)
        assert evolution.get_params()["acceptance__cooling"] == 0.5


class TestIndividual:
    def test_steps_like_adam(self) -> None:
        mine = make_individual()
        theirs = copy.deepcopy(mine.network)
        adam = torch.optim.Adam(theirs.parameters(), lr=0.1, betas=(0.5, 0.999))
        random = torch.Generator().manual_seed(0)
        for _ in range(3):
            gradient = [torch.randn(p.shape, generator=random) for p in mine.parameters]
            for parameter, value in zip(theirs.parameters(), gradient, strict=True):
                parameter.grad = value.clone()
            mine.step(mine.flat(gradient))
            adam.step()
        for parameter, expected in zip(mine.parameters, theirs.parameters(), strict=True):
            torch.testing.assert_close(parameter, expected)
            assert parameter.grad is None

    @pytest.mark.parametrize("n_steps", [0, 2])
    def test_offspring_equal_their_parent_and_share_nothing(self, n_steps: int) -> None:
        parent = make_individual()
        learn(parent, n_steps)
        before = contents(parent)
        child = parent.offspring()
        assert contents(child) == before
        assert len(before) > len(parent.network.state_dict()), "moments, too"
        learn(child, 2, seed=1)
        assert contents(parent) == before
        assert contents(child) != before

    def test_offspring_and_parent_step_alike(self) -> None:
        """Equal optimiser states: the same gradient takes both to the same place."""
        parent = make_individual()
        learn(parent, 3)
        child = parent.offspring()
        for individual in (parent, child):
            learn(individual, 1, seed=5)
        assert contents(parent) == contents(child)

    @pytest.mark.parametrize(("n_mine", "n_theirs"), [(0, 0), (0, 2), (2, 0), (1, 3)])
    def test_become_takes_weights_buffers_moments_and_step_size(self, n_mine: int, n_theirs: int) -> None:
        mine, theirs = make_individual(1), make_individual(2, learning_rate=0.03)
        learn(mine, n_mine, seed=1)
        learn(theirs, n_theirs, seed=2)
        expected = contents(theirs)
        mine.become(theirs)
        assert contents(mine) == expected
        assert mine.learning_rate == 0.03
        for individual in (mine, theirs):
            learn(individual, 2, seed=9)
        assert contents(mine) == contents(theirs)
        learn(mine, 1)
        assert contents(mine) != contents(theirs)

    def test_restored_individuals_go_on_alike(self) -> None:
        old, new = make_individual(1), make_individual(2)
        learn(old, 3)
        # Files hold tensors in an order of their own.
        named = {name: old.named_tensors()[name].clone() for name in sorted(old.named_tensors())}
        new.restore(named)
        assert contents(new) == contents(old)
        child = new.offspring()
        for individual in (old, new, child):
            learn(individual, 2, seed=4)
        assert contents(new) == contents(old) == contents(child)

    def test_restore_copes_with_moments_in_another_order(self) -> None:
        """More than ten parameters: in a file, number 10 stands before number 2."""
        layers = [nn.Linear(2, 2) for _ in range(7)]
        old, new = (Individual(nn.Sequential(*copy.deepcopy(layers)), 0.1, (0.5, 0.999)) for _ in range(2))

        def go(individual: Individual) -> None:
            individual.step(individual.gradient(individual.network(torch.ones(1, 2)).square().sum()))

        go(old)
        go(old)
        expected = contents(old)
        new.restore({name: old.named_tensors()[name].clone() for name in sorted(old.named_tensors())})
        place = old.offspring()
        go(place)
        place.become(new)
        assert contents(place) == expected

    def test_everything_lives_in_one_row(self) -> None:
        individual = make_individual()
        learn(individual, 2)
        before, row = contents(individual), individual.row.clone()
        individual.row.zero_()
        assert not any(value.any() for name, value in individual.named_tensors().items() if "tracked" not in name)
        individual.row.copy_(row)
        assert contents(individual) == before

    def test_gradients_keep_the_layout_of_the_weights(self) -> None:
        """Weights with the channels last lie in the row as they are; a gradient in another layout finds its place."""
        network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        weight, bias = (value.detach().clone() for value in network.parameters())
        individual = Individual(network, 0.1, (0.5, 0.999))
        assert torch.equal(network.weight, weight)
        assert network.weight.is_contiguous(memory_format=torch.channels_last)
        gradient = [torch.randn(4, 3, 3, 3), torch.randn(4)]
        shown = [view.clone() for view in (individual.flat(gradient)[:108], individual.flat(gradient)[112:116])]
        assert torch.equal(shown[0].view(4, 3, 3, 3).permute(0, 3, 1, 2), gradient[0])
        assert torch.equal(shown[1], gradient[1])
        assert torch.equal(network.bias, bias)

    def test_still_parameters_stay(self) -> None:
        network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
        network[0].requires_grad_(False)
        individual = Individual(network, 0.1, (0.5, 0.999))
        before = [parameter.detach().clone() for parameter in network.parameters()]
        learn(individual, 2)
        moved = [not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)]
        assert moved == [False, False, True, True]
        assert contents(individual.offspring()) == contents(individual)

    def test_double_precision_is_refused(self) -> None:
        with pytest.raises(InputError) as caught:
            Individual(nn.Linear(3, 4).double(), 0.1, (0.5, 0.999))
        assert str(caught.value) == "a network given in networks= is not in single precision: call its .float() first."

    def test_restoring_what_does_not_fit_is_refused(self) -> None:
        individual = make_individual()
        named = dict(individual.named_tensors())
        with pytest.raises(KeyError, match="optimiser.step"):
            individual.restore({name: value for name, value in named.items() if name != "optimiser.step"})
        with pytest.raises(ValueError, match=r"network.3.bias is of shape \(3,\), not \(2,\)"):
            individual.restore({**named, "network.3.bias": torch.zeros(3)})


class TestPopulation:
    @pytest.mark.parametrize("swaps", [False, True], ids=["copied", "swapped"])
    @pytest.mark.parametrize("choice", [0, 1, 2])
    def test_the_chosen_becomes_the_parent_and_shares_nothing(self, choice: int, swaps: bool) -> None:
        founder = make_individual()
        learn(founder, 2)
        population = Population(founder, 2)
        population.swaps = swaps
        contenders = [*population.offspring, population.parent]
        assert all(contents(each) == contents(founder) for each in contenders)
        for seed, each in enumerate(contenders, 1):
            learn(each, seed, seed=seed)  # as many steps and batches as its number
        before = [contents(each) for each in contenders]
        population.choose(torch.tensor([choice]))
        assert contents(population.parent) == before[choice]
        places = before[:2]
        if swaps and choice < 2:
            places[choice] = before[2]
        assert [contents(each) for each in population.offspring] == places
        learn(population.parent, 1, seed=9)
        assert [contents(each) for each in population.offspring] == places

    def test_places_change_on_a_processor(self) -> None:
        assert Population(make_individual(), 2).swaps

    @pytest.mark.parametrize("swaps", [False, True], ids=["copied", "swapped"])
    @pytest.mark.parametrize("choice", [(0, 3), (5, 4), (4, 5), (1, 5), (4, 0)])
    def test_several_survivors(self, choice: tuple[int, int], swaps: bool) -> None:
        """Four offspring of two parents, which are numbers 4 and 5."""
        population = Population([make_individual(0), make_individual(1)], 4)
        population.swaps = swaps
        contenders = [*population.offspring, *population.parents]
        for seed, each in enumerate(contenders, 1):
            learn(each, seed, seed=seed)
        before = [contents(each) for each in contenders]
        population.choose(torch.tensor(choice))
        assert [contents(each) for each in population.parents] == [before[i] for i in choice]
        assert population.parent is population.parents[0]
        everyone = [*population.offspring, *population.parents]
        assert len({id(each) for each in everyone}) == 6
        kept = contents(population.parents[1])
        learn(population.parents[0], 1, seed=9)
        assert contents(population.parents[1]) == kept
