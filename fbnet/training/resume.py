"""Resume state of an interrupted training, kept in work/ until its results are recorded."""

import hashlib
import io
import logging
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

import torch

from fbnet.errors import InputError
from fbnet.io.files import write_text, write_whole

logger = logging.getLogger(__name__)

FORMAT = 1
DIGEST_BYTES = hashlib.sha256().digest_size


class ResumeState:
    """State files of one training, owned by the process that claimed them last.

    Args:
        folder: folder of the state, which holds nothing else.
        fingerprint: digest of all that the training depends on; a state with another one is not resumed.
        every: seconds between two saved states; a state of the paper's networks has hundreds of megabytes.
    """

    def __init__(self, folder: Path, fingerprint: str, every: float) -> None:
        self.folder, self.fingerprint, self.every = folder, fingerprint, every
        self._saved = time.monotonic()  # or begun
        self.newest, self.previous = folder / "state.pt", folder / "state.previous.pt"
        self._owner_file, self._owner = folder / "owner", uuid.uuid4().hex

    def claim(self) -> None:
        """Take ownership; an earlier owner that is still alive stops when it saves next."""
        write_text(self._owner_file, self._owner)
        for part in self.folder.glob("*.part"):  # of killed owners
            part.unlink(missing_ok=True)

    def is_due(self) -> bool:
        """Tell whether it is time to save the state again."""
        return time.monotonic() - self._saved >= self.every

    def load(self) -> dict | None:
        """Latest valid resume state with a matching fingerprint; None if there is none."""
        for path in (self.newest, self.previous):
            try:
                content = _read(path)
            except FileNotFoundError:
                continue
            except Exception as error:  # torch raises many kinds of exceptions for a damaged file
                logger.warning(f"{path}: damaged ({type(error).__name__}); trying an earlier state")
                continue
            if content["fingerprint"] == self.fingerprint:
                return content
            logger.warning(f"{path}: made with other parameters, code or data; starting from the beginning")
        return None

    def save(self, content: dict) -> None:
        """Save a state, keeping the previous one; on a full disk only warn, as the training can go on without.

        Raises:
            InputError: if another process has claimed the training, or its results are recorded already.
        """
        self._check_owner()
        self._saved = time.monotonic()
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, "fingerprint": self.fingerprint, **content}, buffer)
        payload = buffer.getvalue()
        part = self.folder / "state.next.pt"
        try:
            write_whole(part, lambda file: (file.write(payload), file.write(hashlib.sha256(payload).digest())))
        except OSError as error:
            logger.warning(f"{part}: cannot be written ({error.strerror}); training continues with the previous state")
            return
        try:
            self._check_owner()
        except InputError:  # meanwhile; the folder may be gone with the other's training, and here again
            part.unlink(missing_ok=True)
            with suppress(OSError):
                self.folder.rmdir()
            raise
        if self.newest.exists():
            self.newest.replace(self.previous)
        part.replace(self.newest)

    def remove(self) -> None:
        """Delete the state of a recorded training, unless another process owns it by now."""
        if self._is_owner():
            shutil.rmtree(self.folder)

    def _check_owner(self) -> None:
        if not self._is_owner():
            raise InputError(f"{self._owner_file}: training taken over by another process; let that one finish")

    def _is_owner(self) -> bool:
        return self._owner_file.is_file() and self._owner_file.read_text(encoding="utf-8") == self._owner


def _read(path: Path) -> dict:
    content = path.read_bytes()
    payload, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("its hash does not match")
    state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    if state["format"] != FORMAT:
        raise ValueError("unknown format")
    return state
