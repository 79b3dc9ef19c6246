"""Recipes by their parts, and parts by way of a sampler: swapped in one argument, saved, loaded, gone on with."""

from typing import Any

import numpy as np
import pytest

from makeweight import ACGAN, AGGAN, CAGAN, CGAN, LSGAN, WGAN, WGANGP, WGANLP, ModifiedACGAN, ProjectionGAN, load
from makeweight.errors import InputError
from makeweight.evolution import Elitist, Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.heads import ConditionalActivation
from makeweight.methods import get_method
from makeweight.networks import DCGAN
from makeweight.stabilisers import Mixed

TINY: dict[str, Any] = {
    "n_steps": 3,
    "batch_size": 6,
    "latent_dim": 3,
    "networks": DCGAN(width=2, generator_width=2),
    "random_state": 0,
}


def parts_of(method: type[GANSampler]) -> tuple[str, str, tuple[Any, ...], str, int]:
    sampler = method()
    names = [sampler.setting(name).name for name in ("head", "objective", "penalty")]
    return (*names[:2], sampler.setting("evolution").mutations, names[2], sampler.setting("discriminator_steps"))


@pytest.mark.parametrize(
    ("method", "head", "objective", "penalty"),
    [
        (ModifiedACGAN, "auxiliary_classifier", "least_squares", "none"),
        (LSGAN, "auxiliary_classifier", "least_squares", "none"),
        (WGAN, "auxiliary_classifier", "wasserstein", "weight_clipping"),
        (WGANGP, "auxiliary_classifier", "wasserstein", "gradient_penalty"),
        (WGANLP, "auxiliary_classifier", "wasserstein", "lipschitz_penalty"),
        (CAGAN, "conditional_activation", "least_squares", "none"),
        (CGAN, "concatenated", "non_saturating", "none"),
        (ProjectionGAN, "projection", "hinge", "none"),
    ],
)
def test_parts_of_the_recipes(method: type[GANSampler], head: str, objective: str, penalty: str) -> None:
    assert parts_of(method)[:4] == (head, objective, (objective,), penalty)


def test_wgan_lp_differs_from_wgan_gp_in_the_penalty_alone() -> None:
    ours, theirs = WGANLP().settings, WGANGP().settings
    assert ours.keys() == theirs.keys()
    assert {name for name, value in ours.items() if value != theirs[name]} == {"method", "penalty"}


@pytest.mark.parametrize("method", [ACGAN, LSGAN, ProjectionGAN])
def test_both_players_of_a_plain_game_follow_the_objective(method: type[GANSampler]) -> None:
    sampler = method(objective="hinge")
    assert sampler.setting("objective").name == "hinge"
    assert sampler.setting("evolution").parts()[0][0].name == "hinge"


def test_offspring_keep_their_objectives() -> None:
    own = [each.name for each in AGGAN().setting("evolution").parts()[0]]
    assert [each.name for each in AGGAN(objective="hinge").setting("evolution").parts()[0]] == own
    told = ACGAN(objective="hinge", evolution=Evolution(mutations=("minimax",)))
    assert told.setting("evolution").mutations == ("minimax",)


def test_a_paired_objective_is_played_by_both(boots: Any) -> None:
    assert ACGAN(**TINY, objective="relativistic").fit(*boots).players_.n_steps == TINY["n_steps"]


@pytest.mark.parametrize("method", [ModifiedACGAN, LSGAN, WGAN, WGANGP, WGANLP, CAGAN, CGAN, ProjectionGAN])
def test_the_paper_s_settings_keep_the_method(method: type[GANSampler]) -> None:
    paper = method.from_paper()
    for name in ("objective", "evolution", "spectral_norm"):
        assert getattr(paper, name) is None
    assert paper.setting("head").name == method().setting("head").name
    assert paper.setting("penalty").name == method().setting("penalty").name
    assert (paper.average_decay, paper.draws, paper.augmentation) == (0.0, "last", "none")


@pytest.mark.parametrize("method", [CGAN, CAGAN, ProjectionGAN])
def test_a_head_without_class_output_is_no_classifier(method: type[GANSampler], boots: Any) -> None:
    sampler = method(**TINY).fit(*boots)
    with pytest.raises(InputError) as caught:
        _ = sampler.classifier_
    assert not hasattr(sampler, "classifier_")
    assert str(caught.value) == (
        f"head={sampler.setting('head').name!r} has no class output to classify with: choose 'auxiliary_classifier', "
        "'k_plus_one', 'opposed_classifier'."
    )


