"""The calls of a communicator that move data."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from ._arrays import Array, array_of
from ._calls import CallOptions, CreatedOp, Form, Group, op_number
from ._library import library
from ._requests import Request
from ._words import Op, check
from ._world import World

if TYPE_CHECKING:
    from typing_extensions import Unpack

_NOTHING = Array(0, 0, None, None)  # what a rank gives that neither reads nor writes an array


class Calls:
    """A base of Communicator, which says what arrays and keywords mean."""

    _open: ctypes.c_void_p | None
    _world: World
    _group: Group | None
    _rank: int
    _size: int

    # ---- How calls are made ----------------------------------------------------------------------

    @property
    def _handle(self) -> ctypes.c_void_p:
        if self._open is None:
            raise ValueError("the communicator is closed")
        return self._open

    def _make(self, function: Any, arguments: tuple, arrays: Any, form: Form) -> Request | None:
        self._world.reap(self._handle)
        handle = ctypes.c_void_p()
        options = form.options(handle)
        check(function(*arguments, self._handle,
                       None if options is None else ctypes.byref(options)))
        if self._group is not None:
            self._group.arrays.append(arrays)
        self._world.raise_op_failure()
        if not handle.value:
            return None
        return Request(handle, form.persistent, arrays, self._world)

    def _begin_group(self, group: Group) -> None:
        check(library.tutti_group_start(self._handle))
        self._group = group

    def _end_group(self, group: Group, form: Form) -> Request | None:
        self._group = None
        return self._make(library.tutti_group_end, (), group.arrays, form)

    def _two(self, call: str, send: Any, recv: Any, form: Form) -> tuple[Array, Array]:
        """send and recv, of the same dtype."""
        given = array_of(f"{call}: send", send, form.dtype)
        taken = array_of(f"{call}: recv", recv, form.dtype, writable=True)
        if given.dtype != taken.dtype:
            raise TypeError(f"{call}: send has elements of {given.dtype.name.lower()}, recv of "
                            f"{taken.dtype.name.lower()}")
        return given, taken

    def _alike(self, call: str, send: Any, recv: Any, form: Form) -> tuple[Array, Array]:
        """The same, of the same length; in place if recv is None."""
        if recv is None:
            both = array_of(f"{call}: send", send, form.dtype, writable=True)
            return both, both
        given, taken = self._two(call, send, recv, form)
        self._expect(f"{call}: recv", taken, given.count)
        return given, taken

    def _expect(self, name: str, array: Array, count: int) -> None:
        if array.count != count:
            raise ValueError(f"{name}: has {array.count} elements, but the call takes {count}")

    # ---- Collectives -----------------------------------------------------------------------------

    def all_reduce(self, send: Any, recv: Any = None, op: Op | CreatedOp = Op.SUM,
                   **options: Unpack[CallOptions]) -> Request | None:
        """Combines `send` over all ranks, and leaves the result in `recv` on each."""
        form = Form(**options)
        a, b = self._alike("all_reduce", send, recv, form)
        return self._make(library.tutti_all_reduce,
                          (a.pointer, b.pointer, a.count, a.dtype, op_number(op)), (a, b, op), form)

    def broadcast(self, send: Any, recv: Any = None, root: int = 0,
                  **options: Unpack[CallOptions]) -> Request | None:
        """Copies `send` on the root to `recv` on every rank. Where recv is given, `send` may be
        None on the others."""
        form = Form(**options)
        if recv is None:
            a = b = array_of("broadcast: send", send, form.dtype, writable=self._rank != root)
        elif self._rank == root:
            a, b = self._alike("broadcast", send, recv, form)
        else:
            a, b = _NOTHING, array_of("broadcast: recv", recv, form.dtype, writable=True)
        return self._make(library.tutti_broadcast,
                          (a.pointer, b.pointer, b.count, b.dtype, root), (a, b), form)

    def reduce(self, send: Any, recv: Any = None, op: Op | CreatedOp = Op.SUM, root: int = 0,
               **options: Unpack[CallOptions]) -> Request | None:
        """Combines `send` over all ranks, and leaves the result in `recv` on the root, the only one
        to need it; in place, in the root's `send`."""
        form = Form(**options)
        if self._rank == root:
            a, b = self._alike("reduce", send, recv, form)
        else:
            a, b = array_of("reduce: send", send, form.dtype), _NOTHING
        return self._make(library.tutti_reduce,
                          (a.pointer, b.pointer, a.count, a.dtype, op_number(op), root),
                          (a, b, op), form)

    def reduce_scatter(self, send: Any, recv: Any, op: Op | CreatedOp = Op.SUM,
                       **options: Unpack[CallOptions]) -> Request | None:
        """Combines `send`, size blocks, over all ranks, and leaves block r in `recv` on rank r."""
        form = Form(**options)
        a, b = self._two("reduce_scatter", send, recv, form)
        self._expect("reduce_scatter: send", a, b.count * self._size)
        return self._make(library.tutti_reduce_scatter,
                          (a.pointer, b.pointer, b.count, a.dtype, op_number(op)), (a, b, op), form)

    def all_gather(self, send: Any, recv: Any, **options: Unpack[CallOptions]) -> Request | None:
        """Gathers every rank's `send` in `recv` on each, in rank order."""
        form = Form(**options)
        a, b = self._two("all_gather", send, recv, form)
        self._expect("all_gather: recv", b, a.count * self._size)
        return self._make(library.tutti_all_gather, (a.pointer, b.pointer, a.count, a.dtype),
                          (a, b), form)

    def gather(self, send: Any, recv: Any = None, root: int = 0,
               **options: Unpack[CallOptions]) -> Request | None:
        """Gathers every rank's `send` in `recv` on the root, the only one to need it."""
        form = Form(**options)
        if self._rank == root:
            a, b = self._two("gather", send, recv, form)
            self._expect("gather: recv", b, a.count * self._size)
        else:
            a, b = array_of("gather: send", send, form.dtype), _NOTHING
        return self._make(library.tutti_gather, (a.pointer, b.pointer, a.count, a.dtype, root),
                          (a, b), form)

    def scatter(self, send: Any, recv: Any, root: int = 0,
                **options: Unpack[CallOptions]) -> Request | None:
        """Gives rank r block r of `send`, size blocks, on the root, the only one to need it."""
        form = Form(**options)
        if self._rank == root:
            a, b = self._two("scatter", send, recv, form)
            self._expect("scatter: send", a, b.count * self._size)
        else:
            a, b = _NOTHING, array_of("scatter: recv", recv, form.dtype, writable=True)
        return self._make(library.tutti_scatter, (a.pointer, b.pointer, b.count, b.dtype, root),
                          (a, b), form)

    def all_to_all(self, send: Any, recv: Any, **options: Unpack[CallOptions]) -> Request | None:
        """Block d of `send` on rank s becomes block s of `recv` on rank d."""
        form = Form(**options)
        a, b = self._two("all_to_all", send, recv, form)
        block = a.count // self._size
        self._expect("all_to_all: send", a, block * self._size)
        self._expect("all_to_all: recv", b, a.count)
        return self._make(library.tutti_all_to_all, (a.pointer, b.pointer, block, a.dtype), (a, b),
                          form)

    def scan(self, send: Any, recv: Any = None, op: Op | CreatedOp = Op.SUM,
             **options: Unpack[CallOptions]) -> Request | None:
        """Combines `send` of ranks 0 … r in `recv` on rank r."""
        form = Form(**options)
        a, b = self._alike("scan", send, recv, form)
        return self._make(library.tutti_scan,
                          (a.pointer, b.pointer, a.count, a.dtype, op_number(op)), (a, b, op), form)

    def exclusive_scan(self, send: Any, recv: Any = None, op: Op | CreatedOp = Op.SUM,
                       **options: Unpack[CallOptions]) -> Request | None:
        """Combines `send` of ranks 0 … r-1 in `recv` on rank r; on rank 0 it is undefined."""
        form = Form(**options)
        a, b = self._alike("exclusive_scan", send, recv, form)
        return self._make(library.tutti_exclusive_scan,
                          (a.pointer, b.pointer, a.count, a.dtype, op_number(op)), (a, b, op), form)

    def barrier(self, **options: Unpack[CallOptions]) -> Request | None:
        """Returns when every rank has entered the call."""
        return self._make(library.tutti_barrier, (), None, Form(**options))

    # ---- Messages --------------------------------------------------------------------------------

    def send(self, send: Any, to: int, **options: Unpack[CallOptions]) -> Request | None:
        """Sends `send` to rank `to`. May block until it is received."""
        form = Form(**options)
        a = array_of("send: send", send, form.dtype)
        return self._make(library.tutti_send, (a.pointer, a.count, a.dtype, to), a, form)

    def recv(self, recv: Any, source: int, **options: Unpack[CallOptions]) -> Request | None:
        """Receives the next message of rank `source`, of just as many elements, in `recv`."""
        form = Form(**options)
        b = array_of("recv: recv", recv, form.dtype, writable=True)
        return self._make(library.tutti_recv, (b.pointer, b.count, b.dtype, source), b, form)

    def send_recv(self, send: Any, to: int, recv: Any, source: int,
                  **options: Unpack[CallOptions]) -> Request | None:
        """send() and recv() at the same time."""
        form = Form(**options)
        a, b = self._two("send_recv", send, recv, form)
        return self._make(library.tutti_send_recv,
                          (a.pointer, a.count, to, b.pointer, b.count, source, a.dtype), (a, b),
                          form)
