/* catalogue.h – what fetch needs of the catalogue.
 *
 * SPDX-License-Identifier: MIT */
#ifndef LEANN_CATALOGUE_H
#define LEANN_CATALOGUE_H

#include "datasets/datasets.h"

/* datasets/ of the repository around the working folder, or around the program. */
bool leann_dataset_repository(char out[1024]);

#endif
