"""Tutti: collective communication between ranks (processes or threads).

    import numpy, tutti

    with tutti.Communicator() as comm:
        x = comm.alloc(1000)
        x[:] = comm.rank
        comm.all_reduce(x)

The C API by ctypes: nothing is compiled. Arrays are numpy's, or anything in host memory that has
the buffer protocol or DLPack. `python -m tutti` prints what it found.
"""

from __future__ import annotations

import ctypes
from typing import Any, Sequence

from ._arrays import array_of
from ._calls import CallOptions, CreatedOp, Group, op_number
from ._communicator import Candidate, Communicator
from ._library import library
from ._requests import Request, wait_all, wait_any
from ._words import NO_COLOUR, Collective, Dtype, Op, Status, TuttiError, check

__all__ = ["NO_COLOUR", "CallOptions", "Candidate", "Collective", "Communicator", "CreatedOp",
           "Dtype", "Group", "Op", "Request", "Status", "TuttiError", "library_path",
           "replay_reduce", "version", "wait_all", "wait_any"]


def version() -> str:
    """The library's version, as in "0.1.0"."""
    number = library.version
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def library_path() -> str:
    """The file that the library was loaded from."""
    return library.path


def replay_reduce(inputs: Sequence[Any], result: Any, op: Op = Op.SUM,
                  dtype: Dtype | str | None = None) -> None:
    """Leaves in `result` the bits that a reproducible call of as many ranks as there are inputs
    would leave, input r being what rank r gave."""
    target = array_of("result", result, dtype, writable=True)
    arrays = [array_of(f"inputs[{r}]", array, dtype) for r, array in enumerate(inputs)]
    for r, array in enumerate(arrays):
        if (array.count, array.dtype) != (target.count, target.dtype):
            raise ValueError(f"inputs[{r}]: has {array.count} elements of "
                             f"{array.dtype.name.lower()}, result {target.count} of "
                             f"{target.dtype.name.lower()}")
    pointers = (ctypes.c_void_p * len(arrays))(*(array.pointer for array in arrays))
    check(library.tutti_replay_reduce(pointers, target.pointer, target.count, target.dtype,
                                      op_number(op), len(arrays)))
