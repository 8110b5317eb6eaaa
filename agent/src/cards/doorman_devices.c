#include "cards/doorman_devices.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env.h"
#include "fs.h"
#include "gpu/gpu.h"
#include "text.h"

#define DEVICES_BYTES 16384 /* /proc/devices has a line for each driver; 2 KiB are usual */
#define DISPLAYS "/sys/class/drm"
#define DISPLAYS_MAX 512 /* entries of it that are looked at: nodes and their connectors */

static void add(struct guarded *out, unsigned major_number, unsigned minor_number, bool all, const char *name)
{
    if (out->count == GUARDED_MAX || major_number >= DOOR_MAJORS_MAX) {
        out->cut = true;
        return;
    }
    out->devices[out->count] = (struct door_device){major_number, minor_number, all};
    text_copy(out->names[out->count++], sizeof out->names[0], name);
}

void guarded_of_text(struct guarded *out, const char *text, const char *prefix)
{
    const char *end = strstr(text, "Block devices:");
    for (const char *line = text; line && line[0] && (!end || line < end);) {
        unsigned number;
        char name[64];
        /* One number has several names where a driver takes parts of it: guarding it once more does no harm. */
        if (sscanf(line, "%u %63s", &number, name) == 2 && strncmp(name, prefix, strlen(prefix)) == 0)
            add(out, number, 0, true, name);
        line = strchr(line, '\n');
        if (line) line++;
    }
}

bool guarded_of_list(struct guarded *out, const char *list)
{
    char copy[512], *rest = copy, *word;
    if (!text_copy(copy, sizeof copy, list)) return false;
    while ((word = strsep(&rest, ","))) {
        int64_t major_number, minor_number = 0;
        char *colon = strchr(word, ':');
        if (!colon) return false;
        *colon = '\0';
        bool all = strcmp(colon + 1, "*") == 0;
        if (text_parse_integer(word, 0, DOOR_MAJORS_MAX - 1, &major_number) != 0 ||
            (!all && text_parse_integer(colon + 1, 0, 0xfffff, &minor_number) != 0))
            return false;
        add(out, (unsigned)major_number, (unsigned)minor_number, all, "device");
    }
    return out->count > 0;
}

/* A node of /dev/dri counts where the driver of a GPU is behind it. */
static void add_display(struct guarded *out, const char *name, const char *driver)
{
    char path[FS_PATH_BYTES], link[FS_PATH_BYTES], number[32];
    unsigned major_number, minor_number;
    snprintf(path, sizeof path, DISPLAYS "/%s/device/driver", name);
    ssize_t n = readlink(path, link, sizeof link - 1);
    if (n <= 0) return;
    link[n] = '\0';
    const char *slash = strrchr(link, '/');
    if (!slash || strcmp(slash + 1, driver) != 0) return;
    snprintf(path, sizeof path, DISPLAYS "/%s/dev", name);
    if (fs_read_small(path, number, sizeof number) <= 0) return;
    if (sscanf(number, "%u:%u", &major_number, &minor_number) == 2) add(out, major_number, minor_number, false, name);
}

static void add_displays(struct guarded *out, const char *driver)
{
    DIR *folder = opendir(DISPLAYS);
    const struct dirent *entry;
    for (int i = 0; folder && i < DISPLAYS_MAX && (entry = readdir(folder)); i++) {
        /* card0 and renderD128; card0-DP-1 is a plug. */
        bool is_node = strncmp(entry->d_name, "card", 4) == 0 || strncmp(entry->d_name, "renderD", 7) == 0;
        if (is_node && !strchr(entry->d_name, '-') && strlen(entry->d_name) < 24)
            add_display(out, entry->d_name, driver);
    }
    if (folder) closedir(folder);
}

int guarded_find(struct guarded *out)
{
    char text[DEVICES_BYTES];
    const char *list = getenv(ENV_DOOR_DEVICES);
    memset(out, 0, sizeof *out);
    if (list) return guarded_of_list(out, list) ? 0 : EINVAL;
    if (fs_read_small("/proc/devices", text, sizeof text) <= 0) return errno != 0 ? errno : ENODATA;
    for (size_t i = 0; gpu_backends[i]; i++) {
        if (gpu_backends[i]->device_prefix) guarded_of_text(out, text, gpu_backends[i]->device_prefix);
        if (gpu_backends[i]->display_driver) add_displays(out, gpu_backends[i]->display_driver);
    }
    return out->cut ? E2BIG : 0;
}

bool guarded_has(const struct guarded *guarded, unsigned major_number, unsigned minor_number)
{
    for (size_t i = 0; i < guarded->count; i++) {
        const struct door_device *d = &guarded->devices[i];
        if (d->major_number == major_number && (d->all_minors || d->minor_number == minor_number)) return true;
    }
    return false;
}

bool guarded_same(const struct guarded *a, const struct guarded *b)
{
    bool same = a->count == b->count && a->cut == b->cut;
    for (size_t i = 0; same && i < a->count; i++) {
        const struct door_device *x = &a->devices[i], *y = &b->devices[i];
        same =
            x->major_number == y->major_number && x->minor_number == y->minor_number && x->all_minors == y->all_minors;
    }
    return same;
}

char *guarded_text(char *buf, size_t cap, const struct guarded *guarded, unsigned major_number, unsigned minor_number)
{
    const char *name = "device";
    for (size_t i = guarded->count; i-- > 0;) {
        const struct door_device *d = &guarded->devices[i];
        if (d->major_number == major_number && (d->all_minors || d->minor_number == minor_number))
            name = guarded->names[i];
    }
    snprintf(buf, cap, "%s %u:%u", name, major_number, minor_number);
    return buf;
}
