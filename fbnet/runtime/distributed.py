"""Data-parallel training: one process per GPU, each with its part of every batch.

A loss is a mean over the global batch, so the number of processes does not change what is trained; on GPUs, batch
normalisation is synchronised for the same reason (Sec. 4.1). Without a process group there is one rank, 0.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from fbnet import log
from fbnet.errors import InputError


def run_processes(count: int, device: torch.device, work: Callable[[torch.device], None]) -> None:
    """Run `work` in `count` processes at once, each with its own device; a single one is this process.

    Args:
        count: number of processes.
        device: `cuda` gives each process a GPU; on `cpu` they share the cores, and batch normalisation is not
            synchronised, as torch supports that on GPUs only.
        work: picklable function of the device.

    Raises:
        InputError: if one of the processes raises it; the others are stopped.
    """
    if count == 1:
        work(device)
        return
    if device.type == "cuda" and torch.cuda.device_count() < count:
        raise InputError(f"--gpus {count}: torch finds {torch.cuda.device_count()}; ask for fewer")
    with tempfile.TemporaryDirectory() as folder:
        failure = Path(folder) / "failure"
        try:
            multiprocessing.spawn(_process, (count, device.type, folder, work), nprocs=count)
        except multiprocessing.ProcessExitedException as error:
            if error.exit_code > 128:  # stopped by a signal, after saving its state
                raise SystemExit(error.exit_code) from None
            if not failure.is_file():
                raise
            raise InputError(failure.read_text(encoding="utf-8")) from None


def rank() -> int:
    """Index of this process."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """Number of training processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def wrap_ddp(network: nn.Module, device: torch.device) -> nn.Module:
    """Wrap a network for data-parallel training; the network itself in a single process."""
    if world_size() == 1:
        return network
    if device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return DistributedDataParallel(network, device_ids=[device.index] if device.type == "cuda" else None)


def global_mean_share(total: Tensor, count: Tensor) -> Tensor:
    """This rank's contribution to the global mean `total / count`; DDP's averaging of gradients recovers the mean.

    0 where the global count is.
    """
    count = count.detach().clone().to(total.dtype)
    if distributed.is_initialized():
        distributed.all_reduce(count)
    return total * world_size() / torch.where(count > 0, count, 1)


def all_reduce_mean(values: Tensor) -> Tensor:
    """Elementwise mean over all ranks."""
    values = values.detach().clone()
    if distributed.is_initialized():
        distributed.all_reduce(values)
    return values / world_size()


def all_gather_object(value: object) -> list:
    """One object of each rank, in order of rank."""
    if not distributed.is_initialized():
        return [value]
    values = [None] * world_size()
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
        if number == 0:  # all ranks raise the same
            (Path(folder) / "failure").write_text(str(error), encoding="utf-8")
        raise SystemExit(2) from None
    finally:
        distributed.destroy_process_group()
