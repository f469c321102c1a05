"""Entry point of the `fbnet` command, which names the extra of a package that is not installed."""

import sys

EXTRAS = {"onnx": "export", "onnxscript": "export", "onnxruntime": "export", "safetensors": "export", "timm": "timm"}


def main() -> None:
    """Run the command; a package that an extra would have installed ends in one line and exit code 2."""
    try:
        from fbnet.cli import main as run

        run()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "fbnet") or "--debug" in sys.argv:
            raise
        extra = EXTRAS.get(package, "pipeline")
        message = f"fbnet: package {package} is not installed; run `pip install '.[{extra}]'` in the repository"
        print(message, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
