"""Open-file-description locks as Linux has them; imports no more than a small waiting process can afford."""

from __future__ import annotations

import fcntl
import os
import struct

# struct flock of the C library: type, whence, start, length (0: to the end), pid; padded to eight bytes.
_FLOCK = struct.Struct("@hhqqi4x")


def lock_request(kind: int) -> bytes:
    """The argument of `fcntl` for the lock of a whole file; `kind` is F_RDLCK, F_WRLCK or F_UNLCK."""
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)


def is_locked(descriptor: int) -> bool:
    """Whether another open file description holds the lock of this file; acquires nothing.

    Raises:
        OSError: the file system cannot tell.
    """
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, lock_request(fcntl.F_WRLCK))
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK
