import threading
import time

import pytest
import torch

from makeweight import devices
from makeweight.devices import bfloat16_works_on_processor, fabric_for, native_precision, repeatable
from makeweight.errors import InputError

WITHOUT_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_the_processor(device: str) -> None:
    fabric = fabric_for(device, None)
    assert fabric.device.type == "cpu"
    with fabric.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@WITHOUT_CUDA
def test_auto_takes_the_processor_where_there_is_nothing_else() -> None:
    assert fabric_for("auto", "32-true").device.type == "cpu"


def test_processors_compute_in_single_precision_unless_told() -> None:
    assert native_precision("cpu") == "32-true"


def test_bfloat16_on_a_processor_is_used_or_refused() -> None:
    if bfloat16_works_on_processor():
        with fabric_for("cpu", "bf16-mixed").autocast():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    else:
        with pytest.raises(InputError, match="^this processor cannot compute in bfloat16: "):
            fabric_for("cpu", "bf16-mixed")


def test_a_processor_without_bfloat16_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makeweight.devices.bfloat16_works_on_processor", lambda: False)
    with pytest.raises(InputError) as caught:
        fabric_for("cpu", "bf16-mixed")
    assert str(caught.value) == ("this processor cannot compute in bfloat16: use precision 32-true, or leave it out.")


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "cuda:-1", "", "CPU", "cuda:0:1"])
def test_unknown_devices(device: str) -> None:
    with pytest.raises(InputError) as caught:
        fabric_for(device, None)
    assert str(caught.value) == f"device={device!r} is impossible: give auto, cpu, cuda, cuda:N or mps."


@pytest.mark.parametrize("precision", ["16-mixed", "64", "bf16", ""])
def test_unknown_precisions(precision: str) -> None:
    with pytest.raises(InputError) as caught:
        fabric_for("cpu", precision)
    assert str(caught.value) == (f"precision={precision!r} is impossible: give 32-true or bf16-mixed, or leave it out.")


@WITHOUT_CUDA
@pytest.mark.parametrize("device", ["cuda", "cuda:3"])
def test_cuda_that_is_not_there(device: str) -> None:
    with pytest.raises(InputError) as caught:
        fabric_for(device, None)
    assert str(caught.value) == f"there is no device {device!r} here: 0 CUDA devices were found."


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an MPS device")
def test_mps_that_is_not_there() -> None:
    with pytest.raises(InputError) as caught:
        fabric_for("mps", None)
    assert str(caught.value) == "there is no device 'mps' here: use device='auto'."


def test_of_several_threads_each_repeats_itself() -> None:
    """Torch's random state is the process's; one thread after another has it to itself."""
    before, found = torch.random.get_rng_state(), []

    def draw() -> None:
        for _ in range(20):
            with repeatable(torch.device("cpu")):
                torch.manual_seed(0)
                time.sleep(0.001)
                found.append(torch.rand(()).item())

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(found), len(set(found))) == (60, 1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_threads_follow_the_cores_unless_the_user_has_said(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(devices.joblib, "cpu_count", lambda only_physical_cores: 2)
    try:
        torch.set_num_threads(5)
        assert devices.set_threads() == torch.get_num_threads() == 2
        torch.set_num_threads(1)
        assert devices.set_threads() == 1
        monkeypatch.setenv("OMP_NUM_THREADS", "5")
        torch.set_num_threads(5)
        assert devices.set_threads() == 5
    finally:
        torch.set_num_threads(before)
