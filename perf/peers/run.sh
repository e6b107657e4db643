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
flags=(-std=c++20 -O2 -Wall -Wextra "-I$top" "-I$top/include" -DOMPI_SKIP_MPICXX
  -DMPICH_SKIP_MPICXX)
sources=("$here/bench.cpp" "$top"/perf/{board,cpus,line_probe,statistics}.cpp)

compile() { # COMPILER NAME SOURCE LINK-ARGUMENT...
  local compiler=$1 name=$2 own=$3
  shift 3
  "$compiler" "${flags[@]}" "${sources[@]}" "$here/$own" -o "$out/$name" -lfmt "$@"
}

# The benchmark links the library that users link; the program starts its ranks.
meson compile -C "$build" tutti:shared_library >&2
compile "${CXX:-c++}" bench.tutti tutti_backend.cpp "-L$build" -ltutti "-Wl,-rpath,$build" -pthread
compile mpicxx.openmpi bench.openmpi mpi_backend.cpp
compile mpicxx.mpich bench.mpich mpi_backend.cpp
exec python3 "$here/compare.py" --build "$build" --benches "$out" "$@"
