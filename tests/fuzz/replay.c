/* replay.c – runs a fuzz target over every file of its corpus folder, so that what the fuzzer found stays found.
 *
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    uint8_t *data = malloc(1 << 24);
    size_t size = data ? fread(data, 1, 1 << 24, f) : 0;
    fclose(f);
    if (data) LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    DIR *folder = opendir(argv[1]);
    if (!folder) {
        fprintf(stderr, "no corpus at %s\n", argv[1]);
        return 1;
    }
    int files = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[4096];
        if (entry->d_name[0] == '.') continue;
        if (snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name) < (int)sizeof path) files += replay(path);
    }
    closedir(folder);
    printf("%d inputs replayed\n", files);
    return files > 0 ? 0 : 1;
}
