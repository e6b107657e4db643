"""`python -m tutti` prints what was found: the library, numpy, and the environment's world."""

import importlib.util
import os

import tutti
from tutti._library import library

WORLDS = (("TUTTI_RANK", "TUTTI_SIZE", "TUTTI_ADDR"), ("RANK", "WORLD_SIZE", "MASTER_ADDR"))


def world() -> str:
    """What the environment says of this process's place. `tutti env` says what it leads to."""
    for rank, size, address in WORLDS:
        if rank in os.environ and size in os.environ:
            return (f"rank {os.environ[rank]} of {os.environ[size]}, at "
                    f"{os.environ.get(address, 'no address')} ({rank}, {size}, {address})")
    return "rank 0 of 1 (no launcher's variables are set)"


def main() -> None:
    print(f"library  {tutti.library_path()} ({library.why})")
    print(f"version  {tutti.version()}")
    print(f"package  {os.path.dirname(tutti.__file__)}")
    numpy = importlib.util.find_spec("numpy")
    print("numpy    " + ("there" if numpy else "not there: alloc() and create_op() need it"))
    print(f"world    {world()}")


if __name__ == "__main__":
    main()
