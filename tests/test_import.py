import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

import makeweight


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    loaded = run("import sys, makeweight; print(*sorted({name.split('.')[0] for name in sys.modules}))").split()
    heavy = {"torch", "numpy", "sklearn", "imblearn", "scipy", "PIL", "pydantic", "lightning_fabric", "safetensors"}
    assert heavy.isdisjoint(loaded)
    assert "makeweight" in loaded


def test_errors_load_nothing_heavy() -> None:
    assert run("import sys; from makeweight import InputError; print('torch' in sys.modules)") == "False"


@pytest.mark.parametrize("name", makeweight.__all__)
def test_lazy_names_resolve(name: str) -> None:
    value = getattr(makeweight, name)
    assert value.__name__ == name
    assert getattr(makeweight, name) is value
    assert dir(makeweight).count(name) == 1


def test_all_names_are_lazy_names() -> None:
    assert sorted(makeweight.__all__) == sorted(makeweight._HOMES)


def test_loading_a_model_first_thing_knows_the_methods(tmp_path: object) -> None:
    program = (
        "import makeweight\n"
        "try:\n    makeweight.load('nowhere')\n"
        "except makeweight.InputError: print(*__import__('makeweight.sampler').sampler.METHODS.names())"
    )
    assert "aggan" in run(program).split()


def test_unknown_attributes() -> None:
    with pytest.raises(AttributeError, match="^module 'makeweight' has no attribute 'StyleGAN'$"):
        _ = makeweight.StyleGAN
    assert not hasattr(makeweight, "torch")


@pytest.mark.parametrize("kind", ["losses.LOSSES", "risks.RISKS", "class_weights.CLASS_WEIGHTS"])
def test_parts_of_classifiers_are_known_from_the_first_classifier_on(kind: str) -> None:
    """In a process of its own, since whatever is imported later registers more."""
    module, registry = kind.split(".")
    script = (
        "from makeweight import CNNClassifier; import sys; "
        f"known = sys.modules['makeweight.classifiers.{module}'].{registry}; first = known.names(); "
        "from makeweight.classifiers import classifier_names; classifier_names(); print(first == known.names())"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"


def test_version() -> None:
    assert makeweight.__version__.split(".")[0].isdigit()
    assert makeweight.__version__ == version("makeweight")
    assert "__version__" in dir(makeweight)


def test_the_version_of_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", refuse)
    assert makeweight._installed_version() == "0.0.0+not.installed"
