from pathlib import Path

import pytest

from makeweight.data.memory import available_memory, fits_in_memory
from makeweight.errors import InputError


def machine(root: Path, available_kb: int, **group: int | str) -> Path:
    """Write what Linux tells about a machine with a container's limits."""
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {available_kb} kB\n")
    for name, value in group.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_", ".", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return root


def test_the_system_says_what_is_available(tmp_path: Path) -> None:
    assert available_memory(machine(tmp_path, 500)) == 512_000


def test_a_containers_limit_counts_where_it_leaves_less(tmp_path: Path) -> None:
    root = machine(
        tmp_path, 500, memory_max=1000, memory_current=700, memory_stat="anon 5\ninactive_file 100\nfile 300"
    )
    assert available_memory(root) == 1000 - 700 + 100


def test_a_container_without_a_limit_does_not_count(tmp_path: Path) -> None:
    assert available_memory(machine(tmp_path, 500, memory_max="max", memory_current=700)) == 512_000


def test_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    root = machine(tmp_path, 500, memory__memory_limit_in_bytes=900, memory__memory_usage_in_bytes=1000)
    assert available_memory(root) == 0


def test_this_machine_tells(tmp_path: Path) -> None:
    assert (available_memory() or 0) > 0
    assert (available_memory(tmp_path) or 0) > 0


def test_half_of_what_is_available_may_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAKEWEIGHT_MEMORY", raising=False)
    monkeypatch.setattr("makeweight.data.memory.available_memory", lambda: 1000)
    assert fits_in_memory(500)
    assert not fits_in_memory(501)
    monkeypatch.setattr("makeweight.data.memory.available_memory", lambda: None)
    assert fits_in_memory(10**15)


def test_a_users_limit_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEWEIGHT_MEMORY", "0.5")
    assert fits_in_memory(500_000)
    assert not fits_in_memory(500_001)
    monkeypatch.setenv("MAKEWEIGHT_MEMORY", "much")
    with pytest.raises(
        InputError, match="^MAKEWEIGHT_MEMORY=much is no limit: give the megabytes that images may take"
    ):
        fits_in_memory(1)
