/**
 * Tutti: collective communication between ranks (processes or threads).
 *
 * The C API, and the only installed C header. C99 and C++.
 *
 * Conventions
 *  - Every call returns a tutti_status; results come through pointers, which are written only on
 *    success. tutti_error_text() tells the whole story of the last failure.
 *  - A *collective* call must be made by every rank of the communicator, in the same order, with
 *    the same arguments (except the buffers). It blocks until this rank's part is complete: its
 *    result is there and its buffers may be used again.
 *  - Arguments are in NCCL's order; `options` always comes last, and NULL means the defaults.
 *  - Structures that a caller fills begin with their size: set it with the _INIT macros. Later
 *    versions append fields; a shorter structure keeps its old meaning.
 *
 * Threads: one thread at a time may use a communicator and the memory and ops created on it; which
 * thread may change between calls. Different communicators are independent. tutti_version(),
 * tutti_status_name() and tutti_dtype_size() may be called at any time from any thread. In a forked
 * child every call on a communicator of the parent returns TUTTI_INVALID.
 */
#ifndef TUTTI_TUTTI_H
#define TUTTI_TUTTI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default) /* all that the shared library exports is declared here */
#endif

/** The version of this header: major * 10000 + minor * 100 + patch. */
#define TUTTI_VERSION 100

/* ---- Status ------------------------------------------------------------------------------- */

typedef int32_t tutti_status;

enum {
  TUTTI_OK = 0,
  TUTTI_INVALID = 1,     /* an argument or a variable is wrong; nothing was done */
  TUTTI_MISMATCH = 2,    /* the ranks made different calls; the communicator is unusable */
  TUTTI_TIMEOUT = 3,     /* the deadline passed; the communicator is unusable */
  TUTTI_PEER_FAILED = 4, /* a rank died or froze; the communicator is unusable */
  TUTTI_NO_MEMORY = 5,   /* memory or another resource of this machine is used up; from a
                            collective call: on some rank, and the communicator is unusable */
  TUTTI_UNSUPPORTED = 6, /* valid, but not offered for these arguments */
  TUTTI_SYSTEM = 7,      /* the operating system refused something */
  TUTTI_NOT_FOUND = 8,   /* no such entry (tutti_candidate past the end, an unknown algorithm) */
  TUTTI_INTERNAL = 9,    /* a defect in Tutti */
  TUTTI_OP_FAILED = 10   /* an op's function threw an exception, or left by longjmp(), on some rank;
                            the communicator is unusable */
};

/** The name of a status, e.g. "TUTTI_INVALID"; never NULL. */
const char *tutti_status_name(tutti_status status);

/* ---- Types and operations ----------------------------------------------------------------- */

typedef int32_t tutti_dtype;

enum {
  TUTTI_I8 = 0,
  TUTTI_U8 = 1,
  TUTTI_I32 = 2,
  TUTTI_U32 = 3,
  TUTTI_I64 = 4,
  TUTTI_U64 = 5,
  TUTTI_F16 = 6, /* IEEE 754 binary16 */
  TUTTI_F32 = 7,
  TUTTI_F64 = 8,
  TUTTI_BF16 = 9,
  TUTTI_F8E4M3 = 10,  /* OCP 8-bit: no infinity, NaN is S.1111.111, saturates at 448 */
  TUTTI_F8E5M2 = 11,  /* OCP 8-bit: IEEE-like, overflows to infinity */
  TUTTI_F32_I32 = 12, /* 8 bytes: a float and the int32_t that is its index */
  TUTTI_F64_I32 = 13  /* 16 bytes: a double, its int32_t index, 4 bytes of padding */
};

/** Bytes of one element; 0 for an unknown dtype. */
size_t tutti_dtype_size(tutti_dtype dtype);

/** A reduction operation: predefined, or created on a communicator. 0 is never valid. */
typedef uint64_t tutti_op;

