import numpy as np
import pytest
import torch

from makeweight.errors import InputError
from makeweight.priors import PRIORS, ClassGaussian, Empirical, InGaussians, Missing, Prior, Uniform, row_noise

COUNTS = np.array([90, 9, 0])


@pytest.mark.parametrize("name", PRIORS.names())
def test_requests(name: str) -> None:
    before = torch.random.get_rng_state()
    prior = PRIORS.get(name)()
    first, second = (prior.draw(64, 5, COUNTS, torch.Generator().manual_seed(1)) for _ in range(2))
    assert first.noise.shape == (64, 5)
    assert first.codes.shape == (64,)
    assert first.codes.dtype == torch.long
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


def test_missing_asks_for_what_the_largest_class_has_more() -> None:
    codes = Missing().codes(1710, COUNTS, torch.Generator().manual_seed(0))
    assert np.bincount(codes, minlength=3) == pytest.approx([0, 810, 900], abs=60)
    alike = Missing().codes(900, np.array([7, 7, 7]), torch.Generator().manual_seed(0))
    assert np.bincount(alike, minlength=3) == pytest.approx([300, 300, 300], abs=60)


class TestClassGaussian:
    @pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas"])
    def test_means_and_covariances(self, shrinkage: str) -> None:
        random = np.random.default_rng(0)
        roots = np.array([[[2.0, 0.0], [1.0, 0.5]], [[0.1, 0.0], [0.0, 3.0]]])
        centres = np.array([[5.0, -1.0], [0.0, 2.0]])
        codes = np.repeat([0, 1], 4000)
        latent = centres[codes] + np.einsum("nij,nj->ni", roots[codes], random.normal(size=(8000, 2)))
        means, factors = ClassGaussian(shrinkage=shrinkage).fit(latent, codes, 2)
        assert means == pytest.approx(centres, abs=0.2)
        assert factors @ factors.transpose(0, 2, 1) == pytest.approx(roots @ roots.transpose(0, 2, 1), abs=0.4)
        assert (np.triu(factors, 1) == 0).all()

    @pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas"])
    @pytest.mark.parametrize("sizes", [[4], [5, 9], [2, 2, 3, 1]], ids=str)
    def test_variances_are_right_on_average(self, sizes: list[int], shrinkage: str) -> None:
        """Those of a class, or within all where classes have fewer than four; a true variance is 4."""
        random = np.random.default_rng(0)
        codes = np.repeat(np.arange(len(sizes)), sizes)
        found = []
        for _ in range(400):
            latent = random.normal(0, 2, (len(codes), 6))
            factors = ClassGaussian(shrinkage=shrinkage).fit(latent, codes, len(sizes))[1]
            found.append(np.square(factors).sum(axis=2).mean(axis=1))
        assert np.mean(found, axis=0) == pytest.approx(4, rel=0.06)

    @pytest.mark.parametrize("n_own", [1, 2, 3, 4, 9])
    def test_fewer_images_than_dimensions(self, n_own: int) -> None:
        """A class of fewer than four takes the covariance within all classes; every factor is of full rank."""
        random = np.random.default_rng(0)
        latent, codes = random.normal(size=(20 + n_own, 12)), np.repeat([0, 1], [20, n_own])
        latent[:, 3] *= 5
        means, factors = ClassGaussian().fit(latent, codes, 2)
        assert means[1] == pytest.approx(latent[20:].mean(axis=0))
        assert (np.diagonal(factors, axis1=1, axis2=2) > 0.01).all()
        if n_own < 4:
            assert np.linalg.norm(factors[1], axis=1).argmax() == 3

    def test_images_that_are_all_alike(self) -> None:
        means, factors = ClassGaussian().fit(np.ones((5, 3)), np.array([0, 0, 0, 0, 1]), 2)
        assert (means == 1).all()
        assert np.abs(factors).max() < 1e-4

    def test_two_images_in_all(self) -> None:
        _, factors = ClassGaussian().fit(np.array([[0.0, 1.0], [2.0, 2.0]]), np.array([0, 1]), 2)
        assert np.isfinite(factors).all()

    def test_an_unknown_shrinkage(self) -> None:
        with pytest.raises(InputError) as caught:
            ClassGaussian(shrinkage="none").check()
        assert str(caught.value) == (
            "ClassGaussian(shrinkage='none') is impossible: it must be 'ledoit_wolf' or 'oas'."
        )

    def test_the_map_of_the_noise_by_hand(self) -> None:
        """μ + F·z: (1, 2) + ((2, 0), (1, 3))·(1, −1) = (3, 0); the other class is left as it is."""
        network = InGaussians(torch.nn.Identity(), n_classes=2, latent_dim=2)
        network.generator.forward = lambda latent, codes: latent  # type: ignore[method-assign, assignment]
        network.place(
            np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [1.0, 3.0]]])
        )
        noise = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
        assert network(noise, torch.tensor([1, 0])).tolist() == [[3.0, 0.0], [1.0, -1.0]]
        assert not any(parameter.requires_grad for parameter in network.parameters())


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
