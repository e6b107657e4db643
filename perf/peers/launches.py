"""How each library's ranks are started: the settings that have proved best here, several for
Open MPI, of which the best counts in every cell."""

import os

VADER = ["--mca", "pml", "ob1", "--mca", "btl", "self,vader", "--mca",
         "btl_vader_single_copy_mechanism"]
# Debian's UCX refuses shared memory unless told that any transport and device will do.
UCX = ["--mca", "pml", "ucx", "--mca", "opal_common_ucx_tls", "any", "--mca",
       "opal_common_ucx_devices", "any", "-x", "UCX_TLS=self,sysv,posix,cma"]


def open_mpi(settings):
    """mpirun's words before the program: one rank a core, or yielding where they share cores."""

    def launch(ranks, cores, _build):
        words = ["mpirun.openmpi", "--allow-run-as-root", "-quiet", "-np", str(ranks)]
        if ranks <= cores:
            words += ["--bind-to", "core"]
        else:
            words += ["--bind-to", "none", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1"]
        return words + settings

    return launch


def mpich(ranks, cores, _build):
    return ["mpirun.mpich", "-np", str(ranks)] + (["-bind-to", "core"] if ranks <= cores else [])


def tutti(ranks, _cores, build):
    return [os.path.join(build, "tutti"), "run", "-n", str(ranks)]


# name -> (library, program, launcher, kinds of memory). "reg" is what the library likes best.
LAUNCHES = {
    "tutti": ("Tutti", "bench.tutti", tutti, ["reg", "page"]),
    "vader-cma": ("Open MPI", "bench.openmpi", open_mpi(VADER + ["cma"]), ["reg", "page"]),
    "vader-copy": ("Open MPI", "bench.openmpi", open_mpi(VADER + ["none"]), ["page"]),
    "ucx": ("Open MPI", "bench.openmpi", open_mpi(UCX), ["reg", "page"]),
    "mpich": ("MPICH", "bench.mpich", mpich, ["page"]),
}
