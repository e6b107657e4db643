/* A project outside Tutti, in C99: a world of one sums an array and finds it unchanged. */
#include <stdio.h>
#include <tutti/tutti.h>

static int failed(const char *what, const tutti_comm *comm) {
  fprintf(stderr, "%s: %s\n", what, tutti_error_text(comm));
  return 1;
}

int main(void) {
  const float send[3] = {1.0f, -2.5f, 1024.0f};
  float recv[3] = {0.0f, 0.0f, 0.0f};
  int32_t version = 0, size = 0;
  tutti_comm *comm = NULL;
  int i;

  if (tutti_version(&version) != TUTTI_OK) return failed("tutti_version", NULL);
  if (version != TUTTI_VERSION) {
    fprintf(stderr, "header %d, library %d\n", TUTTI_VERSION, (int)version);
    return 1;
  }
  if (tutti_start(&comm, NULL) != TUTTI_OK) return failed("tutti_start", NULL);
  if (tutti_size(comm, &size) != TUTTI_OK || size != 1) return failed("tutti_size", comm);
  if (tutti_all_reduce(send, recv, 3, TUTTI_F32, TUTTI_SUM, comm, NULL) != TUTTI_OK)
    return failed("tutti_all_reduce", comm);
  for (i = 0; i < 3; ++i) {
    if (recv[i] < send[i] || recv[i] > send[i]) {
      fprintf(stderr, "element %d: %g instead of %g\n", i, (double)recv[i], (double)send[i]);
      return 1;
    }
  }
  if (tutti_finish(comm) != TUTTI_OK) return failed("tutti_finish", NULL);
  printf("consumer: the sum of one rank is right\n");
  return 0;
}
