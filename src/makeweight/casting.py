"""The players of a game: the discriminator, places for offspring, and the generator that draws at the end."""

from __future__ import annotations

import itertools

from torch import nn

from makeweight.errors import InputError
from makeweight.individual import Individual, Population, detached_copy
from makeweight.judges import Judge
from makeweight.networks import NetworkPair
from makeweight.rules import Game, Players
from makeweight.stabilisers import MinibatchDeviation, normalise_spectrally

DRAWS = ("average", "best", "last")


def build_discriminator(game: Game, pair: NetworkPair, *, deviation: bool) -> Judge:
    """Put the game's head on a pair's trunk, with what limits it, using torch's global random state.

    Parameters
    ----------
    game : Game
        The rules.
    pair : NetworkPair
        Its trunk becomes part of the discriminator.
    deviation : bool
        Whether the head sees how much the images of a batch differ.
    """
    trunk = nn.Sequential(pair.trunk, MinibatchDeviation()) if deviation else pair.trunk
    discriminator = game.head.build(trunk, pair.n_features + int(deviation), len(game.class_counts))
    game.penalty.prepare(discriminator)
    if game.spectral_norm:
        normalise_spectrally(discriminator)
    return discriminator


def house(players: Players, game: Game, founders: list[Individual]) -> None:
    """Give as many generators as survive a step places for as many offspring as the game has mutations for them."""
    parents = list(itertools.islice(itertools.cycle(founders), game.evolution.n_survivors))
    players.population = None if game.plain else Population(parents, len(parents) * len(game.mutations))
    if players.population is not None:
        players.generator = players.population.parent


def check_draws(draws: str, average_decay: float, best_every: int, n_steps: int | None) -> None:
    """Refuse, before a training of `n_steps`, a choice of the generator that draws that there will not be.

    Raises
    ------
    InputError
        For one that is not kept, or none of `DRAWS`.
    """
    kept = {"average": average_decay > 0, "best": best_every > 0 and (n_steps is None or best_every <= n_steps)}
    if draws not in DRAWS or not kept.get(draws, True):
        raise InputError(_no_drawer(draws))


def drawer(players: Players, draws: str) -> nn.Module:
    """Copy the generator that draws, in evaluation mode.

    Parameters
    ----------
    players : Players
        As they ended.
    draws : "average", "best" or "last"
        Which generator.

    Raises
    ------
    InputError
        For one that the players do not have.
    """
    networks = {
        "average": None if players.average is None else players.average.module,
        "best": None if players.best is None else players.best.network,
        "last": players.generator.network,
    }
    network = networks[draws] if draws in DRAWS else None
    if network is None:
        raise InputError(_no_drawer(draws))
    return detached_copy(network).eval()


def _no_drawer(draws: str) -> str:
    return (
        f"draws={draws!r} is impossible here: 'average' needs average_decay above 0, 'best' a best_every above 0 "
        f"and no more than the steps taken, and {', '.join(DRAWS)} are all there is."
    )
