"""Every message of InputError has a test that reads it."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from makeweight.compare.options import Options
from makeweight.compare.runs import Predictions
from makeweight.data.download import download_files
from makeweight.data.official import read_idx_splits
from makeweight.errors import InputError
from makeweight.networks import OwnNetworks
from makeweight.report.features import check_projection

from .messages import unread


def test_no_message_goes_unread() -> None:
    assert unread() == []


def test_a_download_without_a_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/data cannot take the download \(Not a directory\)\.$"):
        download_files([], tmp_path / "file" / "data")


def test_a_set_without_its_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks train-images-idx3-ubyte \(plain or \.gz\)\.$"):
        read_idx_splits(tmp_path)


def test_jobs_below_one() -> None:
    with pytest.raises(InputError, match=r"^0 jobs are impossible: give 1 or more, or -1 for all cores\.$"):
        Options(n_jobs=0).check()


def test_networks_whose_code_is_not_saved() -> None:
    networks = OwnNetworks(generator=None, trunk=None)  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=r"^the model was trained with its user's own networks, whose code is not saved"
    ):
        networks.build((1, 8, 8), 2, 4)


def test_a_projection_whose_package_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"^UMAP is not installed: install umap-learn \(makeweight's extra umap\), or take tsne\.$"
    ):
        check_projection("umap")


class TestPredictions:
    good: ClassVar = {
        "index": np.arange(2),
        "codes": np.zeros(2, np.int16),
        "chances": np.full((2, 2), 0.5, np.float16),
    }

    @pytest.mark.parametrize(
        "change",
        [
            {"codes": np.zeros(3, np.int16)},
            {"codes": np.array(["a", "b"])},
            {"chances": np.zeros((2, 2))},
            {"chances": np.full((2, 2), np.nan)},
            {"chances": np.full((2, 2), -1.0)},
            {"chances": np.full(2, 0.5)},
        ],
        ids=range(6),
    )
    def test_damaged_ones(self, tmp_path: Path, change: dict[str, np.ndarray]) -> None:
        np.savez(tmp_path / "p.npz", **{**self.good, **change})
        with pytest.raises(InputError, match=r"p\.npz holds damaged predictions: delete it, and compare again\.$"):
            Predictions.read(tmp_path / "p.npz")

    def test_arrays_of_something_else(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "p.npz", X=np.zeros(2))
        with pytest.raises(InputError, match=r"holds no predictions of a comparison: delete it, and compare again\.$"):
            Predictions.read(tmp_path / "p.npz")
