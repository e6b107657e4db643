"""Options of calls, groups, created ops: what Communicator is made of."""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, TypedDict

from . import _library
from ._arrays import array_of
from ._library import library
from ._requests import Request
from ._words import Dtype, Op, check

if TYPE_CHECKING:
    import numpy

    from ._communicator import Communicator


class CallOptions(TypedDict, total=False):
    """The keywords that every call takes."""

    dtype: Dtype | str  # of the elements, where the arrays' own type does not tell: "bf16", …
    algorithm: str  # as printed by `tutti perf`; the same on every rank
    timeout: float  # seconds; left out: the communicator's
    request: bool  # the call does not block, and returns a Request
    persistent: bool  # the call is only prepared: Request.start() runs it
    reproducible: bool  # bits that depend on the inputs and their ranks alone


@dataclass
class Form:
    """CallOptions with their defaults."""

    dtype: Dtype | str | None = None
    algorithm: str | None = None
    timeout: float | None = None
    request: bool = False
    persistent: bool = False
    reproducible: bool = False

    def options(self, handle: ctypes.c_void_p) -> _library.Options | None:
        """The C structure; `handle` is where a request is stored."""
        if self == Form(dtype=self.dtype):
            return None
        c = _library.Options(ctypes.sizeof(_library.Options), None, -1)
        if self.algorithm is not None:
            c.algorithm = self.algorithm.encode()
        c.timeout_ms = milliseconds("timeout", self.timeout)
        if self.request or self.persistent:
            c.request = ctypes.pointer(handle)
        c.persistent, c.reproducible = int(self.persistent), int(self.reproducible)
        return c


def milliseconds(name: str, seconds: float | None) -> int:
    """-1 for None."""
    if seconds is None:
        return -1
    if not 0 < seconds < 1e12:
        raise ValueError(f"{name}: {seconds} s is no time to wait: give a positive number")
    return max(1, round(seconds * 1000))


class Group:
    """The calls in `with comm.group():` are made at its end, all at the same time. With
    group(request=True), `request` stands for them from then on."""

    def __init__(self, comm: Communicator, form: Form) -> None:
        self._comm, self._form = comm, form
        self.arrays: list[Any] = []  # of the calls so far: they must live
        self.request: Request | None = None

    def __enter__(self) -> Group:
        self._comm._begin_group(self)
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        # After an exception, too: the other ranks expect the calls that were made.
        try:
            self.request = self._comm._end_group(self, self._form)
        except Exception:
            if kind is None:
                raise


class CreatedOp:
    """An op of one communicator; serves wherever a call takes an Op."""

    def __init__(self, comm: Communicator, number: int, function: object = None) -> None:
        self._comm, self.number, self._function = comm, number, function

    def free(self) -> None:
        """Frees it; no call may use it any more. Its communicator's end does so, too."""
        check(library.tutti_op_free(self.number, self._comm._handle))


def op_number(op: Op | CreatedOp | int) -> int:
    """The C API's."""
    return op.number if isinstance(op, CreatedOp) else int(op)


def scalar_bytes(scalar: Any, dtype: Dtype) -> bytes:
    """One element: of a number, or of an array that holds one."""
    formats = {Dtype.I8: "b", Dtype.U8: "B", Dtype.I32: "i", Dtype.U32: "I", Dtype.I64: "q",
               Dtype.U64: "Q", Dtype.F16: "e", Dtype.F32: "f", Dtype.F64: "d"}
    if isinstance(scalar, (int, float)):
        if dtype not in formats:
            raise TypeError(f"scalar: give the {dtype.size} bytes of a {dtype.name.lower()}")
        return struct.pack(formats[dtype], scalar)
    array = array_of("scalar", scalar, None)
    if array.count * array.dtype.size != dtype.size:
        raise ValueError(f"scalar: is no single {dtype.name.lower()}")
    return ctypes.string_at(array.pointer, dtype.size)


_NUMPY_TYPES = {Dtype.I8: "i1", Dtype.U8: "u1", Dtype.I32: "i4", Dtype.U32: "u4", Dtype.I64: "i8",
                Dtype.U64: "u8", Dtype.F16: "f2", Dtype.F32: "f4", Dtype.F64: "f8",
                Dtype.BF16: "u2", Dtype.F8E4M3: "u1", Dtype.F8E5M2: "u1"}


def numpy_type(dtype: Dtype) -> numpy.dtype:
    """numpy's for elements of `dtype`; what it lacks is held in unsigned integers."""
    import numpy as np
    if dtype in _NUMPY_TYPES:
        return np.dtype(_NUMPY_TYPES[dtype])
    value = "f4" if dtype == Dtype.F32_I32 else "f8"
    return np.dtype([("value", value), ("index", "i4")], align=True)


def op_function(function: Callable[[numpy.ndarray, numpy.ndarray], Any],
                failed: Callable[[BaseException], None]) -> Any:
    """What C calls for `function` of two numpy arrays. Nothing is raised into C."""
    import numpy as np

    def combine(lower: int, higher: int, count: int, dtype: int, _: object) -> None:
        try:
            kind = numpy_type(Dtype(dtype))
            memory = ctypes.c_char * (count * kind.itemsize)
            a, b = (np.ndarray(count, kind, memory.from_address(p)) for p in (lower, higher))
            a.flags.writeable = False
            b[...] = function(a, b)
        except BaseException as failure:
            failed(failure)

    return _library.OpFunction(combine)
