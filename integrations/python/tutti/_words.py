"""The C API's numbers by name, and its errors as exceptions."""

from __future__ import annotations

import enum

from ._library import library


class Status(enum.IntEnum):
    """What a call returned; see tutti.h."""
    OK = 0
    INVALID = 1
    MISMATCH = 2
    TIMEOUT = 3
    PEER_FAILED = 4
    NO_MEMORY = 5
    UNSUPPORTED = 6
    SYSTEM = 7
    NOT_FOUND = 8
    INTERNAL = 9
    OP_FAILED = 10


class Dtype(enum.IntEnum):
    """The type of an element. F32_I32 and F64_I32 are pairs of a value and its index."""
    I8 = 0
    U8 = 1
    I32 = 2
    U32 = 3
    I64 = 4
    U64 = 5
    F16 = 6
    F32 = 7
    F64 = 8
    BF16 = 9
    F8E4M3 = 10
    F8E5M2 = 11
    F32_I32 = 12
    F64_I32 = 13

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return library.tutti_dtype_size(self)


class Op(enum.IntEnum):
    """The predefined reduction operations."""
    SUM = 1
    PROD = 2
    MIN = 3
    MAX = 4
    AVG = 5
    BAND = 6
    BOR = 7
    BXOR = 8
    MIN_INDEX = 9
    MAX_INDEX = 10


class Collective(enum.IntEnum):
    """A kind of call, for Communicator.candidates()."""
    ALL_REDUCE = 0
    BROADCAST = 1
    BARRIER = 2
    REDUCE = 3
    REDUCE_SCATTER = 4
    ALL_GATHER = 5
    GATHER = 6
    SCATTER = 7
    ALL_TO_ALL = 8
    SCAN = 9
    EXCLUSIVE_SCAN = 10


NO_COLOUR = -1  # the colour of a rank that is to be in no communicator


class TuttiError(RuntimeError):
    """A call failed. `status` is a Status; the text tells the whole story."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{library.tutti_status_name(status).decode()}: {text}")
        try:
            self.status = Status(status)
        except ValueError:  # of a newer library
            self.status = status


def check(status: int) -> None:
    """Raises what the calling thread's last call failed with."""
    if status != Status.OK:
        raise TuttiError(status, library.tutti_error_text(None).decode(errors="replace"))


def dtype_named(dtype: Dtype | str) -> Dtype:
    """"bf16", "BF16" or Dtype.BF16."""
    if isinstance(dtype, str):
        try:
            return Dtype[dtype.upper()]
        except KeyError:
            known = ", ".join(name.lower() for name in Dtype.__members__)
            raise ValueError(f"dtype: unknown name '{dtype}'; known: {known}") from None
    return Dtype(dtype)
