import numpy as np
import pytest
import torch

from makeweight.priors import PRIORS, Empirical, Prior, Uniform, row_noise

COUNTS = np.array([90, 9, 0])


@pytest.mark.parametrize("name", PRIORS.names())
def test_requests(name: str) -> None:
    before = torch.random.get_rng_state()
    prior = PRIORS.get(name)()
    first, second = (prior.draw(64, 5, COUNTS, torch.Generator().manual_seed(1)) for _ in range(2))
    assert first.noise.shape == (64, 5)
    assert first.codes.shape == (64,)
    assert first.codes.dtype == torch.long
    assert first.codes.min() >= 0
    assert first.codes.max() < 3
    assert torch.equal(first.noise, second.noise)
    assert torch.equal(first.codes, second.codes)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert abs(first.noise.mean().item()) < 0.3
    assert first.noise.std().item() == pytest.approx(1, abs=0.2)


def test_uniform_asks_for_every_class_alike() -> None:
    codes = Uniform().codes(6000, COUNTS, torch.Generator().manual_seed(0))
    assert np.bincount(codes, minlength=3) == pytest.approx([2000, 2000, 2000], abs=200)


def test_empirical_asks_as_the_data_have_them() -> None:
    codes = Empirical().codes(9900, COUNTS, torch.Generator().manual_seed(0))
    n_first, n_second, n_third = np.bincount(codes, minlength=3)
    assert n_first == pytest.approx(9000, abs=150)
    assert n_second == pytest.approx(900, abs=150)
    assert n_third == 0


def test_a_prior_must_say_which_labels_are_asked_for() -> None:
    with pytest.raises(TypeError, match="^Prior must say which labels are asked for$"):
        Prior().codes(3, COUNTS, torch.Generator())


def test_row_noise_is_a_function_of_seed_code_and_row_alone() -> None:
    many = row_noise(7, 2, np.arange(6), 4)
    assert many.shape == (6, 4)
    assert many.dtype == torch.float32
    for row in (0, 3, 5):
        assert torch.equal(row_noise(7, 2, np.array([row]), 4)[0], many[row])
    assert torch.equal(row_noise(7, 2, np.array([5, 0, 5]), 4), many[[5, 0, 5]])


def test_row_noise_differs_by_seed_code_and_row() -> None:
    noises = [
        row_noise(seed, code, np.array([row]), 4)
        for seed in (0, 1, 2**63 - 1)
        for code in (0, 1)
        for row in (0, 1, 10**12)
    ]
    assert len({noise.numpy().tobytes() for noise in noises}) == len(noises)


def test_row_noise_is_standard_normal() -> None:
    noise = row_noise(0, 0, np.arange(400), 25)
    assert noise.mean().item() == pytest.approx(0, abs=0.03)
    assert noise.std().item() == pytest.approx(1, abs=0.03)


def test_rows_share_no_numbers() -> None:
    """Neighbouring rows are neighbouring counters; a long row must not run into the next one's numbers."""
    noise = row_noise(3, 0, np.arange(3), 2000).numpy()
    assert len(np.unique(noise)) == pytest.approx(noise.size, abs=10)


def test_bytes_do_not_change_between_versions() -> None:
    """Saved models are redrawn from seed and row; this noise is part of the format."""
    noise = row_noise(7, 2, np.array([5]), 4)[0].tolist()
    assert noise == pytest.approx([0.5188506, 0.4974824, -1.7122974, -0.7682349], abs=1e-6)
