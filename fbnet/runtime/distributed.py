"""One training on several GPUs: a process each, which share out every batch and agree on every mean.

A loss is the mean over the whole batch, however many processes share it, so that their number does not change what is
trained; batch normalisation is synchronised on GPUs for the same reason (Sec. 4.1).
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from fbnet import log
from fbnet.errors import InputError


def run_processes(processes: int, device: torch.device, work: Callable[[torch.device], None]) -> None:
    """Runs `work` in so many processes at once, each with a device of its own; a single one is this process.

    Args:
        processes: how many.
        device: `cuda` gives each process a GPU; on `cpu` they share the cores, and batch normalisation is not
            synchronised, as torch does that on GPUs only.
        work: a picklable function of the device.

    Raises:
        InputError: what one of the processes raised; the others are stopped.
    """
    if processes == 1:
        work(device)
        return
    if device.type == "cuda" and torch.cuda.device_count() < processes:
        raise InputError(f"--gpus {processes}: torch finds {torch.cuda.device_count()}; ask for no more of them")
    with tempfile.TemporaryDirectory() as folder:
        failure = Path(folder) / "failure"
        try:
            multiprocessing.spawn(_process, (processes, device.type, folder, work), nprocs=processes)
        except multiprocessing.ProcessExitedException as error:
            if error.exit_code > 128:  # stopped by a signal, after it kept its state
                raise SystemExit(error.exit_code) from None
            if not failure.is_file():
                raise
            raise InputError(failure.read_text(encoding="utf-8")) from None


def rank() -> int:
    """This process's number, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """The network for training: as it is in a single process, otherwise with gradients (and, on GPUs, batch
    normalisation) over all of them."""
    if processes() == 1:
        return network
    if device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return DistributedDataParallel(network, device_ids=[device.index] if device.type == "cuda" else None)


def share_of(total: Tensor, count: Tensor) -> Tensor:
    """This process's share of a mean over all processes, 0 where nothing counts; the shares' mean is that mean.

    Gradients are averaged over processes, and so come out as those of the mean over the whole batch.
    """
    count = count.detach().clone().to(total.dtype)
    if distributed.is_initialized():
        distributed.all_reduce(count)
    return total * processes() / torch.where(count > 0, count, 1)


def mean_of(values: Tensor) -> Tensor:
    """The mean of each value over all processes."""
    values = values.detach().clone()
    if distributed.is_initialized():
        distributed.all_reduce(values)
    return values / processes()


def gathered(values: Tensor, device: torch.device) -> list[int]:
    """The integers of all processes, in the order of their numbers."""
    if not distributed.is_initialized():
        return values.tolist()
    parts = [torch.empty_like(values, device=device) for _ in range(processes())]
    distributed.all_gather(parts, values.to(device))
    return torch.cat(parts).tolist()


def everyones(value: object) -> list:
    """A value of each process, in the order of their numbers."""
    if not distributed.is_initialized():
        return [value]
    values = [None] * processes()
    distributed.all_gather_object(values, value)
    return values


def _process(number: int, count: int, kind: str, folder: str, work: Callable[[torch.device], None]) -> None:
    log.configure()
    device = torch.device("cuda", number) if kind == "cuda" else torch.device("cpu")
    if kind == "cuda":
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
    distributed.init_process_group(
        "nccl" if kind == "cuda" else "gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=count
    )
    try:
        work(device)
    except InputError as error:
        # All of them see the same, but one message is enough.
        if number == 0:
            (Path(folder) / "failure").write_text(str(error), encoding="utf-8")
        raise SystemExit(2) from None
    finally:
        distributed.destroy_process_group()
