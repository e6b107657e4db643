"""Arrays of callers: whatever has the buffer protocol (numpy, memoryview, array.array, bytearray)
or DLPack (PyTorch and others), in host memory, with its elements one after the other."""

from __future__ import annotations

import ctypes
import re
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_ssize_t, c_uint8, c_uint16
from ctypes import c_uint64, c_void_p
from typing import Any

from ._words import Dtype, dtype_named

# ---- The buffer protocol (PEP 3118): memoryview tells no address, so this asks as C would -------

_python = ctypes.PyDLL(None)  # of our own: argument types would be everybody's
_STRIDED_WITH_FORMAT = 0x1C  # PyBUF_STRIDES | PyBUF_FORMAT; writable or not


class _PyBuffer(ctypes.Structure):
    _fields_ = [("buf", c_void_p), ("obj", c_void_p), ("len", c_ssize_t), ("itemsize", c_ssize_t),
                ("readonly", c_int), ("ndim", c_int), ("format", c_char_p),
                ("shape", POINTER(c_ssize_t)), ("strides", POINTER(c_ssize_t)),
                ("suboffsets", POINTER(c_ssize_t)), ("internal", c_void_p)]


_get_buffer = _python.PyObject_GetBuffer
_get_buffer.argtypes, _get_buffer.restype = [ctypes.py_object, POINTER(_PyBuffer), c_int], c_int
_release_buffer = _python.PyBuffer_Release
_release_buffer.argtypes, _release_buffer.restype = [POINTER(_PyBuffer)], None
_is_contiguous = _python.PyBuffer_IsContiguous
_is_contiguous.argtypes, _is_contiguous.restype = [POINTER(_PyBuffer), ctypes.c_char], c_int

_INTEGERS = {("i", 1): Dtype.I8, ("u", 1): Dtype.U8, ("i", 4): Dtype.I32, ("u", 4): Dtype.U32,
             ("i", 8): Dtype.I64, ("u", 8): Dtype.U64}
_KINDS = {**dict.fromkeys("bilqn", "i"), **dict.fromkeys("BILQN", "u")}
_OTHERS = {"e": Dtype.F16, "f": Dtype.F32, "d": Dtype.F64, "T{fi}": Dtype.F32_I32}


class _Exported:
    """What the buffer protocol tells of an object, held until this goes."""

    def __init__(self, array: Any) -> None:
        self._view = _PyBuffer()
        _get_buffer(array, ctypes.byref(self._view), _STRIDED_WITH_FORMAT)
        view = self._view
        self.pointer, self.bytes, self.itemsize = view.buf or 0, view.len, view.itemsize
        self.readonly = bool(view.readonly)
        self.contiguous = bool(_is_contiguous(ctypes.byref(view), b"C"))
        self.format = (view.format or b"B").decode()

    def __del__(self) -> None:
        if self._view.obj:
            _release_buffer(ctypes.byref(self._view))

    def dtype(self) -> Dtype | None:
        """None: of no type that Tutti knows."""
        code = re.sub(r":[^:]*:", "", self.format)  # the names of a structure's fields
        code = re.sub(r"[<=@^]", "", code)  # this machine's order of bytes
        if code in ("T{di}", "T{di4x}", "T{dixxxx}") and self.itemsize == 16:
            return Dtype.F64_I32
        return _OTHERS.get(code) or _INTEGERS.get((_KINDS.get(code, ""), self.itemsize))


# ---- DLPack: the structures of its first version, which every producer still gives ---------------


class _DlTensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32),
                ("ndim", c_int32), ("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16),
                ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)),
                ("byte_offset", c_uint64)]


_HOST_DEVICES = (1, 3)  # kDLCPU, kDLCUDAHost
_DL_TYPES = {(0, 8): Dtype.I8, (0, 32): Dtype.I32, (0, 64): Dtype.I64, (1, 8): Dtype.U8,
             (1, 32): Dtype.U32, (1, 64): Dtype.U64, (2, 16): Dtype.F16, (2, 32): Dtype.F32,
             (2, 64): Dtype.F64, (4, 16): Dtype.BF16, (10, 8): Dtype.F8E4M3, (12, 8): Dtype.F8E5M2}

