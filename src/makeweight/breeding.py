"""Offspring of one parent: the gradients of all mutations' losses, from passes that they share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from makeweight.augmentations import Transform
from makeweight.individual import Individual
from makeweight.inference import WithEncoder
from makeweight.judges import Judge, Judgement
from makeweight.priors import Request
from makeweight.rules import Batch, Game, Players

SMALLEST_SLOPE = 1e-30  # of an image's realness in a loss, so that it can be divided by


@dataclass(frozen=True)
class LossAndGradient:
    """What the discriminator learns from a batch, or from two: its loss, its gradient by the weights.

    `realness` is the mean realness of the images judged, of the drawn ones where both kinds are.
    """

    loss: Tensor
    gradient: Tensor
    realness: Tensor


@dataclass(frozen=True)
class Bred:
    """What a parent's batch gives: a gradient and a loss for each mutation, and the images.

    `half` is the discriminator's half on those images, where it came along.
    """

    gradients: Tensor
    losses: Tensor
    images: Tensor
    half: LossAndGradient | None = None


def half_of(game: Game, players: Players, judgement: Judgement, codes: Tensor, *, real: bool) -> LossAndGradient:
    """Loss and gradient of the discriminator on a judged batch of one kind."""
    loss = game.half_loss(judgement, codes, real=real)
    gradient = players.discriminator.gradient(loss)
    return LossAndGradient(loss.detach(), gradient, judgement.scores.detach().sigmoid().mean())


def whole_of(game: Game, players: Players, real: Batch, drawn: Batch, share: float = 0.0) -> LossAndGradient:
    """Loss and gradient of the discriminator on a real and a drawn batch, mixed by `share`."""
    of_real, of_drawn = game.judge_both(players.discriminator.network, real, drawn, share)
    loss = game.discriminator_loss(of_real, real.codes, of_drawn, drawn.codes)
    gradient = players.discriminator.gradient(loss)
    return LossAndGradient(loss.detach(), gradient, of_drawn.scores.detach().sigmoid().mean())


def shared_pulls(
    game: Game,
    players: Players,
    judgement: Judgement,
    shown: Tensor,
    codes: Tensor,
    *,
    scored: bool,
    beside: Judgement | None = None,
) -> tuple[list[Tensor], LossAndGradient | None]:
    """Pull of each mutation on the images `shown`, from two backward chains through the discriminator.

    An image's realness depends on that image alone, so the pulls of all objectives are one chain, from the realness,
    times a number an image; the pull of the labels, a second chain, is the same for all. Where the parent is scored
    and the discriminator learns no labels from drawn images, its half on these images is that first chain, too.
    """
    outputs = Judgement(*(part.detach().requires_grad_() for part in judgement))
    in_common = game.common_loss(outputs, codes, beside)
    at_images: Tensor | float = 0.0
    if in_common.requires_grad:
        slopes = torch.autograd.grad(in_common, outputs, allow_unused=True)
        used = [(output, slope) for output, slope in zip(judgement, slopes, strict=True) if slope is not None]
        ends, towards = zip(*used, strict=True)
        (at_images,) = torch.autograd.grad(ends, shown, towards, retain_graph=True)
    half = None
    if scored and not game.head.fake_loss(outputs, codes).requires_grad:
        loss = game.half_loss(outputs, codes, real=False)
        (slope,) = torch.autograd.grad(loss, outputs.scores)
        slope = torch.where(slope.abs() < SMALLEST_SLOPE, SMALLEST_SLOPE, slope)
        wanted = [shown, *players.discriminator.parameters]
        chain, *gradient = torch.autograd.grad(judgement.scores, wanted, slope, materialize_grads=True)
        chain = chain / slope.view(-1, 1, 1, 1)
        realness = judgement.scores.detach().sigmoid().mean()
        half = LossAndGradient(loss.detach(), players.discriminator.flat(gradient), realness)
    else:
        ones = torch.ones_like(judgement.scores)
        (chain,) = torch.autograd.grad(judgement.scores, shown, ones, retain_graph=scored)
    pulls = []
    for mutation in game.mutations:
        (slope,) = torch.autograd.grad(game.pull(mutation, outputs.scores, beside), outputs.scores)
        pulls.append(slope.view(-1, 1, 1, 1) * chain + at_images)
    return pulls, half


def breed(
    game: Game, players: Players, parent: Individual, real: Batch, request: Request, transform: Transform
) -> Bred:
    """Draw one batch from a parent and differentiate every mutation's loss on it.

    One forward pass through both networks serves all mutations. The half for the parent's own score comes along where
    the score is to be taken on this request and the discriminator answers alike in training and evaluation. Real images
    are judged only where a loss compares with them, or where they share batches with drawn ones.
    """
    judge = players.discriminator.network
    judge.train()
    drawn = game.draw(parent.network, request)
    shown = drawn.detach().requires_grad_()
    batch, share, beside = Batch(shown, request.codes, transform), mixed_share(game, players), None
    if share or game.feature_matching or game.mutations[0].paired:
        of_real, judgement = game.judge_both(judge, real, batch, share)
        beside = of_real.detached()
    else:
        judgement = game.judge(judge, batch)
    in_common = game.common_loss(judgement, request.codes, beside)
    losses = [game.pull(mutation, judgement.scores, beside) + in_common for mutation in game.mutations]
    scored = game.acceptance.scores_parent and not game.evolution.fresh_noise and players.judges_alike
    half = None
    if players.judges_alike and len(losses) > 1 and judgement.scores.ndim == 1:
        pulls, half = shared_pulls(game, players, judgement, shown, request.codes, scored=scored, beside=beside)
    else:
        pulls = [torch.autograd.grad(loss, shown, retain_graph=True)[0] for loss in losses]
    if scored and half is None:
        half = half_of(game, players, judgement, request.codes, real=False)
    gradients = torch.empty(len(pulls), len(parent.weights), device=drawn.device)
    for pull, row in zip(pulls, gradients, strict=True):
        parent.gradient(drawn, pull, keep=pull is not pulls[-1], into=row)
    if isinstance(parent.network, WithEncoder):
        gradients += own_gradient(game, players, parent.network, parent, real, request)
    bred = Bred(gradients, torch.stack(losses).detach(), drawn.detach(), half)
    game.team.average(bred.gradients, bred.losses)
    return bred


def own_gradient(
    game: Game, players: Players, network: WithEncoder, parent: Individual, real: Batch, request: Request
) -> Tensor:
    """Gradient of what a generator with an encoder learns from real images, the same for all mutations."""
    judge = players.discriminator.network
    assert isinstance(judge, Judge)
    with game.autocast():
        loss = network.own_loss(judge, real.transform(real.images), real.codes, request.noise)
    return parent.gradient(loss)


def mixed_share(game: Game, players: Players) -> float:
    """Share of each batch that changes places with the other kind; 0 where every image is judged by itself."""
    return 0.0 if players.judges_alike else game.mixing.share(players.n_steps // game.steps_per_epoch)
