"""What a training goes on from when it was interrupted: kept in work/ until its results are recorded."""

import hashlib
import io
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fbnet.errors import InputError
from fbnet.io.files import write_text, write_whole

FORMAT = 1
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)  # Slurm sends the first two before a time limit
DIGEST_BYTES = hashlib.sha256().digest_size


class Interrupted(SystemExit):
    """A training that was asked to stop and kept its state; the exit code is the shell's for the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


@dataclass
class TrainingState:
    """The kept state of one training, which belongs to whoever claimed it last.

    Args:
        folder: where it is kept; nothing else is there.
        fingerprint: of all that the training depends on; the state of another one is not gone on from.
        every: iterations from one keeping to the next.
    """

    folder: Path
    fingerprint: str
    every: int
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def newest(self) -> Path:
        return self.folder / "state.pt"

    @property
    def previous(self) -> Path:
        return self.folder / "state.previous.pt"

    @property
    def _owner_file(self) -> Path:
        return self.folder / "owner"

    def claim(self) -> None:
        """Takes the state over: a training that still had it, its workflow gone perhaps, stops at its next keeping."""
        write_text(self._owner_file, self.owner)

    def check_owner(self) -> None:
        """Raises InputError if another process has taken the training over, or its results are there already."""
        if not self._is_owner():
            raise InputError(f"{self._owner_file}: this training was taken over by another process; this one stops")

    def load(self) -> dict | None:
        """The newest state that is whole and of this training, None without any. Says what is passed over."""
        for path in (self.newest, self.previous):
            try:
                content = _read(path)
            except FileNotFoundError:
                continue
            except Exception as error:  # torch answers a damaged file with whatever its reader stumbles over
                _say(f"{path}: damaged ({type(error).__name__}); looks for an earlier state")
                continue
            if content["fingerprint"] == self.fingerprint:
                return content
            _say(f"{path}: of a training with other parameters, code or data; begins anew")
        return None

    def save(self, content: dict) -> None:
        """Keeps a state; the one before it stays until this one is whole, and after it.

        A full disk is said and no reason to stop: the training goes on with the state before.

        Raises:
            InputError: if the training was taken over.
        """
        self.check_owner()
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, "fingerprint": self.fingerprint, **content}, buffer)
        payload = buffer.getvalue()
        part = self.folder / "state.next.pt"
        try:
            write_whole(part, lambda file: (file.write(payload), file.write(hashlib.sha256(payload).digest())))
        except OSError as error:
            _say(f"{part}: cannot be kept ({error.strerror}); goes on, and would begin again from the state before")
            return
        if self.newest.exists():
            self.newest.replace(self.previous)
        part.replace(self.newest)

    def remove(self) -> None:
        """Forgets the state, when its training is done and recorded; one that was taken over is another's to forget."""
        if self._is_owner():
            for path in (self.previous, self.newest, self._owner_file):
                path.unlink(missing_ok=True)
            self.folder.rmdir()

    def _is_owner(self) -> bool:
        return self._owner_file.is_file() and self._owner_file.read_text(encoding="utf-8") == self.owner


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """A list that the numbers of arriving signals are put into, instead of what they do otherwise."""
    arrived: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: arrived.append(number)) for number in SIGNALS}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _read(path: Path) -> dict:
    content = path.read_bytes()
    payload, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("its hash does not fit")
    state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    if state["format"] != FORMAT:
        raise ValueError("of another format")
    return state


def _say(text: str) -> None:
    print(f"fbnet: {text}", file=sys.stderr, flush=True)