/* 8- and 16-bit floats accumulate in f32 and are rounded once per reduction step. Integers wrap
 * around. Avg is the sum divided by the number of ranks, integers rounding towards zero. Min and
 * max of floats: a NaN in any input gives NaN. Bitwise operations take integers only. Min and max
 * with index take pairs of a value and its index, and pairs no other op but one from
 * tutti_op_create(): they give the pair with the least or greatest value, of equal values the one
 * with the lower index; a NaN comes before every value, of several the one with the lower index.
 * The padding of what several pairs combine to is zero. */
#define TUTTI_SUM ((tutti_op)1)
#define TUTTI_PROD ((tutti_op)2)
#define TUTTI_MIN ((tutti_op)3)
#define TUTTI_MAX ((tutti_op)4)
#define TUTTI_AVG ((tutti_op)5)
#define TUTTI_BAND ((tutti_op)6)
#define TUTTI_BOR ((tutti_op)7)
#define TUTTI_BXOR ((tutti_op)8)
#define TUTTI_MIN_INDEX ((tutti_op)9)
#define TUTTI_MAX_INDEX ((tutti_op)10)

/* ---- Communicators ------------------------------------------------------------------------ */

typedef struct tutti_comm tutti_comm;

/** How to join a world. Fields left at their TUTTI_CONFIG_INIT value come from the environment
 *  (`tutti env` lists the variables), and else from the defaults named here. */
typedef struct tutti_config {
  size_t struct_size;
  int32_t rank;             /* 0 … size-1; -1: from the environment */
  int32_t size;             /* ranks in the world; -1: from the environment */
  const char *address;      /* the world's name on this host, any text: ranks with the same address
                               meet. Threads of one process that are ranks give one too. */
  int64_t start_timeout_ms; /* how long to wait for the other ranks; -1: 60 s */
  int64_t call_timeout_ms;  /* deadline of a call without one of its own; -1: 30 min */
} tutti_config;

#define TUTTI_CONFIG_INIT \
  { sizeof(tutti_config), -1, -1, NULL, -1, -1 }

/** Joins the world and stores the communicator of all its ranks. Collective; blocks until every
 *  rank has arrived. NULL config: everything from the environment; a program started alone is a
 *  world of one. In a world of several ranks the process afterwards lets others of the same user
 *  read its memory (PR_SET_PTRACER_ANY; not with TUTTI_CROSS_MEMORY=0), and its soft limit of
 *  descriptors is raised where it is too low for the world. Errors: TUTTI_INVALID (contradictory
 *  rank, size, address), TUTTI_TIMEOUT (names the missing ranks), TUTTI_SYSTEM, TUTTI_NO_MEMORY. */
tutti_status tutti_start(tutti_comm **comm, const tutti_config *config);

/** Leaves the world and frees the communicator, its ops, and the memory from tutti_alloc().
 *  Call it on every rank, after the last call; it does not wait for the other ranks to do so.
 *  NULL is allowed. Errors: TUTTI_INVALID (calls are in flight, a group is open, or communicators
 *  made from this one are in use: nothing was done); TUTTI_MISMATCH (another rank found that the
 *  last calls differed; the communicator is gone all the same). */
tutti_status tutti_finish(tutti_comm *comm);

/** Stores this rank, 0 … size-1. */
tutti_status tutti_rank(const tutti_comm *comm, int32_t *rank);

/** Stores the number of ranks. */
tutti_status tutti_size(const tutti_comm *comm, int32_t *size);

/** The colour of a rank that is to be in no communicator. */
#define TUTTI_NO_COLOUR (-1)

/** Stores a communicator of the ranks that gave the same `colour` (0 or more), numbered in the
 *  order of `key`, of equal keys in that of their ranks; NULL for a rank that gave TUTTI_NO_COLOUR.
 *  It has ops of its own, and may be used by another thread than `comm` at the same time. The
 *  memory of tutti_alloc() serves all communicators that come from one tutti_start(); errors name
 *  ranks by their numbers in its world, and a failure of one makes all of them unusable.
 *  Collective; blocks. Errors: TUTTI_INVALID, TUTTI_NO_MEMORY (on every rank), and those of
 *  tutti_all_gather(). */
