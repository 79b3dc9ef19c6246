import ctypes
import os
import platform
import subprocess
import sys

import pytest

from makeweight.allocator import SETTINGS, keep_freed_memory

FAULTS = """
import resource, sys
import numpy as np
from makeweight.allocator import keep_freed_memory
kept = sys.argv[1] == "kept" and keep_freed_memory()

def freed_and_needed_again():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.ones(2**21, np.uint8) for _ in range(80)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = freed_and_needed_again()
print(kept, first, freed_and_needed_again())
"""


@pytest.fixture
def untouched(monkeypatch):
    for name in (*SETTINGS, "GLIBC_TUNABLES"):
        monkeypatch.setenv(name, "")  # so that what is set here is taken back
        monkeypatch.delenv(name)


def faults(way):
    told = subprocess.run([sys.executable, "-c", FAULTS, way], capture_output=True, text=True, check=True).stdout
    kept, first, again = told.split()
    return kept == "True", int(first), int(again)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
class TestKeeping:
    def test_needs_freed_pages_no_second_time(self, untouched):
        kept, first, again = faults("kept")
        assert kept
        assert first > 30_000  # 160 MB, in pages of 4 kB
        assert again < first / 20

    def test_without_it_the_system_hands_them_out_again(self, untouched):
        kept, first, again = faults("as it is")
        assert not kept
        assert again > first / 2

    @pytest.mark.parametrize("name", SETTINGS)
    def test_leaves_what_the_user_set(self, name, untouched, monkeypatch):
        monkeypatch.setenv(name, "131072")
        assert not keep_freed_memory()
        assert {each: os.environ.get(each) for each in SETTINGS} == dict.fromkeys(SETTINGS) | {name: "131072"}

    def test_leaves_tunables_that_the_user_set(self, untouched, monkeypatch):
        monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=131072")
        assert not keep_freed_memory()

    def test_processes_started_later_keep_theirs_too(self, untouched):
        code = "from makeweight.allocator import *; keep_freed_memory(); import subprocess, sys; "
        code += f"subprocess.run([sys.executable, '-c', {FAULTS!r}, 'as it is'], check=True)"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        _, first, again = told.split()
        assert int(again) < int(first) / 20


def test_other_libraries_are_left_as_they_are(untouched, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()
    assert not os.environ.keys() & SETTINGS.keys()


def test_other_systems_are_left_as_they_are(untouched, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
