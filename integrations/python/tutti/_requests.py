"""Calls that are in flight, or prepared."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Sequence

from ._library import library
from ._words import Status, TuttiError, check

if TYPE_CHECKING:
    from ._world import World

# Requests that have been started and not waited for: Tutti reads and writes their arrays, so that
# these must live although the caller may have dropped both.
_in_flight: set[Request] = set()


class Request:
    """A call that did not block. Its arrays stay alive until it is complete."""

    def __init__(self, handle: ctypes.c_void_p, persistent: bool, arrays: Any,
                 world: World) -> None:
        self._handle: ctypes.c_void_p | None = handle
        self._persistent, self._arrays, self._world = persistent, arrays, world
        if not persistent:
            _in_flight.add(self)

    def __bool__(self) -> bool:
        """Whether there is a call: false once it is complete, unless it is persistent."""
        return self._handle is not None

    def test(self) -> bool:
        """Whether the call is complete. Never blocks."""
        done = ctypes.c_int32()
        status = library.tutti_test(self._handle, ctypes.byref(done))
        if status != Status.OK or done.value:
            self._settle(status)
        return bool(done.value)

    def wait(self) -> None:
        """Blocks until the call is complete. Raises what it failed with."""
        self._settle(library.tutti_wait(self._handle))

    def start(self) -> None:
        """Starts a persistent call once more. Collective, as its call."""
        check(library.tutti_request_start(self._handle))
        _in_flight.add(self)

    def free(self) -> None:
        """Frees a persistent request, which must not be in flight."""
        check(library.tutti_request_free(self._handle))
        self._gone()

    def _gone(self) -> None:
        self._handle = self._arrays = None

    def _settle(self, status: int) -> None:
        """After the call has ended, well or not; a refusal changed nothing."""
        if status != Status.INVALID:
            _in_flight.discard(self)
            if not self._persistent:
                self._gone()
        check(status)
        self._world.raise_op_failure()


def _handles(requests: Sequence[Request]) -> ctypes.Array:
    values = [r._handle.value if r._handle else None for r in requests]
    return (ctypes.c_void_p * len(values))(*values)


def wait_all(requests: Sequence[Request]) -> None:
    """Waits for all; those without a call are skipped. Raises what the first that failed failed
    with; those after it have not been waited for."""
    handles = _handles(requests)
    status = library.tutti_wait_all(handles, len(requests))
    for request, handle in zip(requests, handles):
        if handle is None and request:
            request._settle(Status.OK)
        elif status == Status.OK:
            _in_flight.discard(request)
    check(status)


def wait_any(requests: Sequence[Request]) -> int | None:
    """Waits until any is complete, and returns its index; None if no request has a call."""
    handles, index = _handles(requests), ctypes.c_size_t()
    status = library.tutti_wait_any(handles, len(requests), ctypes.byref(index))
    if status == Status.NOT_FOUND:
        return None
    if status == Status.OK:
        requests[index.value]._settle(status)
        return index.value
    for request, handle in zip(requests, handles):
        if handle is None and request:
            request._gone()
            _in_flight.discard(request)
    raise TuttiError(status, library.tutti_error_text(None).decode(errors="replace"))
