/* How the ranks of a benchmark start together and compare notes: a file that all of them map, never
 * the library under test. */
#ifndef PEERS_MEET_H
#define PEERS_MEET_H

#include <stddef.h>

enum { kMostRanks = 64, kMostSamples = 1024 };

/* Maps `path`, an empty file made for this run. Ends the process with a message on failure. */
void meet_open(const char *path, int rank, int ranks);

/* Returns when all ranks have called it. Spins; yields and then sleeps where ranks share cores. */
void meet(void);

/* The same, asleep from the start: for long waits, in which other programs are measured. */
void meet_asleep(void);

/* Rank 0's bytes, on every rank; at most 256. */
void meet_agree(void *bytes, size_t length);

/* Everybody's number, by rank: the greatest, or the sum. */
double meet_greatest(double mine);
double meet_sum(double mine);

/* This rank's row of kMostSamples numbers, and any rank's (to be read between two meetings). */
double *meet_row(int rank);

/* A cache line between the cores of ranks 0 and 1, there and back, in nanoseconds: the best of some
 * batches. 0 with one rank or one core. */
double meet_line_ns(void);

double now_s(void);

#endif
