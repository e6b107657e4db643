"""What each rank of tests/python_test.py does: every call of the Python package, against numpy.

usage: tutti run -n N python3 python_ranks.py
"""

import array
import gc
import sys
import time

import numpy as np

import tutti
from tutti import Dtype, Op

COUNTS = (0, 1, 7, 1000)


def sent_by(rank, count, dtype=np.int64):
    """Differs by rank and by index; small enough for every dtype."""
    return ((np.arange(count) * 3 + 5 * rank) % 17 + 1).astype(dtype)


def same(a, b):
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def refused(kind, words, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        assert words in str(error), f"'{error}' does not say '{words}'"
        return error
    raise AssertionError(f"nothing was raised; expected '{words}'")


def all_sent(comm, count, dtype=np.int64):
    return np.stack([sent_by(rank, count, dtype) for rank in range(comm.size)])


# ---- The calls ---------------------------------------------------------------------------------


def reductions(comm):
    for dtype in (np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, np.float16,
                  np.float32, np.float64):
        mine, everyone = sent_by(comm.rank, 9, dtype), all_sent(comm, 9, dtype)
        recv = np.zeros(9, dtype)
        comm.all_reduce(mine, recv)
        same(recv, everyone.sum(axis=0, dtype=dtype))
        comm.all_reduce(mine, recv, Op.MAX)
        same(recv, everyone.max(axis=0))
    for count in COUNTS:
        mine, everyone = sent_by(comm.rank, count), all_sent(comm, count)
        data = mine.copy()
        comm.all_reduce(data, op=Op.MIN)
        same(data, everyone.min(axis=0))
        comm.all_reduce(mine, data, Op.BXOR, algorithm="ring", timeout=60)
        same(data, np.bitwise_xor.reduce(everyone))
        comm.scan(mine, data)
        same(data, everyone[:comm.rank + 1].sum(axis=0))
        comm.exclusive_scan(mine, data, Op.PROD)
        if comm.rank > 0:
            same(data, everyone[:comm.rank].prod(axis=0))
        wide = sent_by(comm.rank, count * comm.size)
        comm.reduce_scatter(wide, data)
        total = all_sent(comm, count * comm.size).sum(axis=0)
        same(data, total.reshape(comm.size, count)[comm.rank])


def rooted(comm):
    for root in range(comm.size):
        is_root = comm.rank == root
        for count in COUNTS:
            mine, everyone = sent_by(comm.rank, count), all_sent(comm, count)
            data, wide = mine.copy(), np.zeros((comm.size, count), np.int64)
            comm.broadcast(data, root=root)
            same(data, everyone[root])
            data = np.zeros(count, np.int64)
            comm.broadcast(mine if is_root else None, data, root)
            same(data, everyone[root])
            comm.reduce(mine, data if is_root else None, Op.SUM, root)
            if is_root:
                same(data, everyone.sum(axis=0))
            data = mine.copy()
            comm.reduce(data, root=root)
            same(data, everyone.sum(axis=0) if is_root else mine)
            comm.gather(mine, wide if is_root else None, root)
            if is_root:
                same(wide, everyone)
            data[...] = 0
            comm.scatter(wide if is_root else None, data, root)
            same(data, mine)


def blocks(comm):
    for count in COUNTS:
        wide = np.zeros((comm.size, count), np.int64)
        comm.all_gather(sent_by(comm.rank, count), wide)
        same(wide, all_sent(comm, count))
        comm.all_to_all(sent_by(comm.rank, count * comm.size), wide)
        for rank in range(comm.size):
            same(wide[rank], sent_by(rank, count * comm.size).reshape(comm.size, count)[comm.rank])
    comm.barrier()


def messages(comm):
    up, down = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    recv = np.zeros(50, np.int64)
    comm.send_recv(sent_by(comm.rank, 50), up, recv, down)
    same(recv, sent_by(down, 50))
    recv[:] = 0
    with comm.group():
        comm.recv(recv, down)
        comm.send(sent_by(comm.rank, 50), up)  # the group keeps it alive
        gc.collect()
    same(recv, sent_by(down, 50))


# ---- Forms -------------------------------------------------------------------------------------


def requests(comm):
    expected = all_sent(comm, 64).sum(axis=0)
    data = [sent_by(comm.rank, 64) for _ in range(5)]
    pending = [comm.all_reduce(d, request=True) for d in data]
    pending[0].wait()
    while not pending[1].test():
        time.sleep(0)
    first = tutti.wait_any(pending)
    assert first in (2, 3, 4) and not pending[first]
    tutti.wait_all(pending)
    assert not any(pending) and tutti.wait_any(pending) is None
    for d in data:
        same(d, expected)
    refused(tutti.TuttiError, "TUTTI_INVALID", pending[0].wait)

    source = np.zeros(3)
    target = np.zeros(3)
    prepared = comm.all_reduce(source, target, persistent=True)
    for turn in range(4):
        source[:] = turn
        prepared.start()
        if turn % 2:
            tutti.wait_all([prepared])
        else:
            prepared.wait()
        same(target, [turn * comm.size] * 3)
        assert prepared
    prepared.free()
    assert not prepared

    with comm.group(request=True) as group:
        for d in data:
            comm.all_reduce(d)
    group.request.wait()
    same(data[4], expected * comm.size)


def dropped_arrays(comm):
    """Arrays live until their call is complete, whoever drops them."""
    results = []
    for _ in range(20):
        recv = np.zeros(10000, np.int64)
        results.append((comm.all_reduce(sent_by(comm.rank, 10000), recv, request=True), recv))
    gc.collect()
    for request, recv in results:
        request.wait()
        same(recv, all_sent(comm, 10000).sum(axis=0))


def communicators(comm):
    child = comm.split(comm.rank % 2, -comm.rank)
    assert child.size == (comm.size + 1 - comm.rank % 2) // 2
    ranks = np.zeros(child.size, np.int32)
    child.all_gather(np.array([comm.rank], np.int32), ranks)
    same(ranks, sorted(ranks, reverse=True))
    assert (comm.split(0 if comm.rank == 0 else tutti.NO_COLOUR) is None) == (comm.rank != 0)
    child.close()
    child.close()
    refused(ValueError, "the communicator is closed", child.barrier)
    with comm.duplicate() as twin:
        one = np.ones(1)
        twin.all_reduce(one)
        same(one, [comm.size])
        assert repr(twin) == f"<tutti.Communicator: rank {comm.rank} of {comm.size}>"


# ---- Ops and memory ----------------------------------------------------------------------------


def ops(comm):
    for scalar in (comm.rank + 1.0, np.array(comm.rank + 1.0)):
        op = comm.pre_scaled_sum(scalar, "f64")
        data = np.full(4, 2.0)
        comm.all_reduce(data, op=op)
        same(data, [comm.size * (comm.size + 1.0)] * 4)
        op.free()
        refused(tutti.TuttiError, "op", comm.all_reduce, data, op=op)

    base = comm.size + 1
    digits = comm.create_op(lambda low, high: low * base ** np.where(high >= base, 2, 1) + high,
                            commutative=False)
    if comm.size <= 3:  # so that `high` has one digit or two
        data = np.full(100, comm.rank + 1)
        comm.all_reduce(data, op=digits)
        same(data, np.full(100, int("".join(map(str, range(1, comm.size + 1))), base)))

    def fails(low, high):
        raise ZeroDivisionError("in the op")
    if comm.size > 1:
        failing = comm.create_op(fails)
        data = np.ones(3)
        refused(ZeroDivisionError, "in the op", comm.all_reduce, data, op=failing,
                algorithm="naive")

    pairs = comm.alloc(2, Dtype.F64_I32)
    pairs["value"], pairs["index"] = (-comm.rank, 1), comm.rank
    comm.all_reduce(pairs, op=Op.MIN_INDEX)
    same(pairs["index"], [comm.size - 1, 0])
    small = comm.alloc(1, "f32_i32")
    small["value"], small["index"] = comm.rank, comm.rank
    comm.all_reduce(small, op=Op.MAX_INDEX)
    same(small["index"], [comm.size - 1])

    inputs = [np.float32(0.1) / np.arange(1 + rank, 20 + rank, dtype=np.float32)
              for rank in range(comm.size)]
    summed, replayed = np.zeros(19, np.float32), np.zeros(19, np.float32)
    comm.all_reduce(inputs[comm.rank], summed, reproducible=True)
    tutti.replay_reduce(inputs, replayed)
    assert summed.tobytes() == replayed.tobytes()
    refused(ValueError, "inputs[0]: has 18 elements", tutti.replay_reduce, [inputs[0][:18]],
            replayed)


def memory(comm):
    x = comm.alloc((3, 4))
    assert x.dtype == np.float32 and x.shape == (3, 4) and not x.any()
    x += comm.rank
    comm.all_reduce(x)
    same(x, np.full((3, 4), sum(range(comm.size))))
    assert comm.alloc(0).shape == (0,) and comm.alloc(2, "bf16").dtype == np.uint16
    before = len(comm._world._live)
    for _ in range(100):
        x = comm.alloc(1 << 20, "u8")
    assert len(comm._world._live) == before  # what went was given back
    refused(ValueError, "unknown name 'f31'", comm.alloc, 3, "f31")
    refused(ValueError, "negative", comm.alloc, (3, -1))


def other_arrays(comm):
    total = sum(range(1, comm.size + 1))
    values = array.array("d", [comm.rank + 1.0] * 3)
    comm.all_reduce(values)
    assert list(values) == [total] * 3
    raw = bytearray([comm.rank + 1] * 3)
    comm.all_reduce(memoryview(raw)[1:])
    assert list(raw) == [comm.rank + 1, total, total]
    recv = bytearray(2 * comm.size)
    comm.all_gather(bytes([comm.rank, 7]), recv)  # read-only inputs are fine
    assert list(recv) == [b for rank in range(comm.size) for b in (rank, 7)]
    halves = np.full(3, 0x3f80, np.uint16)  # bf16: one
    comm.all_reduce(halves, dtype="bf16")
    same(halves.astype(np.uint32) << 16, np.full(3, comm.size, np.float32).view(np.uint32))
    lent = OnlyDlpack(np.full((2, 3), 1.0 + comm.rank))
    comm.all_reduce(lent)
    same(lent.array, np.full((2, 3), total))


class OnlyDlpack:
    """An array that has no buffer protocol, as PyTorch's."""

    def __init__(self, values, device=(1, 0)):
        self.array, self._device = values, device

    def __dlpack__(self, **_):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self._device


def refusals(comm):
    good = np.zeros(6)
    read_only = np.zeros(6)
    read_only.flags.writeable = False
    call = comm.all_reduce
    refused(ValueError, "all_reduce: recv: is read-only", call, good, read_only)
    refused(ValueError, "all_reduce: send: is read-only", call, bytes(3))
    refused(ValueError, "all_reduce: send: its elements do not lie", call, np.zeros((6, 2))[:, 0],
            good)
    refused(ValueError, "all_reduce: recv: its elements do not lie", call, good, good[::-1])
    refused(ValueError, "recv: its elements", call, good,
            OnlyDlpack(np.zeros((6, 2))[:, 0]))
    refused(ValueError, "all_reduce: recv: has 5 elements, but the call takes 6", call, good,
            np.zeros(5))
    refused(TypeError, "send has elements of f64, recv of f32", call, good,
            np.zeros(6, np.float32))
    refused(TypeError, "send: has elements of a type that Tutti does not know (?)", call,
            np.zeros(3, bool))
    refused(TypeError, "does not know (>i)", call, np.zeros(3, ">i4"))
    refused(TypeError, "does not know", call, OnlyDlpack(np.zeros(3, complex)))
    refused(TypeError, "send: has elements of 8 bytes (d): they are not i64", call, good,
            dtype="i64")
    refused(TypeError, "send: has elements of 8 bytes (d): they are not bf16", call, good,
            dtype="bf16")
    refused(TypeError, "send: is in a device's memory (DLPack device type 2)", call,
            OnlyDlpack(good, (2, 0)))
    refused(TypeError, "send: a list is no array", call, [1.0, 2.0])
    refused(TypeError, "send: a NoneType is no array", call, None)
    refused(TypeError, "algoritm", call, good, algoritm="ring")
    refused(ValueError, "timeout: 0 s", call, good, timeout=0)
    refused(ValueError, "all_gather: recv: has 6", comm.all_gather, good, good)
    refused(ValueError, "gather: recv: has 6", comm.gather, good, good, comm.rank)
    refused(ValueError, "scatter: send: has 6", comm.scatter, good, good, comm.rank)
    refused(ValueError, "reduce_scatter: send: has 6", comm.reduce_scatter, good, good)
    refused(ValueError, "all_to_all: recv: has 0", comm.all_to_all, good, good[:0])
    error = refused(tutti.TuttiError, "flight", call, good, algorithm="flight")
    assert error.status == tutti.Status.NOT_FOUND
    error = refused(tutti.TuttiError, "root is 99", comm.broadcast, good, root=99)
    assert error.status == tutti.Status.INVALID
    refused(TypeError, "scalar: give the 2 bytes", comm.pre_scaled_sum, 1.0, "bf16")


def choosing(comm):
    found = comm.candidates(tutti.Collective.ALL_REDUCE, 1000)
    assert sum(c.chosen for c in found) == 1 and "ring" in [c.name for c in found]


def main():
    with tutti.Communicator(call_timeout=60) as comm:
        kept = comm.alloc(1000, "i32")
        for check in (reductions, rooted, blocks, messages, requests, dropped_arrays,
                      communicators, ops, memory, other_arrays, choosing):
            check(comm)
        if comm.size > 1:
            refusals(comm)
        comm.all_reduce(kept)
    kept += 1  # the array has outlived its communicator
    same(kept, np.ones(1000, np.int32))
    refused(ValueError, "closed", comm.barrier)
    sys.stdout.write("right\n")  # at once: ranks share it


if __name__ == "__main__":
    sys.exit(main())
