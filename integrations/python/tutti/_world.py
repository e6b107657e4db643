"""What the communicators of one tutti_start() share: their registered memory, and its end."""

from __future__ import annotations

import collections
import ctypes
import warnings
import weakref

from ._library import library
from ._words import Status, check


class World:
    """Arrays on registered memory may outlive `with Communicator()`: then the world is left when
    the last of them goes, for their memory ends with it. At exit it is left in any case."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._root = handle
        self._closed = False
        self._live: set[int] = set()  # addresses of arrays that are alive
        self._dead: collections.deque[int] = collections.deque()  # and of those that are not
        self._op_failure: BaseException | None = None
        self._at_exit = weakref.finalize(self, library.tutti_finish, handle)

    def alloc(self, count: int, comm: ctypes.c_void_p) -> ctypes.Array:
        """A block of `count` bytes, freed some time after it has gone."""
        pointer = ctypes.c_void_p()
        check(library.tutti_alloc(ctypes.byref(pointer), count, comm))
        block = (ctypes.c_char * count).from_address(pointer.value)
        self._live.add(pointer.value)
        weakref.finalize(block, self._died, pointer.value).atexit = False
        return block

    def _died(self, address: int) -> None:
        """Runs in any thread, which may be in a call: so the memory is given back by reap()."""
        self._dead.append(address)
        self._live.discard(address)
        if self._closed and not self._live:
            self._finish(warn=True)

    def reap(self, comm: ctypes.c_void_p) -> None:
        """Gives back the memory of arrays that have gone."""
        while self._dead:
            check(library.tutti_free(self._dead.popleft(), comm))

    def close(self) -> None:
        """Leaves the world, now or when the last array has gone."""
        self.reap(self._root)
        if self._live:
            self._closed = True
        else:
            self._finish(warn=False)

    def _finish(self, warn: bool) -> None:
        status = library.tutti_finish(self._root)
        if status != Status.INVALID:
            self._at_exit.detach()
        if warn and status != Status.OK:
            warnings.warn(library.tutti_error_text(None).decode(errors="replace"), RuntimeWarning)
        elif not warn:
            check(status)

    def op_failed(self, failure: BaseException) -> None:
        """An op's function raised, in a call that C made: it is kept for raise_op_failure()."""
        self._op_failure = self._op_failure or failure

    def raise_op_failure(self) -> None:
        """What an op's function raised during the call that has ended."""
        if self._op_failure is not None:
            failure, self._op_failure = self._op_failure, None
            raise failure