def test_k_plus_one_classifies(boots: Any) -> None:
    sampler = ACGAN(**TINY, head="k_plus_one").fit(*boots)
    chances = sampler.classifier_.predict_proba(boots[0])
    assert chances.shape == (20, 3)
    assert chances.sum(axis=1) == pytest.approx(np.ones(20), rel=1e-5)


PARTS: dict[str, dict[str, Any]] = {
    "survivors": {"evolution": Evolution(mutations=("hinge", "minimax"), acceptance=Elitist(), n_survivors=2)},
    "spectral_norm": {"spectral_norm": True, "objective": "wasserstein"},
    "lecam": {"penalty": "lecam"},
    "deviation": {"minibatch_deviation": True, "mixed_batches": Mixed(rate=0.5)},
    "attributes": {"head": ConditionalActivation(attributes=((1, 0), (0, 1), (1, 1)))},
    "noise": {"augmentation": "instance_noise", "discriminator_steps": 2, "feature_matching": 0.1},
    "two_time_scales": {"discriminator_speed": 0.25},
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_are_saved_and_gone_on_with(name: str, boots: Any, tmp_path: Any) -> None:
    sampler = AGGAN(**TINY, **PARTS[name]).fit(*boots)
    sampler.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.settings == sampler.settings
    assert loaded.model_hash_ == sampler.model_hash_
    ends = []
    for each in (sampler, loaded):
        each.set_params(warm_start=True).fit(*boots)
        players = each.players_  # type: ignore[attr-defined]
        rows = [player.row.numpy().tobytes() for player in (*players.parents, players.discriminator)]
        ends.append(b"".join(rows))
        assert len(players.parents) == (2 if name == "survivors" else 1)
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("wgan", {"discriminator_steps": 1}),
        ("bagan", {"start": "fresh", "prior": "uniform"}),
        ("gamo", {"start": "fresh"}),
        ("vae_gan", {"start": "fresh"}),
    ],
)
def test_what_the_recipe_says_is_not_put_in_place_of_what_was_told(
    method: str, changes: dict[str, Any], boots: Any, tmp_path: Any
) -> None:
    """Each of these is told what cards leave out, where the recipe says something else."""
    sampler = get_method(method)(**TINY, **changes).fit(*boots)
    sampler.save(tmp_path)
    loaded = load(tmp_path)
    assert (loaded.settings, loaded.model_hash_) == (sampler.settings, sampler.model_hash_)
    assert np.array_equal(loaded.draw("clog", range(3)), sampler.draw("clog", range(3)))


def test_the_discriminator_has_a_step_size_of_its_own(boots: Any) -> None:
    players = AGGAN(**TINY, learning_rate_decay=0.0, discriminator_speed=0.25).fit(*boots).players_
    assert players.discriminator.learning_rate == pytest.approx(0.25 * players.generator.learning_rate)


def test_a_batch_deviation_ties_neighbours(boots: Any) -> None:
    assert AGGAN(**TINY).fit(*boots).players_.judges_alike
    assert AGGAN(**TINY, spectral_norm=True).fit(*boots).players_.judges_alike
    assert not AGGAN(**TINY, minibatch_deviation=True).fit(*boots).players_.judges_alike


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spectral_norm": 1}, "spectral_norm=1 is impossible: it must be True or False."),
        ({"discriminator_steps": 0}, "discriminator_steps=0 is impossible: it must be a whole number, 1 to 1,000."),
        ({"discriminator_speed": 0}, "discriminator_speed=0 is impossible: it must be above 0."),
        ({"feature_matching": -1}, "feature_matching=-1 is impossible: it must be 0 or more."),
        ({"head": "projections"}, "there is no head called 'projections': choose from .*did you mean 'projection'"),
        ({"head": "k_plus_one"}, "head='k_plus_one' takes the place of the adversarial loss, so that all offspring"),
        ({"penalty": "r3"}, "there is no penalty called 'r3'"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], message: str, boots: Any) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        AGGAN(**TINY, **changes).fit(*boots)


def test_settings_of_older_models_keep_their_hash() -> None:
    """What came later is named only where it differs."""
    assert "spectral_norm" not in AGGAN().settings
    assert "n_survivors" not in AGGAN().settings["evolution"]
    assert AGGAN(spectral_norm=True).settings["spectral_norm"] is True
    assert AGGAN(mixed_batches="mixed").settings["mixed_batches"] == {
        "axis": "mixed_batches",
        "name": "mixed",
        "rate": 0.01,
        "start": 0,
    }
