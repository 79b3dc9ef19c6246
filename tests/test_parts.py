from __future__ import annotations

import pytest
import torch
from torch import nn

from makeweight.heads import AuxiliaryClassifier
from makeweight.parts import in_parts


@pytest.mark.parametrize("n_parts", [1, 2, 3, 7])
def test_parts_answer_and_learn_like_the_whole(n_parts: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(48, 2))
    images = torch.randn(7, 1, 6, 6, requires_grad=True)
    whole, parts = network(images), in_parts(network, n_parts, images)
    torch.testing.assert_close(parts, whole)
    wanted = [images, *network.parameters()]
    for power in (2, 3):  # the same graph twice, as offspring of one parent take it
        expected = torch.autograd.grad(whole.pow(power).sum(), wanted, retain_graph=True)
        found = torch.autograd.grad(parts.pow(power).sum(), wanted, retain_graph=True)
        torch.testing.assert_close(found, expected)


def test_parts_of_a_judgement_are_put_together() -> None:
    torch.manual_seed(0)
    judge = AuxiliaryClassifier().build(nn.Flatten(), 4, 3)
    images, codes = torch.randn(5, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1])
    whole, parts = judge(images, codes), in_parts(judge, 2, images, codes)
    assert type(parts) is type(whole)
    for mine, theirs in zip(parts, whole, strict=True):
        torch.testing.assert_close(mine, theirs)