tutti_status tutti_comm_split(tutti_comm **child, int32_t colour, int32_t key, tutti_comm *comm);

/** Stores a communicator of the same ranks in the same order, whose calls are independent of those
 *  of `comm`. Otherwise as tutti_comm_split(). */
tutti_status tutti_comm_duplicate(tutti_comm **child, tutti_comm *comm);

/** Frees a communicator that was made from another one, and its ops. Call it on every rank, after
 *  the last call; it does not wait for the other ranks. NULL is allowed. Errors: TUTTI_INVALID
 *  (calls are in flight, or a group is open). */
tutti_status tutti_comm_free(tutti_comm *comm);

/** The last failure on `comm`, or, for NULL, of any call of the calling thread. Names rank, call,
 *  peer and cause. Never NULL; valid until the next call on `comm` (by this thread). */
const char *tutti_error_text(const tutti_comm *comm);

/** Stores the library's version, in the form of TUTTI_VERSION. */
tutti_status tutti_version(int32_t *version);

/* ---- Memory ------------------------------------------------------------------------------- */

/** Stores a pointer to `bytes` of registered memory, zeroed, aligned to a page: peers on this host
 *  read it directly, which is the fastest way to pass large arrays. Local, not collective. 0 bytes
 *  give a unique pointer. Errors: TUTTI_INVALID (bytes above PTRDIFF_MAX), TUTTI_NO_MEMORY,
 *  TUTTI_SYSTEM. */
tutti_status tutti_alloc(void **pointer, size_t bytes, tutti_comm *comm);

/** Gives memory from tutti_alloc() back. NULL is allowed. Errors: TUTTI_INVALID (not a pointer
 *  from tutti_alloc() on this rank's world, or freed already). */
tutti_status tutti_free(void *pointer, tutti_comm *comm);

/* ---- Operations created at run time ------------------------------------------------------- */

/** Creates an op that sums `scalar` x input over the ranks; `scalar` points to one element of
 *  `dtype` and is read now. Each rank may give a scalar of its own. The op is valid for `dtype` on
 *  `comm` only. Every rank must create its ops in the same order. Errors: TUTTI_INVALID. */
tutti_status tutti_op_create_pre_scaled(tutti_op *op, const void *scalar, tutti_dtype dtype,
                                        tutti_comm *comm);

/** Combines `count` elements, 1 or more: inout[e] = in[e] op inout[e]. If the op does not commute,
 *  `in` is what lower ranks than those of `inout` gave. Both are aligned to 64 bytes, and valid
 *  during the call only. */
typedef void (*tutti_op_function)(const void *in, void *inout, size_t count, tutti_dtype dtype,
                                  void *context);

/** Creates an op that combines elements of any dtype by calling `function` with `context`. It must
 *  be associative; where that is so but for rounding, the order of operations depends on the
 *  algorithm, as that of a sum does. commutative 0: operands keep the order of their ranks, and
 *  only algorithms that keep it serve; 1: Tutti may change it.
 *  The function is called many times in a call, for some of the elements each, by whichever thread
 *  is in a call of any communicator from the same tutti_start(). It must not call Tutti, but for
 *  tutti_rank(), tutti_size(), tutti_version(), tutti_status_name() and tutti_dtype_size(): other
 *  calls are refused there. If it throws a C++ exception or leaves by longjmp(), the call fails
 *  with TUTTI_OP_FAILED on all ranks; after a longjmp() not before this thread's next call.
 *  The op is valid on `comm` only. Every rank must create its ops in the same order. Errors:
 *  TUTTI_INVALID. */
tutti_status tutti_op_create(tutti_op *op, tutti_op_function function, void *context,
                             int32_t commutative, tutti_comm *comm);

/** Frees an op. Errors: TUTTI_INVALID (predefined, unknown, or freed already). */
tutti_status tutti_op_free(tutti_op op, tutti_comm *comm);

/** Replays a reproducible call (options->reproducible) of `size` ranks in one thread: combines
 *  inputs[0] … inputs[size - 1], the ranks' inputs of `count` elements each, and leaves in `result`
 *  the same bits as the call would. `op` is a predefined one. `result` may be one of the inputs,
 *  and overlaps no other. May be called at any time from any thread. Errors: TUTTI_INVALID. */
