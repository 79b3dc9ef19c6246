import errno
import hashlib
import json
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

import makeweight
from makeweight.bench import (
    OtherFiguresWarning,
    Outcome,
    Row,
    RowFile,
    Run,
    RunKey,
    TornRowWarning,
    hash_data,
    hash_settings,
    merge_rows,
    run_once,
)
from makeweight.bench.hashing import to_json
from makeweight.errors import InputError
from makeweight.machine import (
    bfloat16_units,
    device_name,
    full_device_name,
    processor_name,
    software_and_processor,
)

HASH = "ab" * 32


def run(**changes: object) -> Run:
    settings = {"batch_size": 64, "random_state": 0}
    values = {"protocol": "digits", "data_hash": HASH, "subset_seed": 0, "method": "aggan", "settings": settings}
    return Run(**{**values, "budget": "100 steps", **changes})


def row(**changes: object) -> Row:
    return Row(
        **run(**changes).model_dump(),
        device="cpu",
        versions={"python": "3.11.0"},
        seconds=1.5,
        metrics={"acsa": 0.75},
        history=[{"step": 1, "loss": 0.25}],
        finished_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


class TestRun:
    def test_key(self) -> None:
        expected = hashlib.sha256(b'{"batch_size": 64, "random_state": 0}').hexdigest()
        assert run().key == RunKey("digits", HASH, 0, "aggan", expected, "100 steps")

    @pytest.mark.parametrize(
        "change",
        [
            {"protocol": "mnist"},
            {"data_hash": "cd" * 32},
            {"subset_seed": 1},
            {"method": "egan"},
            {"settings": {"batch_size": 64, "random_state": 1}},
            {"budget": "200 steps"},
        ],
    )
    def test_every_part_of_the_key_counts(self, change: dict[str, object]) -> None:
        assert run(**change).key != run().key

    def test_order_of_settings_does_not_count(self) -> None:
        assert run(settings={"random_state": 0, "batch_size": 64}).key == run().key

    def test_settings_of_numpy_and_tuples_become_plain(self) -> None:
        settings = {"learning_rate": np.float64(0.5), "shape": (28, 28), "n": np.int64(3), "none": None}
        assert run(settings=settings).settings == {"learning_rate": 0.5, "shape": [28, 28], "n": 3, "none": None}

    def test_wrong_hash_of_settings(self) -> None:
        with pytest.raises(ValidationError, match="settings_hash is not the hash of settings"):
            run(settings_hash="0" * 64)

    @pytest.mark.parametrize("change", [{"data_hash": "short"}, {"method": ""}, {"extra": 1}, {"settings": 3}])
    def test_is_strict(self, change: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            run(**change)

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            run().method = "egan"


class TestRow:
    def test_line_has_all_fields_and_comes_back(self) -> None:
        line = row().to_line()
        assert "\n" not in line
        data = json.loads(line)
        assert list(data) == [
            *("protocol", "data_hash", "subset_seed", "method", "settings", "settings_hash", "budget"),
            *("device", "versions", "seconds", "metrics", "history", "finished_at"),
        ]
        assert data["finished_at"] == "2026-01-02T03:04:05Z"
        assert Row.model_validate(data) == row()

    def test_figures_that_are_not_finite_are_null(self) -> None:
        data = {**row().model_dump(), "metrics": {"loss": np.nan}, "history": [{"loss": float("inf")}]}
        line = Row(**data).to_line()
        assert json.loads(line)["metrics"] == {"loss": None}
        assert json.loads(line)["history"] == [{"loss": None}]

    def test_time_needs_a_zone(self) -> None:
        with pytest.raises(ValidationError, match="timezone"):
            Row(**{**row().model_dump(), "finished_at": datetime(2026, 1, 1)})


class TestRowFile:
    def test_missing_file_has_no_rows(self, tmp_path: Path) -> None:
        rows = RowFile(tmp_path / "rows.jsonl")
        assert rows.read() == []
        assert rows.done(run().key) is None
        assert list(tmp_path.iterdir()) == []

    def test_grows_by_one_line_a_row(self, tmp_path: Path) -> None:
        rows = RowFile(tmp_path / "results" / "rows.jsonl")
        rows.append(row())
        first = rows.path.read_bytes()
        rows.append(row(subset_seed=1))
        content = rows.path.read_bytes()
        assert content.startswith(first)
        assert content.count(b"\n") == 2
        assert content.endswith(b"\n")
        assert list(rows) == [row(), row(subset_seed=1)]
        assert rows.done(run(subset_seed=1).key) == row(subset_seed=1)

    def test_a_row_for_which_there_is_no_room_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("makeweight.bench.rows.os.write", lambda handle, content: 1)
        with pytest.raises(OSError, match="no room was left for the whole row") as caught:
            RowFile(tmp_path / "rows.jsonl").append(row())
        assert caught.value.errno == errno.ENOSPC

    def test_line_that_is_cut_off_is_named_and_ignored(self, tmp_path: Path) -> None:
        rows = RowFile(tmp_path / "rows.jsonl")
        rows.append(row())
        rows.append(row(subset_seed=1))
        rows.path.write_bytes(rows.path.read_bytes()[:-40])
        with pytest.warns(TornRowWarning, match=r"rows\.jsonl, line 2, is cut off or damaged, and ignored"):
            assert rows.read() == [row()]

    def test_a_row_after_the_cut_is_whole(self, tmp_path: Path) -> None:
        rows = RowFile(tmp_path / "rows.jsonl")
        torn = row().to_line().encode()[:-3]
        rows.path.write_bytes(torn)
        rows.append(row(subset_seed=1))
        assert rows.path.read_bytes().startswith(torn + b"\n")
        with pytest.warns(TornRowWarning, match="line 1"):
            assert rows.read() == [row(subset_seed=1)]

    def test_cut_inside_a_letter(self, tmp_path: Path) -> None:
        rows = RowFile(tmp_path / "rows.jsonl")
        rows.path.write_bytes('{"protocol": "é'.encode()[:-1])
        with pytest.warns(TornRowWarning):
            assert rows.read() == []

    def test_last_line_may_lack_its_end(self, tmp_path: Path) -> None:
        rows = RowFile(tmp_path / "rows.jsonl")
        rows.path.write_text(row().to_line())
        rows.append(row(subset_seed=1))
        assert rows.read() == [row(), row(subset_seed=1)]

    @pytest.mark.parametrize(
        ("line", "message"),
        [('{"a": 1}', "line 1, is no benchmark row"), ("[]", "no benchmark row")],
    )
    def test_other_files_are_refused(self, tmp_path: Path, line: str, message: str) -> None:
        (tmp_path / "rows.jsonl").write_text(line + "\n")
        with pytest.raises(InputError, match=message):
            RowFile(tmp_path / "rows.jsonl").read()

    def test_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            RowFile(tmp_path).read()


class TestRunOnce:
    def test_computes_only_what_is_missing(self, tmp_path: Path) -> None:
        rows, computed = RowFile(tmp_path / "rows.jsonl"), []

        def compute(run: Run) -> Outcome:
            computed.append(run.subset_seed)
            return Outcome({"acsa": np.float32(0.5)}, [{"step": 1}], device="cpu")

        for seed in (0, 1, 0, 1, 2):
            run_once(rows, run(subset_seed=seed), compute)
        assert computed == [0, 1, 2]
        assert [row.subset_seed for row in rows] == [0, 1, 2]

    def test_row_tells_everything(self, tmp_path: Path) -> None:
        rows = RowFile(tmp_path / "rows.jsonl")
        result = run_once(rows, run(), lambda run: Outcome({"acsa": 0.5}, [{"step": 1}], "cuda", 12.3456))
        assert result == rows.read()[0]
        assert (result.metrics, result.history, result.device) == ({"acsa": 0.5}, [{"step": 1}], "cuda")
        assert result.seconds == 12.346
        assert result.versions["makeweight"] == makeweight.__version__
        assert timedelta(0) <= datetime.now(UTC) - result.finished_at < timedelta(minutes=1)

    def test_measures_time_by_itself(self, tmp_path: Path) -> None:
        result = run_once(RowFile(tmp_path / "rows.jsonl"), run(), lambda run: Outcome({}))
        assert 0 <= result.seconds < 1

    def test_failed_run_leaves_no_row(self, tmp_path: Path) -> None:
        rows = RowFile(tmp_path / "rows.jsonl")

        def fail(run: Run) -> Outcome:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_once(rows, run(), fail)
        assert not rows.path.exists()


class TestMerge:
    def test_takes_every_run_once(self, tmp_path: Path) -> None:
        target, first, second = (RowFile(tmp_path / f"{name}.jsonl") for name in ("target", "first", "second"))
        target.append(row())
        for seed in (0, 1, 1):
            first.append(row(subset_seed=seed))
        second.append(row(subset_seed=2))
        assert merge_rows(target, [first, second]) == 2
        assert [row.subset_seed for row in target] == [0, 1, 2]
        assert merge_rows(target, [first, second]) == 0

    def test_what_holds_no_rows_is_no_target(self, tmp_path: Path) -> None:
        first, other = RowFile(tmp_path / "first.jsonl"), RowFile(tmp_path / "settings.toml")
        first.append(row())
        other.path.write_text("[blend]\n")
        with (
            pytest.warns(TornRowWarning),
            pytest.raises(InputError, match="holds no row, so none is added: name a file"),
        ):
            merge_rows(other, [first])
        assert other.path.read_text() == "[blend]\n"

    def test_other_figures_of_one_run_are_told(self, tmp_path: Path) -> None:
        target, first, second = (RowFile(tmp_path / f"{name}.jsonl") for name in ("target", "first", "second"))
        for seed in (0, 1):
            first.append(row(subset_seed=seed))
            second.append(row(subset_seed=seed).model_copy(update={"metrics": {"acsa": 0.5 + 0.25 * seed}}))
        words = "second.jsonl: 1 row is of a run whose row before has other figures, and left out: the first counts"
        with pytest.warns(OtherFiguresWarning, match=words):
            assert merge_rows(target, [first, second]) == 2
        assert [each.metrics["acsa"] for each in target] == [0.75, 0.75]

    @pytest.mark.parametrize("content", ["", "[blend]\n"])
    @pytest.mark.filterwarnings("ignore::makeweight.bench.rows.TornRowWarning")
    def test_what_holds_no_rows_is_no_source(self, content: str, tmp_path: Path) -> None:
        target, first, other = (RowFile(tmp_path / f"{name}.jsonl") for name in ("target", "first", "other"))
        first.append(row())
        other.path.write_text(content)
        with pytest.raises(InputError, match=r"other.jsonl holds no row, so none is added: name files of rows"):
            merge_rows(target, [first, other])
        assert not target.path.exists()

    def test_broken_source_changes_nothing(self, tmp_path: Path) -> None:
        target, first, broken = (RowFile(tmp_path / f"{name}.jsonl") for name in ("target", "first", "broken"))
        first.append(row())
        broken.path.write_text("{}\n")
        with pytest.raises(InputError):
            merge_rows(target, [first, broken])
        assert not target.path.exists()


class TestHashes:
    def test_data_by_hand(self) -> None:
        X = np.array([[1, 2], [3, 4]], np.uint16)
        header = b'["uint16", [2, 2], ["a", "b"]]'
        expected = hashlib.sha256(header + b"\1\0\2\0\3\0\4\0").hexdigest()
        assert hash_data(X, ["a", "b"]) == expected
        assert hash_data(X.astype(">u2"), np.array(["a", "b"])) == expected
        assert hash_data(np.asfortranarray(X), ("a", "b")) == expected

    def test_everything_counts(self) -> None:
        X = np.zeros((2, 4, 4), np.uint8)
        variants = [
            hash_data(X, [0, 1]),
            hash_data(X, [1, 0]),
            hash_data(X.reshape(2, 2, 8), [0, 1]),
            hash_data(X.view(np.int8), [0, 1]),
            hash_data(X + 1, [0, 1]),
        ]
        assert len(set(variants)) == len(variants)

    def test_settings_of_a_sampler(self) -> None:
        from makeweight.methods import get_method

        sampler = get_method("duplicates")(random_state=3)
        assert hash_settings(sampler.settings) == sampler.settings_hash

    def test_other_objects_are_refused(self) -> None:
        with pytest.raises(InputError, match="takes text, numbers, lists and mappings"):
            to_json({"path": Path("x")})


class TestMachine:
    def test_versions_are_plain_text(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            versions = software_and_processor()
        assert all(isinstance(value, str) and value for value in versions.values())
        assert int(versions["cores"]) >= 1

    def test_processor_of_linux(self, tmp_path: Path) -> None:
        (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\n")
        assert processor_name(tmp_path / "cpuinfo") == "Fast CPU @ 3 GHz"
        assert processor_name(tmp_path / "absent")

    @pytest.mark.parametrize(
        ("lines", "units"),
        [
            ("flags\t\t: fpu avx512_bf16 amx_bf16 amx_tile", "AMX and AVX512-BF16"),
            ("flags\t\t: fpu avx2 avx512f", "none"),
            ("Features\t: fp asimd bf16 i8mm", "BF16"),
            ("bogomips\t: 50", "unknown"),
        ],
    )
    def test_units_for_bfloat16(self, lines: str, units: str, tmp_path: Path) -> None:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: Fast CPU\n{lines}\n")
        assert bfloat16_units(tmp_path / "cpuinfo") == units
        assert bfloat16_units(tmp_path / "absent") == "unknown"

    def test_a_processor_is_named_with_its_units(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("makeweight.machine.processor_name", lambda: "Fast CPU")
        monkeypatch.setattr("makeweight.machine.bfloat16_units", lambda: "AMX")
        assert [full_device_name(device) for device in ("cpu", "mps")] == ["Fast CPU, bfloat16: AMX", "mps"]

    @pytest.mark.parametrize("there", [False, True])
    def test_devices(self, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: there)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"GPU {device}")
        assert [device_name(device) for device in ("cpu", "mps", "auto")] == [
            "cpu",
            "mps",
            "GPU None" if there else "cpu",
        ]
        assert [device_name(device) for device in ("cuda", "cuda:1")] == ["GPU None", "GPU cuda:1"]


@pytest.mark.parametrize("line", ["[" * 100_000, '{"settings": ' + "[" * 5_000 + "]" * 5_000 + "}", "9" * 10_000])
def test_lines_that_nest_or_count_for_ever(tmp_path: Path, line: str) -> None:
    (tmp_path / "rows.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=r"rows\.jsonl, line 1, is no benchmark row \(nested too deeply, or a number"):
        RowFile(tmp_path / "rows.jsonl").read()
