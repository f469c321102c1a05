"""Data-parallel training: one process per GPU, each with its part of every batch.

The processes are started here, or by torchrun or srun, on one machine or several.

A loss is a mean over the global batch, so the number of processes does not change what is trained; on GPUs, batch
normalisation is synchronised for the same reason (Sec. 4.1). Without a process group there is one rank, 0.
"""

import os
import signal
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from fbnet import log
from fbnet.errors import InputError
from fbnet.runtime.stop_signals import Interrupted, catch_stop_signals

FIRST_PORT, PORTS = 15000, 15000  # where jobs of srun meet, below the ports that the system gives out


def run_processes(count: int, device: torch.device, work: Callable[[torch.device], None]) -> None:
    """Run `work` in `count` processes at once, each with its own device; a single one is this process.

    Args:
        count: number of processes.
        device: `cuda` gives each process a GPU; on `cpu` they share the cores, and batch normalisation is not
            synchronised, as torch supports that on GPUs only.
        work: picklable function of the device.

    Stop signals are passed on to the processes, which are waited for.

    Raises:
        InputError: if some of the processes raise it, with what each of them says, or if one is killed; the others are
            stopped within a minute.
        Interrupted: if a signal stopped the processes, after their work was saved.
    """
    if count == 1:
        work(device)
        return
    if launched().count > 1:
        _join(device, work, count)
        return
    if device.type == "cuda" and torch.cuda.device_count() < count:
        raise InputError(f"--gpus {count}: torch finds {torch.cuda.device_count()}; ask for fewer")
    with tempfile.TemporaryDirectory() as folder:
        try:
            context = multiprocessing.spawn(_process, (count, device.type, folder, work), nprocs=count, join=False)
            with catch_stop_signals(context.pids) as signals:
                while not context.join():
                    pass
        except (multiprocessing.ProcessExitedException, multiprocessing.ProcessRaisedException) as error:
            # Of the first process that ended; torch has stopped the others.
            messages = [path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("failure*"))]
            if messages:
                raise InputError("; ".join(dict.fromkeys(messages))) from None
            code = getattr(error, "exit_code", 1)
            if code > 128:  # stopped by a signal, after saving its state
                raise Interrupted(code - 128) from None
            if code < 0 and signals:
                name = signal.Signals(signals[0]).name
                raise InputError(f"stopped by {name} before the first iteration; run the same command again") from None
            if code < 0:
                killed = f"process {error.error_index} was killed by {signal.Signals(-code).name}"
                raise InputError(f"{killed}; run the same command again") from None
            raise


class Launched(NamedTuple):
    """Place of this process among those that a launcher started."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Its index on this machine."""


def launched() -> Launched:
    """Return the place of this process if torchrun or srun started it as one of several; otherwise it is alone.

    The processes of srun meet at MASTER_ADDR and MASTER_PORT, or else on the node where srun itself runs.
    """
    if "MASTER_ADDR" not in os.environ:
        if int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) == 1:
            return Launched()
        os.environ["MASTER_ADDR"] = os.environ["SLURM_LAUNCH_NODE_IPADDR"]
        os.environ["MASTER_PORT"] = str(FIRST_PORT + int(os.environ["SLURM_JOB_ID"]) % PORTS)
    if "RANK" not in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1:
        names = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"}
        os.environ.update({ours: os.environ[theirs] for ours, theirs in names.items()})
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return Launched()
    return Launched(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))


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
    with warnings.catch_warnings():  # newer versions have another name for `broadcast_buffers`, torch 2.11 has not
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(
            network,
            device_ids=[device.index] if device.type == "cuda" else None,
            broadcast_buffers=False,  # synchronised normalisation keeps them equal
            gradient_as_bucket_view=True,  # no second copy of the gradients
        )


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
    """Work as one of the processes that `run_processes` starts; leave bad input for it in a file."""
    log.configure()
    device = torch.device("cuda", number) if kind == "cuda" else torch.device("cpu")
    if kind == "cpu":
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
    try:
        _work(device, work, init_method=f"file://{folder}/meeting", rank=number, world_size=count)
    except InputError as error:
        (Path(folder) / f"failure{number:04}").write_text(str(error), encoding="utf-8")
        raise SystemExit(2) from None


def _join(device: torch.device, work: Callable[[torch.device], None], count: int) -> None:
    """Work as one of the processes that a launcher started."""
    place = launched()
    if place.count != count:
        raise InputError(f"--gpus {count}: the launcher started {place.count} processes; ask for as many")
    if device.type == "cuda":  # where each process sees its own GPU alone, that is number 0
        device = torch.device("cuda", place.local_rank % torch.cuda.device_count())
    _work(device, work, init_method="env://")


def _work(device: torch.device, work: Callable[[torch.device], None], **group: object) -> None:
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", **group)
    try:
        work(device)
    finally:
        distributed.destroy_process_group()
