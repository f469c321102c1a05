"""What a job asks of the scheduler of a cluster: minutes and main memory. Imports no torch.

NOTE not in the paper. The figures are generous guesses, to be overruled by a profile (`set-resources`).
"""

TRAINING_MINUTES = 24 * 60  # a training that is not done by then goes on in another job
EVALUATION_MINUTES = 8 * 60
PREPARATION_MINUTES = 8 * 60

PROCESS_MB = 12_000  # Python, CUDA's libraries, and copies of the state of a large network while it is saved
LOADER_MB = 2_000  # a loader process and the batches that it has ready


def loaders(threads: int, gpus: int) -> int:
    """Loader processes of each training process, which share the threads of a job."""
    return threads // gpus


def memory_mb(threads: int) -> int:
    """Main memory in MB of a job that computes on one GPU.

    Args:
        threads: cores of the job, each with a loader process.
    """
    return PROCESS_MB + LOADER_MB * threads
