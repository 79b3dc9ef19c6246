import pytest
import torch
from torch import nn

from makeweight.convex import Blend, BlendOfCodes, BlendOfImages

COUNTS = (40, 3, 1)


def blend(n_values: int = 4) -> Blend:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Blend(COUNTS, n_values, latent_dim=6, width=32)
        made.place(torch.randn(44, n_values))
    return made


def noise_and_codes(n: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(1)), torch.arange(n) % 3


def test_weights_are_on_the_simplex_of_the_class() -> None:
    noise, codes = noise_and_codes()
    weights = blend().weights(noise, codes)
    assert weights.shape == (60, 44)
    assert weights.sum(dim=1).tolist() == pytest.approx([1] * 60, abs=1e-5)
    for code, own in enumerate((slice(0, 40), slice(40, 43), slice(43, 44))):
        assert weights[codes == code][:, own].sum(dim=1).tolist() == pytest.approx([1] * 20, abs=1e-5)


def test_what_is_drawn_lies_within_the_points_of_its_class() -> None:
    made = blend()
    noise, codes = noise_and_codes()
    drawn, own = made(noise, codes), made.points[40:43]
    assert (drawn[codes == 1] <= own.max(dim=0).values + 1e-6).all()
    assert (drawn[codes == 1] >= own.min(dim=0).values - 1e-6).all()
    assert drawn[codes == 2].detach() == pytest.approx(made.points[43].expand(20, 4), abs=1e-6)


def test_a_fresh_generator_blends_a_few_points() -> None:
    noise, codes = noise_and_codes()
    weights = blend().weights(noise, codes)[codes == 0]
    n_blended = 1 / weights.square().sum(dim=1)
    assert 3 < n_blended.mean().item() < 14
    assert len(set(weights.argmax(dim=1).tolist())) > 5


@pytest.mark.parametrize("tilt", [0.5, None])
def test_the_tilt_limits_what_is_learnt(tilt: float | None) -> None:
    """A network that wants one point alone changes no weight's ratio by more than e^(2·tilt)."""
    made, free = blend(), blend()
    made.tilt = tilt
    made.learnt.bias.data[7] = 50.0
    noise, codes = torch.randn(20, 6, generator=torch.Generator().manual_seed(1)), torch.zeros(20, dtype=torch.long)
    ratio = (made.weights(noise, codes) / free.weights(noise, codes))[:, :40]
    change = (ratio.amax(dim=1) / ratio.amin(dim=1)).log().max().item()
    assert change == pytest.approx(0.5, abs=1e-3) if tilt else change > 10


def test_only_the_weights_learn() -> None:
    made = BlendOfImages(blend(12), (3, 2, 2))
    assert made(*noise_and_codes()).shape == (60, 3, 2, 2)
    assert {name for name, each in made.named_parameters() if not each.requires_grad} == {
        "blend.points",
        "blend.random",
    }
    assert "blend.owners" not in made.state_dict()


def test_the_decoder_stays_as_it_was_learnt() -> None:
    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 9), nn.BatchNorm1d(9))

        def forward(self, latent: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
            assert not codes.any()
            return self.layers(latent).view(-1, 1, 3, 3)

    made = BlendOfCodes(blend(), Decoder()).train()
    before = made.decoder.state_dict()["layers.1.running_mean"].clone()
    drawn = made(*noise_and_codes())
    assert drawn.shape == (60, 1, 3, 3)
    assert (made.training, made.blend.training, made.decoder.training) == (True, True, False)
    assert torch.equal(made.decoder.state_dict()["layers.1.running_mean"], before)
    assert not any(each.requires_grad for each in made.decoder.parameters())
    drawn.sum().backward()
    assert made.blend.learnt.weight.grad is not None
