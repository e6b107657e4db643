/* What a library must offer to be measured by bench.c. One file a library implements it; everything
 * that is timed, counted or checked is in bench.c and meet.c, and so the same for all. */
#ifndef PEERS_BACKEND_H
#define PEERS_BACKEND_H

#include <stddef.h>

/* Joins the world; stores rank and size. Ends the process with a message on failure. */
void backend_start(int *argc, char ***argv, int *rank, int *size);

/* Memory that the library likes best (registered), zeroed, or NULL if it has none. */
void *backend_alloc(size_t bytes);
void backend_free(void *memory);

/* Sums `count` floats of `in` over all ranks into `out`. */
void backend_all_reduce(const float *in, float *out, size_t count);

void backend_finish(void);

#endif
