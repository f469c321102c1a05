"""What works without the extras: the module for other networks, and a command that names what is missing."""

import subprocess
import sys

import pytest

import fbnet

EXTRAS = ("PIL", "click", "dvc", "matplotlib", "pandas", "pydantic", "snakemake", "torchvision", "tqdm", "yaml")
WITHOUT = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS})); "  # importing any of them now fails


def python(code):
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


def test_public_names_need_torch_alone():
    use = "import fbnet; [getattr(fbnet, name) for name in fbnet.__all__]"
    result = python(WITHOUT + use)
    assert result.returncode == 0, result.stderr


def test_the_package_itself_imports_nothing():
    result = python("import sys, fbnet; sys.exit(any(name in sys.modules for name in ('torch', 'numpy')))")
    assert result.returncode == 0, result.stderr


def test_public_names_are_listed():
    assert {"FeatureBalance", "block_bce", "block_labels"} <= set(dir(fbnet))


def test_another_name():
    with pytest.raises(AttributeError, match="no attribute 'feature_balance_net'"):
        _ = fbnet.feature_balance_net


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--study", "demo"]])
def test_command_without_its_extra(arguments):
    result = python(f"{WITHOUT}sys.argv = ['fbnet', *{arguments}]; from fbnet.__main__ import main; main()")
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "[pipeline]" in line


@pytest.mark.parametrize(
    ("package", "extra"), [("matplotlib.pyplot", "pipeline"), ("onnx", "export"), ("timm", "timm")]
)
def test_package_missing_in_a_subcommand(package, extra, monkeypatch, capsys):
    from fbnet import __main__, cli

    def missing():
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(cli, "main", missing)
    monkeypatch.setattr(sys, "argv", ["fbnet"])
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 2
    assert f"[{extra}]" in capsys.readouterr().err
