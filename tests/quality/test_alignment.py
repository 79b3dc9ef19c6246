import numpy as np
import pytest

from makeweight.quality import ImageBank
from makeweight.quality.alignment import Change

RANDOM = np.random.default_rng(0)


def images(*shape: int) -> np.ndarray:
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


def test_the_distance_is_that_of_the_best_correlation_over_all_changes() -> None:
    bank, query = images(12, 1, 8, 8), images(3, 1, 8, 8)
    found = ImageBank(bank).nearest(query, k=12)
    for row in range(3):
        expected = []
        for other in bank[:, 0]:
            best = -1.0
            for mirrored in (query[row, 0], query[row, 0][:, ::-1]):
                wide = np.pad(mirrored, 1, mode="edge")
                moved = [wide[y : y + 8, x : x + 8].ravel() for y in range(3) for x in range(3)]
                best = max(best, *(np.corrcoef(view, other.ravel())[0, 1] for view in moved))
            expected.append(np.sqrt(2 - 2 * best))
        assert found.indices[row].tolist() == np.argsort(expected).tolist()
        np.testing.assert_allclose(found.distances[row], np.sort(expected), rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 28), (1, 64, 64)])
def test_mirrored_shifted_and_brightened_images_are_found(shape: tuple[int, int, int]) -> None:
    smooth = np.repeat(np.repeat(images(20, shape[0], -(-shape[1] // 4), -(-shape[2] // 4)), 4, 2), 4, 3)
    bank = np.ascontiguousarray(smooth[:, :, : shape[1], : shape[2]])
    for change in (Change(), Change(True), Change(False, 1, 0), Change(True, 0, -1)):
        copies = change.apply(bank) * 0.4 - 0.3
        found = ImageBank(bank).nearest(copies, k=1)
        assert found.indices[:, 0].tolist() == list(range(20)), change
        assert found.distances.max() < (0.02 if not change.down and not change.right else 0.75)


def test_changes_move_as_they_say() -> None:
    image = np.zeros((1, 1, 8, 8), np.float32)
    image[0, 0, 2, 3] = 1
    assert np.argwhere(Change(False, 1, 2).apply(image))[0].tolist() == [0, 0, 3, 5]
    assert np.argwhere(Change(True).apply(image))[0].tolist() == [0, 0, 2, 4]
    assert [str(change) for change in (Change(), Change(True, 0, 1), Change(False, -1, 0))] == [
        "",
        "mirrored and shifted",
        "shifted",
    ]


def test_an_image_of_the_bank_is_not_its_own_neighbour() -> None:
    bank = images(6, 1, 8, 8)
    found = ImageBank(bank).nearest(bank, k=9, own=True)
    assert found.indices.shape == (6, 5)
    assert not (found.indices == np.arange(6)[:, None]).any()
    assert ImageBank(bank[:1]).nearest(bank[:1], k=2, own=True).indices.shape == (1, 0)


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, query = images(30, 1, 8, 8), images(11, 1, 8, 8)
    whole = ImageBank(bank).nearest(query, k=3)
    monkeypatch.setattr("makeweight.quality.alignment.BLOCK_VALUES", 1)
    for one, other in zip(whole, ImageBank(bank).nearest(query, k=3), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_flat_rows_are_compared_column_by_column() -> None:
    bank, query = images(9, 5, 1, 1), images(4, 5, 1, 1)
    found = ImageBank(bank).nearest(query, k=1)
    every = np.sqrt(((query[:, None, :, 0, 0] - bank[None, :, :, 0, 0]) ** 2).mean(axis=2))
    assert found.indices[:, 0].tolist() == every.argmin(axis=1).tolist()
    np.testing.assert_allclose(found.distances[:, 0], every.min(axis=1), rtol=1e-5)


def test_constant_images_are_like_nothing() -> None:
    bank = np.concatenate([images(3, 1, 8, 8), np.full((1, 1, 8, 8), 0.5, np.float32)])
    found = ImageBank(bank).nearest(np.zeros((1, 1, 8, 8), np.float32), k=4)
    assert found.distances[0, 0] == 0
    assert found.indices[0, 0] == 3
    assert found.distances[0, 1:] == pytest.approx(1)