tutti_status tutti_replay_reduce(const void *const *inputs, void *result, size_t count,
                                 tutti_dtype dtype, tutti_op op, int32_t size);

/* ---- Collectives -------------------------------------------------------------------------- */

/** A call that is in flight, or prepared: see Requests. */
typedef struct tutti_request tutti_request;

/** Options of one call. */
typedef struct tutti_options {
  size_t struct_size;
  const char *algorithm;   /* as printed by `tutti perf`, e.g. "ring"; NULL: Tutti chooses. The same
                              on every rank. */
  int64_t timeout_ms;      /* deadline of this call; -1: the communicator's */
  tutti_request **request; /* NULL: the call blocks. Otherwise it returns at once, and its request
                              is stored there. On all ranks or on none. */
  int32_t persistent;      /* 1: with a request; the call is only prepared */
  int32_t reproducible;    /* 1: the bits of a reduction depend on the inputs and their ranks alone,
                              not on algorithm, count or machine: operands combine in a balanced
                              tree, rounded to the dtype at every node. The same on every rank.
                              0: as TUTTI_REPRODUCIBLE says */
} tutti_options;

#define TUTTI_OPTIONS_INIT \
  { sizeof(tutti_options), NULL, -1, NULL, 0, 0 }

/** Combines `count` elements of `send` over all ranks with `op`, and leaves the result in `recv` on
 *  each: the same bits everywhere. In place if send == recv; otherwise the two must not overlap.
 *  Blocks until recv is complete and send may be changed. Errors: TUTTI_INVALID, TUTTI_NOT_FOUND
 *  (algorithm), TUTTI_MISMATCH, TUTTI_TIMEOUT, TUTTI_PEER_FAILED, TUTTI_NO_MEMORY,
 *  TUTTI_OP_FAILED (an op of tutti_op_create()). */
tutti_status tutti_all_reduce(const void *send, void *recv, size_t count, tutti_dtype dtype,
                              tutti_op op, tutti_comm *comm, const tutti_options *options);

/** Copies `count` elements of `send` on rank `root` to `recv` on every rank, root included. `send`
 *  is read on the root only and may be NULL elsewhere. In place if send == recv. Blocks until recv
 *  is complete and send may be changed. Errors: as tutti_all_reduce(). A root waits for nobody: if
 *  the ranks disagree about it, some may learn of the mismatch in a later call only. */
tutti_status tutti_broadcast(const void *send, void *recv, size_t count, tutti_dtype dtype,
                             int32_t root, tutti_comm *comm, const tutti_options *options);

/** Combines `count` elements of `send` over all ranks with `op`, and leaves the result in `recv` on
 *  rank `root`. `recv` is written on the root only and may be NULL elsewhere. In place if
 *  send == recv on the root. Blocks until recv is complete and send may be changed. Errors: as
 *  tutti_all_reduce(). */
tutti_status tutti_reduce(const void *send, void *recv, size_t count, tutti_dtype dtype,
                          tutti_op op, int32_t root, tutti_comm *comm,
                          const tutti_options *options);

/** Combines `send`, size blocks of `recv_count` elements, over all ranks with `op`, and leaves
 *  block r of the result in `recv` on rank r. In place if recv == send + rank * recv_count;
 *  otherwise the two must not overlap. Blocks until recv is complete and send may be changed.
 *  Errors: as tutti_all_reduce(). */
tutti_status tutti_reduce_scatter(const void *send, void *recv, size_t recv_count,
                                  tutti_dtype dtype, tutti_op op, tutti_comm *comm,
                                  const tutti_options *options);

/** Gathers `send_count` elements of `send` of every rank in `recv` on each rank: size blocks of
 *  `send_count` elements, in rank order. In place if send == recv + rank * send_count; otherwise
 *  the two must not overlap. Blocks until recv is complete and send may be changed. Errors: as
 *  tutti_all_reduce(). */
