#!/usr/bin/env python3
"""Builds and runs projects that find Tutti installed in an empty folder, or in its build folder.

usage: consumer_test.py pkg-config|cmake|uninstalled BUILD-DIR CC CXX SANITIZERS

pkg-config:  a C99 program, linked to the shared and to the static library.
cmake:       a C++ program by find_package(Tutti), over tutti.hpp, likewise.
uninstalled: the C99 program by pkg-config, linked to the shared library of the build folder.
The folder is not the prefix that the build was configured with: both must be relocatable.
"""

import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXPECTED = "consumer: the sum of one rank is right\n"


def run(*command, **more):
    print("+", shlex.join(map(str, command)), flush=True)
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=False,
                          timeout=120, **more)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with status {done.returncode}\n{done.stdout}")
    return done.stdout


def only(paths, what):
    paths = list(paths)
    if len(paths) != 1:
        sys.exit(f"{len(paths)} files instead of one: {what}")
    return paths[0]


def install(build, folder):
    """Returns the library folder of the installed tree."""
    run("meson", "install", "-C", build, "--no-rebuild", "--destdir", folder / "staged")
    root = folder / "moved"
    staged = only((folder / "staged").rglob("tutti.h"), "tutti.h").parents[2]
    staged.rename(root)
    headers = sorted(path.name for path in (root / "include").rglob("*") if path.is_file())
    if headers != ["owners.hpp", "tutti.h", "tutti.hpp"]:
        sys.exit(f"installed headers: {headers}")
    return only(root.rglob("libtutti.a"), "libtutti.a").parent


def run_consumer(program, libdir):
    output = run(program, env={**os.environ, "LD_LIBRARY_PATH": str(libdir)})
    if output != EXPECTED:
        sys.exit(f"{program} says {output!r}")


def linked_to_shared(program):
    return "libtutti.so.0" in run("readelf", "--dynamic", program)


def expect_linkage(program, shared):
    if linked_to_shared(program) != shared:
        sys.exit(f"{program} is {'not ' if shared else ''}linked to libtutti.so.0")


STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]


def pkg_config(path, *arguments):
    environment = {**os.environ, "PKG_CONFIG_PATH": str(path)}
    return shlex.split(run("pkg-config", *arguments, "tutti", env=environment))


def with_pkg_config(folder, libdir, compiler, flags):
    path = libdir / "pkgconfig"
    compile_flags = [*STRICT, *flags, *pkg_config(path, "--cflags")]
    for kind, libraries in (
            ("shared", pkg_config(path, "--libs")),
            ("static", ["-l:libtutti.a" if word == "-ltutti" else word
                        for word in pkg_config(path, "--libs", "--static")])):
        program = folder / f"consumer_{kind}"
        run(compiler, *compile_flags, HERE / "consumer/consumer.c", "-o", program, *libraries)
        expect_linkage(program, kind == "shared")
        run_consumer(program, libdir)


def with_build_folder(folder, build, compiler, flags):
    program = folder / "consumer"
    run(compiler, *STRICT, *flags, HERE / "consumer/consumer.c", "-o", program,
        *pkg_config(f"{build}/meson-uninstalled", "--cflags", "--libs"))
    expect_linkage(program, shared=True)
    run_consumer(program, build)


def with_cmake(folder, libdir, compiler, flags):
    build = folder / "cmake"
    run("cmake", "-S", HERE / "consumer", "-B", build, f"-DCMAKE_CXX_COMPILER={compiler}",
        f"-DCMAKE_CXX_FLAGS={shlex.join(flags)}", f"-DTutti_DIR={libdir}/cmake/Tutti")
    run("cmake", "--build", build)
    for kind in ("tutti", "tutti_static"):
        program = build / f"consumer_{kind}"
        expect_linkage(program, kind == "tutti")
        run_consumer(program, libdir)


def main(how, build, c_compiler, cpp_compiler, sanitizers):
    flags = [] if sanitizers == "none" else [f"-fsanitize={sanitizers}"]
    with tempfile.TemporaryDirectory(prefix="tutti-consumer-") as name:
        folder = pathlib.Path(name)
        if how == "uninstalled":
            with_build_folder(folder, build, c_compiler, flags)
        elif how == "cmake":
            with_cmake(folder, install(build, folder), cpp_compiler, flags)
        else:
            with_pkg_config(folder, install(build, folder), c_compiler, flags)


if __name__ == "__main__":
    main(*sys.argv[1:])
