/* rss.c – how much memory this process holds, as /proc/self tells it; O(1).
 *
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ctx.h"

leann_rss leann_rss_now(void)
{
    leann_rss now = {0};
    const struct {
        const char *name;
        uint64_t *bytes;
    } fields[] = {{"VmHWM:", &now.peak}, {"RssAnon:", &now.anon}};
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            size_t n = strlen(fields[i].name);
            if (!strncmp(line, fields[i].name, n)) *fields[i].bytes = strtoull(line + n, NULL, 10) * 1024;
        }
    if (f) fclose(f);
    return now;
}

void leann_rss_reset(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t written = write(fd, "5", 1);
    (void)written;
    close(fd);
}