tutti_status tutti_all_gather(const void *send, void *recv, size_t send_count, tutti_dtype dtype,
                              tutti_comm *comm, const tutti_options *options);

/** As tutti_all_gather(), but on rank `root` only; elsewhere `recv` may be NULL. */
tutti_status tutti_gather(const void *send, void *recv, size_t send_count, tutti_dtype dtype,
                          int32_t root, tutti_comm *comm, const tutti_options *options);

/** Gives every rank its block of `send` on rank `root`, size blocks of `recv_count` elements in
 *  rank order: block r to `recv` on rank r. `send` is read on the root only and may be NULL
 *  elsewhere. In place if recv == send + root * recv_count on the root. Blocks until recv is
 *  complete and send may be changed. Errors: as tutti_all_reduce(). */
tutti_status tutti_scatter(const void *send, void *recv, size_t recv_count, tutti_dtype dtype,
                           int32_t root, tutti_comm *comm, const tutti_options *options);

/** Exchanges blocks of `count` elements: block d of `send` on rank s becomes block s of `recv` on
 *  rank d. Both are size blocks long and must not overlap. Blocks until recv is complete and send
 *  may be changed. Errors: as tutti_all_reduce(). */
tutti_status tutti_all_to_all(const void *send, void *recv, size_t count, tutti_dtype dtype,
                              tutti_comm *comm, const tutti_options *options);

/** Combines `count` elements of `send` of ranks 0 … r with `op`, in rank order, and leaves the
 *  result in `recv` on each rank r. In place if send == recv; otherwise the two must not overlap.
 *  Blocks until recv is complete and send may be changed. Errors: as tutti_all_reduce();
 *  TUTTI_INVALID for TUTTI_AVG. */
tutti_status tutti_scan(const void *send, void *recv, size_t count, tutti_dtype dtype, tutti_op op,
                        tutti_comm *comm, const tutti_options *options);

/** As tutti_scan(), but without rank r's own elements: of ranks 0 … r-1. What rank 0 finds in
 *  `recv` is undefined. */
tutti_status tutti_exclusive_scan(const void *send, void *recv, size_t count, tutti_dtype dtype,
                                  tutti_op op, tutti_comm *comm, const tutti_options *options);

/** Returns when every rank has entered the call. Errors: as tutti_all_reduce(). */
tutti_status tutti_barrier(tutti_comm *comm, const tutti_options *options);

/* ---- Messages ------------------------------------------------------------------------------ */

/** Sends `count` elements of `send` to rank `to`, which may be this one. Messages from one rank to
 *  another are received in the order in which they were sent; collective calls do not matter to
 *  it. Blocks until `send` may be changed, which may be when the receiver has read it: two ranks
 *  that both send first wait for each other, unless they use tutti_send_recv(), a group or
 *  requests. Errors: TUTTI_INVALID, TUTTI_MISMATCH (the receiver gave another count or dtype),
 *  TUTTI_TIMEOUT, TUTTI_PEER_FAILED, TUTTI_NO_MEMORY. */
tutti_status tutti_send(const void *send, size_t count, tutti_dtype dtype, int32_t to,
                        tutti_comm *comm, const tutti_options *options);

/** Receives the next message of rank `from`, `count` elements, in `recv`. Blocks until it is
 *  there. Errors: as tutti_send(). */
tutti_status tutti_recv(void *recv, size_t count, tutti_dtype dtype, int32_t from, tutti_comm *comm,
                        const tutti_options *options);

/** tutti_send() and tutti_recv() at the same time. The buffers must not overlap. Errors: as
 *  tutti_send(). */
tutti_status tutti_send_recv(const void *send, size_t send_count, int32_t to, void *recv,
                             size_t recv_count, int32_t from, tutti_dtype dtype, tutti_comm *comm,
                             const tutti_options *options);

/* ---- Requests ------------------------------------------------------------------------------ */

