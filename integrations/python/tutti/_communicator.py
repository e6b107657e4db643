"""Communicators and their calls."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Sequence

from . import _library
from ._calls import CreatedOp, Form, Group, milliseconds, numpy_type, op_function, op_number
from ._calls import scalar_bytes
from ._collectives import Calls
from ._library import library
from ._words import Collective, Dtype, Op, Status, check, dtype_named
from ._world import World

if TYPE_CHECKING:
    import numpy


class Candidate(NamedTuple):
    """An algorithm that could serve a call."""

    name: str
    predicted_s: float
    chosen: bool


class Communicator(Calls):
    """The ranks of a world, or some of them. `with Communicator() as comm:` leaves at the end.

    What is not given comes from the environment (`python -m tutti` shows it); a program started
    alone is a world of one. Times are in seconds. Ranks that are threads give rank, size and
    address. Joining is collective, and blocks until every rank has arrived.

    Calls take arrays of any kind, in host memory and contiguous; counts and dtype are theirs.
    Where `recv` may be left out, the call is then in place: `send` is both. The keywords of every
    call are those of CallOptions. A call returns None, or with request=True or persistent=True a
    Request. What tutti.h says of it holds here.
    """

    def __init__(self, rank: int | None = None, size: int | None = None,
                 address: str | None = None, *, start_timeout: float | None = None,
                 call_timeout: float | None = None) -> None:
        config = _library.Config(ctypes.sizeof(_library.Config), -1 if rank is None else rank,
                                 -1 if size is None else size,
                                 None if address is None else address.encode(),
                                 milliseconds("start_timeout", start_timeout),
                                 milliseconds("call_timeout", call_timeout))
        handle = ctypes.c_void_p()
        check(library.tutti_start(ctypes.byref(handle), ctypes.byref(config)))
        self._adopt(handle, World(handle), is_child=False)

    def _adopt(self, handle: ctypes.c_void_p, world: World, is_child: bool) -> None:
        self._open, self._world, self._is_child = handle, world, is_child
        self._group = None
        rank, size = ctypes.c_int32(), ctypes.c_int32()
        check(library.tutti_rank(handle, ctypes.byref(rank)))
        check(library.tutti_size(handle, ctypes.byref(size)))
        self._rank, self._size = rank.value, size.value

    def _child(self, handle: ctypes.c_void_p) -> Communicator:
        child = Communicator.__new__(Communicator)
        child._adopt(handle, self._world, is_child=True)
        return child

    def __enter__(self) -> Communicator:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            self.close()
        except Exception:
            if kind is None:  # else what was raised first says more
                raise

    def __repr__(self) -> str:
        return f"<tutti.Communicator: rank {self._rank} of {self._size}>"

    @property
    def rank(self) -> int:
        """This rank, 0 … size-1."""
        return self._rank

    @property
    def size(self) -> int:
        """The number of ranks."""
        return self._size

    def close(self) -> None:
        """Leaves the world, or frees a communicator that was made from another. Calls in flight
        and communicators made from this one are ended before. Arrays from alloc() stay usable:
        the world is left when the last of them goes. A second close does nothing."""
        if self._open is None:
            return
        if self._is_child:
            check(library.tutti_comm_free(self._handle))
        else:
            self._world.close()
        self._open = None

    def split(self, colour: int, key: int = 0) -> Communicator | None:
        """A communicator of the ranks that gave the same colour, in the order of key, then of rank;
        None for NO_COLOUR. Collective."""
        child = ctypes.c_void_p()
        check(library.tutti_comm_split(ctypes.byref(child), colour, key, self._handle))
        return self._child(child) if child.value else None

    def duplicate(self) -> Communicator:
        """A communicator of the same ranks, whose calls are independent. Collective."""
        child = ctypes.c_void_p()
        check(library.tutti_comm_duplicate(ctypes.byref(child), self._handle))
        return self._child(child)

    # ---- Memory and ops --------------------------------------------------------------------------

    def alloc(self, shape: int | Sequence[int], dtype: Dtype | str = Dtype.F32) -> numpy.ndarray:
        """A numpy array of zeros on registered memory, the fastest to pass to calls. What numpy
        has no type for is held in unsigned integers: give its dtype to the calls."""
        import numpy as np
        kind = numpy_type(dtype_named(dtype))
        extents = (shape,) if isinstance(shape, int) else tuple(shape)
        count = kind.itemsize
        for extent in extents:
            if extent < 0:
                raise ValueError(f"shape: {shape} has a negative extent")
            count *= extent
        self._world.reap(self._handle)
        return np.ndarray(extents, kind, self._world.alloc(count, self._handle))

    def pre_scaled_sum(self, scalar: Any, dtype: Dtype | str) -> CreatedOp:
        """An op that sums scalar × input, for elements of `dtype`. Every rank must create its ops
        in the same order."""
        kind, number = dtype_named(dtype), ctypes.c_uint64()
        element = ctypes.create_string_buffer(scalar_bytes(scalar, kind), kind.size)
        check(library.tutti_op_create_pre_scaled(ctypes.byref(number), element, kind,
                                                 self._handle))
        return CreatedOp(self, number.value)

    def create_op(self, function: Callable[[numpy.ndarray, numpy.ndarray], Any],
                  commutative: bool = True) -> CreatedOp:
        """An op that combines arrays of elements: function(lower, higher) returns lower op higher.
        It must be associative; if it does not commute, `lower` comes from lower ranks. It is called
        many times, for some of the elements each, and must not call Tutti. If it raises, so does
        the call on this rank, after it has ended; what it left on others is not defined."""
        called = op_function(function, self._world.op_failed)
        number = ctypes.c_uint64()
        check(library.tutti_op_create(ctypes.byref(number), called, None, int(commutative),
                                      self._handle))
        return CreatedOp(self, number.value, called)

    def candidates(self, collective: Collective, count: int, dtype: Dtype | str = Dtype.F32,
                   op: Op | CreatedOp = Op.SUM) -> list[Candidate]:
        """The algorithms that could serve a call of `count` elements. Local."""
        found: list[Candidate] = []
        while True:
            info = _library.CandidateInfo(ctypes.sizeof(_library.CandidateInfo))
            status = library.tutti_candidate(collective, count, dtype_named(dtype), op_number(op),
                                             self._handle, len(found), ctypes.byref(info))
            if status == Status.NOT_FOUND:
                return found
            check(status)
            found.append(Candidate(info.name.decode(), info.predicted_s, bool(info.chosen)))

    def group(self, *, request: bool = False, persistent: bool = False) -> Group:
        """`with comm.group():` makes the calls in it at its end, all at the same time: messages
        cannot wait for each other, and small all_reduces are fused."""
        return Group(self, Form(request=request, persistent=persistent))
