"""Finds libtutti, and declares its calls to ctypes."""

from __future__ import annotations

import ctypes
import os
import pathlib
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from typing import Iterator

SONAME = "libtutti.so.0"
VERSION = 100  # of the header that is declared here, in the form of TUTTI_VERSION


class Config(ctypes.Structure):
    """tutti_config"""
    _fields_ = [("struct_size", c_size_t), ("rank", c_int32), ("size", c_int32),
                ("address", c_char_p), ("start_timeout_ms", c_int64), ("call_timeout_ms", c_int64)]


class Options(ctypes.Structure):
    """tutti_options"""
    _fields_ = [("struct_size", c_size_t), ("algorithm", c_char_p), ("timeout_ms", c_int64),
                ("request", POINTER(c_void_p)), ("persistent", c_int32), ("reproducible", c_int32)]


class CandidateInfo(ctypes.Structure):
    """tutti_candidate_info"""
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("predicted_s", c_double),
                ("chosen", c_int32)]


OpFunction = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, c_int32, c_void_p)

_dtype, _status, _collective, _op = c_int32, c_int32, c_int32, c_uint64
_comm = _request = _buffer = c_void_p
_made = POINTER(c_void_p)  # where a handle or a pointer is stored
_tail = [_comm, POINTER(Options)]

# Results and parameters of every call of tutti.h. A test compares them with the header.
PROTOTYPES = {
    "tutti_status_name": (c_char_p, [_status]),
    "tutti_dtype_size": (c_size_t, [_dtype]),
    "tutti_version": (_status, [POINTER(c_int32)]),
    "tutti_error_text": (c_char_p, [_comm]),
    "tutti_start": (_status, [_made, POINTER(Config)]),
    "tutti_finish": (_status, [_comm]),
    "tutti_rank": (_status, [_comm, POINTER(c_int32)]),
    "tutti_size": (_status, [_comm, POINTER(c_int32)]),
    "tutti_comm_split": (_status, [_made, c_int32, c_int32, _comm]),
    "tutti_comm_duplicate": (_status, [_made, _comm]),
    "tutti_comm_free": (_status, [_comm]),
    "tutti_alloc": (_status, [_made, c_size_t, _comm]),
    "tutti_free": (_status, [c_void_p, _comm]),
    "tutti_op_create_pre_scaled": (_status, [POINTER(_op), _buffer, _dtype, _comm]),
    "tutti_op_create": (_status, [POINTER(_op), OpFunction, c_void_p, c_int32, _comm]),
    "tutti_op_free": (_status, [_op, _comm]),
    "tutti_replay_reduce": (_status, [POINTER(c_void_p), _buffer, c_size_t, _dtype, _op, c_int32]),
    "tutti_all_reduce": (_status, [_buffer, _buffer, c_size_t, _dtype, _op, *_tail]),
    "tutti_broadcast": (_status, [_buffer, _buffer, c_size_t, _dtype, c_int32, *_tail]),
    "tutti_reduce": (_status, [_buffer, _buffer, c_size_t, _dtype, _op, c_int32, *_tail]),
    "tutti_reduce_scatter": (_status, [_buffer, _buffer, c_size_t, _dtype, _op, *_tail]),
    "tutti_all_gather": (_status, [_buffer, _buffer, c_size_t, _dtype, *_tail]),
    "tutti_gather": (_status, [_buffer, _buffer, c_size_t, _dtype, c_int32, *_tail]),
    "tutti_scatter": (_status, [_buffer, _buffer, c_size_t, _dtype, c_int32, *_tail]),
    "tutti_all_to_all": (_status, [_buffer, _buffer, c_size_t, _dtype, *_tail]),
    "tutti_scan": (_status, [_buffer, _buffer, c_size_t, _dtype, _op, *_tail]),
    "tutti_exclusive_scan": (_status, [_buffer, _buffer, c_size_t, _dtype, _op, *_tail]),
    "tutti_barrier": (_status, _tail),
    "tutti_send": (_status, [_buffer, c_size_t, _dtype, c_int32, *_tail]),
    "tutti_recv": (_status, [_buffer, c_size_t, _dtype, c_int32, *_tail]),
    "tutti_send_recv": (_status, [_buffer, c_size_t, c_int32, _buffer, c_size_t, c_int32, _dtype,
                                  *_tail]),
    "tutti_test": (_status, [_request, POINTER(c_int32)]),
    "tutti_wait": (_status, [_request]),
    "tutti_wait_all": (_status, [_made, c_size_t]),
    "tutti_wait_any": (_status, [_made, c_size_t, POINTER(c_size_t)]),
    "tutti_request_start": (_status, [_request]),
    "tutti_request_free": (_status, [_request]),
    "tutti_group_start": (_status, [_comm]),
    "tutti_group_end": (_status, _tail),
    "tutti_candidate": (_status, [_collective, c_size_t, _dtype, _op, _comm, c_size_t,
                                  POINTER(CandidateInfo)]),
}


def places() -> Iterator[tuple[str, str]]:
    """(what to load, why), in the order in which they are tried."""
    wanted = os.environ.get("TUTTI_LIBRARY")
    if wanted:
        yield wanted, "TUTTI_LIBRARY"
        return
    package = pathlib.Path(__file__).resolve().parent
    for folder, why in ((package, "next to the package"),
                        (package.parents[2] / "build", "the build folder of the sources")):
        if (folder / SONAME).exists():
            yield str(folder / SONAME), why
    yield SONAME, "the system's libraries"


def loaded_path(name: str) -> str:
    """Where the loader found a library of that name."""
    try:
        maps = pathlib.Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return name
    paths = [line.split(maxsplit=5)[5] for line in maps.splitlines() if "libtutti.so" in line]
    return paths[0] if paths and "/" not in name else name


class Library:
    """libtutti: its calls are attributes, as tutti_all_reduce."""

    def __init__(self) -> None:
        refused = []
        for name, why in places():
            try:
                self._cdll = ctypes.CDLL(name)
            except OSError as error:
                refused.append(f"{name} ({why}): {error}")
                continue
            self.path, self.why = loaded_path(name), why
            break
        else:
            raise ImportError("no libtutti: " + "; ".join(refused) + ". Install Tutti, or name the "
                              "library in TUTTI_LIBRARY")
        for name, (result, parameters) in PROTOTYPES.items():
            self._declare(name, result, parameters)
        version = c_int32()
        self.tutti_version(ctypes.byref(version))
        self.version = version.value
        if self.version < VERSION:
            raise ImportError(f"{self.path} is version {self.version}: older than this package, "
                              f"which is for {VERSION}")

    def _declare(self, name: str, result: type, parameters: list) -> None:
        try:
            function = getattr(self._cdll, name)
        except AttributeError:
            raise ImportError(f"{self.path} lacks {name}: it is older than this package") from None
        function.restype, function.argtypes = result, parameters
        setattr(self, name, function)


library = Library()
