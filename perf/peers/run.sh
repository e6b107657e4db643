#!/bin/bash
# Compares Tutti with Debian's Open MPI and MPICH: builds one benchmark three times, once per
# library, and lets compare.py run them in turns. Usually started by `./tutti-dev peers`.
#   perf/peers/run.sh [--build DIR] [options of compare.py]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$top/build
if [ "${1:-}" = --build ]; then
  build=$(cd "$2" && pwd)
  shift 2
fi
out=$build/peers
mkdir -p "$out"
flags=(-std=gnu11 -O2 -Wall -Wextra "-I$here" "-I$top/include")
common=("$here/bench.c" "$here/meet.c")

meson compile -C "$build" tutti:shared_library >&2
cc "${flags[@]}" "${common[@]}" "$here/tutti_backend.c" -o "$out/bench.tutti" \
  "-L$build" -ltutti "-Wl,-rpath,$build"
mpicc.openmpi "${flags[@]}" "${common[@]}" "$here/mpi_backend.c" -o "$out/bench.openmpi"
mpicc.mpich "${flags[@]}" "${common[@]}" "$here/mpi_backend.c" -o "$out/bench.mpich"
exec python3 "$here/compare.py" --build "$build" --benches "$out" "$@"
