/* provenance.h – where a result comes from: data, program, machine.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_PROVENANCE_H
#define LEANN_PROVENANCE_H

#include "core/value.h"
#include "datasets/datasets.h"

/* {data: {train, test, neighbors: sha256, encoder: its identity, of a set of texts}, commit, dirty, version, compiler, flags, isa, cpu, processors, threads, blas, blas_threads,
 * libraries, system, date}: a new map. */
leann_value *leann_provenance(const leann_dataset *data, unsigned threads);

/* What builds indexes here: the sum of its sources, the compiler and the flags. Two programs of one name take the same time for a build. */
const char *leann_program(void);

/* One sha256 (64 hex digits) of the three: what a point's identity knows of its data. */
void leann_data_sha(const leann_dataset *data, char hex[65]);

#endif
