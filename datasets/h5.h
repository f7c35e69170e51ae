/* h5.h – what the files of this room that call libhdf5 share. Everything here runs in a guarded child.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_H5_H
#define LEANN_H5_H

#include "datasets/guard.h"

#include <hdf5.h>

/* What a dataset of a file is, as far as we care. */
typedef struct {
    char name[64];
    bool there, is_float, is_signed, is_text;
    bool direct;   /* contiguous, little-endian, aligned and inside the file: may be mapped at offset */
    uint32_t rank; /* 1 or 2; dims beyond are 1 */
    uint32_t size; /* bytes of an element */
    uint64_t dims[2], offset;
} leann_h5_shape;

/* Opens for reading without locks, following no link out of the file. */
hid_t leann_h5_file(leann_guard *g, const char *path);
/* Describes dataset name; one that is missing has there = false and is no error. Refuses what we cannot read (rank 0 or > 2,
 * compound types, storage in other files). */
leann_status leann_h5_describe(leann_guard *g, hid_t file, const char *name, uint64_t file_bytes, leann_h5_shape *out);
/* Reads all of it as memory type `as` and appends it to the spill file, in blocks of a few MB. */
leann_status leann_h5_spill(leann_guard *g, hid_t file, const leann_h5_shape *shape, hid_t as, uint64_t *offset);
/* A text attribute of the root, fixed or variable length; *out empty when it is absent or no text. */
leann_status leann_h5_word(leann_guard *g, hid_t file, const char *name, char *out, size_t bytes);
bool leann_h5_has_group(hid_t file, const char *name); /* in the file itself */
/* New attributes of the root; false: libhdf5 would not. */
bool leann_h5_put_text(hid_t file, const char *name, const char *text);
bool leann_h5_put_int(hid_t file, const char *name, int64_t number);

#endif