/* A call with options->request returns at once. Its buffers must stay, and those it sends must not
 * change, until its request is complete. Calls of a communicator begin in the order in which they
 * were made, on all ranks the same; four run at a time, and messages as many as there are. Calls
 * move when this rank is in tutti_test(), in tutti_wait() of any kind, or in any call that blocks,
 * of any communicator that comes from the same tutti_start(): so ranks may wait for requests of
 * several communicators in different orders. A request may be waited for by whoever may use its
 * communicator. What a call returns as an error, tutti_test() and tutti_wait() return. */

/** Stores whether the call is complete: then its request is gone, and a persistent one may be
 *  started again. Never blocks. Errors: those of the call; TUTTI_INVALID (not a request, or gone
 *  already). */
tutti_status tutti_test(tutti_request *request, int32_t *done);

/** Blocks until the call is complete; then its request is gone, and a persistent one may be started
 *  again. Errors: as tutti_test(). */
tutti_status tutti_wait(tutti_request *request);

/** Waits for all of `count` requests. NULLs among them are skipped; those that are gone are set to
 *  NULL, persistent ones stay. Errors: as tutti_test(), of the first that fails; those after it
 *  have not been waited for. */
tutti_status tutti_wait_all(tutti_request **requests, size_t count);

/** Waits until any of `count` requests is complete, and stores which one. NULLs among them are
 *  skipped; the one that is gone is set to NULL. Errors: as tutti_test(); TUTTI_NOT_FOUND (all are
 *  NULL). */
tutti_status tutti_wait_any(tutti_request **requests, size_t count, size_t *index);

/** Starts the call of a persistent request once more: with the same buffers, and nothing left to
 *  check or to look up. Collective, as its call. Errors: TUTTI_INVALID (not persistent, or in
 *  flight). */
tutti_status tutti_request_start(tutti_request *request);

/** Frees a persistent request. Errors: TUTTI_INVALID (in flight). */
tutti_status tutti_request_free(tutti_request *request);

/** Opens a group: the calls that follow on `comm` do nothing yet. tutti_group_end() makes them all
 *  at the same time. Errors: TUTTI_INVALID (a group is open). */
tutti_status tutti_group_start(tutti_comm *comm);

/** Makes the calls of the group, all at the same time: messages cannot wait for each other
 *  whatever their order, and all_reduces of up to 4 KiB that follow each other, among the
 *  collective calls, and have the same dtype, op and algorithm are fused into one. Blocks until all
 *  are complete; with options->request, the request stands for all of them. Errors: those of the
 *  calls; TUTTI_INVALID (no group is open). */
tutti_status tutti_group_end(tutti_comm *comm, const tutti_options *options);

/* ---- What Tutti would do ------------------------------------------------------------------ */

typedef int32_t tutti_collective;

enum {
  TUTTI_ALL_REDUCE = 0,
  TUTTI_BROADCAST = 1,
  TUTTI_BARRIER = 2,
  TUTTI_REDUCE = 3,
  TUTTI_REDUCE_SCATTER = 4,
  TUTTI_ALL_GATHER = 5,
  TUTTI_GATHER = 6,
  TUTTI_SCATTER = 7,
  TUTTI_ALL_TO_ALL = 8,
  TUTTI_SCAN = 9,
  TUTTI_EXCLUSIVE_SCAN = 10
};

/** One algorithm that could serve a call. */
typedef struct tutti_candidate_info {
  size_t struct_size;
  const char *name;   /* name[/key=value…]; lives as long as the communicator */
  double predicted_s; /* back-to-back seconds per call, from the price of its plan */
  int32_t chosen;     /* 1 for the one that a call without options->algorithm runs */
} tutti_candidate_info;

#define TUTTI_CANDIDATE_INFO_INIT \
  { sizeof(tutti_candidate_info), NULL, 0.0, 0 }

/** Fills `info` for the index-th candidate of a call, in the order of the table of algorithms.
 *  Local: any rank may ask alone. Errors: TUTTI_NOT_FOUND past the last one, TUTTI_INVALID. */
tutti_status tutti_candidate(tutti_collective collective, size_t count, tutti_dtype dtype,
                             tutti_op op, tutti_comm *comm, size_t index,
                             tutti_candidate_info *info);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* TUTTI_TUTTI_H */
