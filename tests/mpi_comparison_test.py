#!/usr/bin/env python3
"""Random calls in worlds of 1 to 8 ranks, made by Tutti and by Open MPI, and compared.

usage: mpi_comparison_test.py MPIRUN MPI_COMPARISON

TUTTI_MPI_CALLS is how many calls there are in all (20,000), TUTTI_SEED the seed (random). What it
prints before a world's result can be run by hand; to repeat one step, add its number twice.
"""

import os
import random
import shlex
import subprocess
import sys

RANKS = range(1, 9)
CALLS = int(os.environ.get("TUTTI_MPI_CALLS", "20000"))
SECONDS = 300  # one world; it takes a few

# Ranks as processes of this host, which share its cores; nothing that a container may refuse. The
# vectorised ops of Open MPI 4.1 saturate where 8-bit sums ought to wrap around: its plain ones.
SETTINGS = {
    "op": "^avx",
    "pml": "ob1",
    "btl": "self,vader",
    "btl_vader_single_copy_mechanism": "none",
    "mpi_yield_when_idle": "1",
}


def mpirun(program, ranks):
    words = [program, "-quiet", "--oversubscribe", "--bind-to", "none", "-np", str(ranks)]
    if os.geteuid() == 0:
        words.append("--allow-run-as-root")
    for name, value in SETTINGS.items():
        words += ["--mca", name, value]
    return words


def main(launcher, program):
    seed = os.environ.get("TUTTI_SEED") or str(random.getrandbits(32))
    print(f"seed {seed} (repeat with TUTTI_SEED={seed})")
    for ranks in RANKS:
        calls = -(-CALLS // len(RANKS))
        command = [*mpirun(launcher, ranks), program, seed, str(calls)]
        print(shlex.join(command), flush=True)
        done = subprocess.run(command, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"{ranks} ranks: failed (status {done.returncode})")


if __name__ == "__main__":
    main(*sys.argv[1:])