_capsule_pointer = _python.PyCapsule_GetPointer
_capsule_pointer.argtypes, _capsule_pointer.restype = [ctypes.py_object, c_char_p], c_void_p


class _Tensor:
    """The same of DLPack. Its capsule, not consumed, ends the loan when it goes."""

    readonly = False  # the first version lends nothing else

    def __init__(self, array: Any) -> None:
        self._capsule = array.__dlpack__()
        tensor = _DlTensor.from_address(_capsule_pointer(self._capsule, b"dltensor"))
        shape = tensor.shape[:tensor.ndim]
        self.itemsize = tensor.bits * tensor.lanes // 8
        self.bytes = self.itemsize
        for extent in shape:
            self.bytes *= extent
        self.pointer = (tensor.data or 0) + tensor.byte_offset
        self.contiguous = self.bytes == 0 or not tensor.strides or self._packed(
            shape, tensor.strides[:tensor.ndim])
        self.format = f"DLPack type {tensor.code} of {tensor.bits} bits"
        self._type = (tensor.code, tensor.bits) if tensor.lanes == 1 else None

    @staticmethod
    def _packed(shape: list[int], strides: list[int]) -> bool:
        expected = 1
        for extent, stride in zip(reversed(shape), reversed(strides)):
            if extent != 1 and stride != expected:
                return False
            expected *= extent
        return True

    def dtype(self) -> Dtype | None:
        """None: of no type that Tutti knows."""
        return _DL_TYPES.get(self._type)


# ---- What calls take -----------------------------------------------------------------------------


class Array:
    """`count` elements of `dtype` at `pointer`, which lives as long as this does."""

    def __init__(self, pointer: int, count: int, dtype: Dtype, owner: Any) -> None:
        self.pointer, self.count, self.dtype, self.owner = pointer, count, dtype, owner


def _lent(name: str, array: Any) -> _Exported | _Tensor:
    try:
        return _Exported(array)
    except (TypeError, BufferError, ValueError):  # none, or one that it cannot describe
        pass
    if hasattr(array, "__dlpack_device__"):
        device = int(array.__dlpack_device__()[0])
        if device not in _HOST_DEVICES:
            raise TypeError(f"{name}: is in a device's memory (DLPack device type {device}): copy "
                            "it to the host first")
        return _Tensor(array)
    if hasattr(array, "__cuda_array_interface__"):
        raise TypeError(f"{name}: is in a GPU's memory: copy it to the host first")
    raise TypeError(f"{name}: a {type(array).__name__} is no array: give one with the buffer "
                    "protocol (numpy, array.array, memoryview) or DLPack")


def array_of(name: str, array: Any, dtype: Dtype | str | None, writable: bool = False) -> Array:
    """The array that argument `name` is. `dtype`: what its elements are, where their own type does
    not tell, as with bf16 in an array of uint16. Raises TypeError and ValueError, which name it."""
    lent = _lent(name, array)
    if not lent.contiguous:
        raise ValueError(f"{name}: its elements do not lie one after the other (C order): give a "
                         "contiguous copy")
    if writable and lent.readonly:
        raise ValueError(f"{name}: is read-only, but the call writes it")
    own = lent.dtype()
    given = own if dtype is None else dtype_named(dtype)
    if given is None:
        raise TypeError(f"{name}: has elements of a type that Tutti does not know ({lent.format}): "
                        "convert it, or say dtype=…")
    if given.size != lent.itemsize or own not in (None, given, Dtype.U8, Dtype.I8):
        raise TypeError(f"{name}: has elements of {lent.itemsize} bytes ({lent.format}): they "
                        f"are not {given.name.lower()}")
    return Array(lent.pointer, lent.bytes // lent.itemsize, given, (lent, array))
