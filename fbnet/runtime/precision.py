"""Precision of the forward pass: float32, or bfloat16 where the device has instructions for it.

torch is imported where it is used, as planning does without.
"""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.training import Precision, TrainingConfig
from fbnet.runtime.instructions import cpu_instructions

if TYPE_CHECKING:
    import torch

Resolved = Literal["float32", "bfloat16"]
Settings = TypeVar("Settings", TrainingConfig, EvaluationConfig)
GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))
"""What the drivers of NVIDIA and AMD create; without them torch has no GPU to find."""
ASK_GPU = (
    "from fbnet.runtime.device import choose_device; from fbnet.runtime.precision import choose_precision; "
    "print(choose_precision('auto', choose_device('auto')))"
)


def best_precision(device_type: str) -> Resolved:
    """Return bfloat16 if the GPU, for `cuda`, or the CPU has instructions for it, else float32."""
    if device_type == "cuda":
        import torch

        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        supported = "bfloat16" in cpu_instructions()
    return "bfloat16" if supported else "float32"


def machine_precision() -> Resolved:
    """Return the best precision of this machine's GPU if it has one, else of its CPU.

    A GPU is asked by a process of its own: this one would load torch, and hold memory of the GPU to its end.
    """
    if not any(path.exists() for path in GPU_DRIVERS):
        return best_precision("cpu")
    asked = subprocess.run([sys.executable, "-c", ASK_GPU], capture_output=True, text=True, check=True)
    return "bfloat16" if asked.stdout.strip() == "bfloat16" else "float32"


def choose_precision(precision: Precision, device: "torch.device") -> Resolved:
    """Precision on a device, with `auto` resolved."""
    return best_precision(device.type) if precision == "auto" else precision


def resolve(settings: Settings, agreed: Precision, device: "torch.device") -> Settings:
    """Return settings whose precision is no longer `auto`: as agreed, or the device's best if that is `auto`, too."""
    precision = agreed if settings.precision == "auto" else settings.precision
    return settings.model_copy(update={"precision": choose_precision(precision, device)})


def autocast(precision: Precision, device: "torch.device") -> "torch.autocast":
    """Autocast context of the forward pass; without effect in float32."""
    import torch

    wanted = choose_precision(precision, device) == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)
