/* Any MPI. Errors end the process: MPI's default handler. */
#include <mpi.h>
#include <string.h>

#include "backend.h"

void backend_start(int *argc, char ***argv, int *rank, int *size) {
  MPI_Init(argc, argv);
  MPI_Comm_rank(MPI_COMM_WORLD, rank);
  MPI_Comm_size(MPI_COMM_WORLD, size);
}

void *backend_alloc(size_t bytes) {
  void *memory = NULL;
  MPI_Alloc_mem((MPI_Aint)bytes, MPI_INFO_NULL, &memory);
  memset(memory, 0, bytes);
  return memory;
}

void backend_free(void *memory) { MPI_Free_mem(memory); }

void backend_all_reduce(const float *in, float *out, size_t count) {
  MPI_Allreduce(in, out, (int)count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

void backend_finish(void) { MPI_Finalize(); }
