/* The slice table on disk: one flat JSON object a line, the last line with a count and a checksum over all before it.
 * Written whole before any reply; the version before it stays as .prev. A file that does not check is never used in
 * part: it is put aside under another name, the previous one is taken, and the note says so. */

#include "state/slice_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "hash.h"
#include "json.h"
#include "region.h"
#include "state/slice.h"
#include "state/slice_settings.h"
#include "state/undo.h"
#include "text.h"

#define STATE_NAME "slices.jsonl"
#define STATE_MAX_BYTES (4u << 20)
#define REVISION_MAX JSON_INTEGER_MAX

static void put_record(struct json_writer *w, const struct slice_record *r)
{
    json_put_text(w, "id", r->id);
    json_put_text(w, "name", r->name);
    json_put_text(w, "gpuUuid", r->gpu_uuid);
    json_put_text(w, "owner", r->owner);
    json_put_integer(w, "ownerUid", r->owner_uid);
    json_put_text(w, "changedBy", r->changed_by);
    json_put_integer(w, "changedAtMs", r->changed_at_ms);
    json_put_integer(w, "createdAtMs", r->created_at_ms);
    slice_settings_put(w, r);
    json_put_integer(w, "shrinksFromBytes", (int64_t)r->shrinks_from_bytes);
    json_put_integer(w, "boardSlot", r->board_slot);
    json_put_integer(w, "generation", (int64_t)r->generation);
    json_put_text(w, "successor", slice_is_left(r) ? r->successor : NULL);
    json_put_integer(w, "revision", (int64_t)r->revision);
    json_put_bool(w, "deleted", r->deleted);
}

int slice_store_save(const struct slice_table *table, const char *directory)
{
    struct json_writer w;
    json_writer_init(&w, STATE_MAX_BYTES);
    json_open(&w, '{');
    json_put_text(&w, "kind", "tranche-slices");
    json_put_integer(&w, "format", STATE_FORMAT);
    json_put_integer(&w, "revision", (int64_t)table->revision);
    json_end_line(&w);
    for (size_t i = 0; i < table->count; i++) {
        json_open(&w, '{');
        json_put_text(&w, "kind", "slice");
        put_record(&w, &table->items[i]->r);
        json_end_line(&w);
    }
    for (size_t i = 0; i < table->undo_count; i++) {
        const struct undo_entry *entry = &table->undo[i];
        json_open(&w, '{');
        json_put_text(&w, "kind", "undo");
        json_put_text(&w, "token", entry->token);
        json_put_integer(&w, "undoExpiresAtMs", entry->expires_at_ms);
        json_put_integer(&w, "afterRevision", (int64_t)entry->after_revision);
        put_record(&w, &entry->before);
        json_end_line(&w);
    }
    char sum[24];
    snprintf(sum, sizeof sum, "%016" PRIx64, w.failed ? 0 : hash_bytes(w.data, w.len));
    json_open(&w, '{');
    json_put_text(&w, "kind", "end");
    json_put_integer(&w, "lines", (int64_t)(1 + table->count + table->undo_count));
    json_put_text(&w, "checksum", sum);
    json_end_line(&w);
    int error = w.failed ? EFBIG : fs_write_atomic(directory, STATE_NAME, w.data, w.len, 0600, true);
    json_writer_free(&w);
    return error;
}

static bool take_text(const struct json_object *o, const char *key, char *out, size_t cap)
{
    const char *text;
    return json_get_text(o, key, &text) == 1 && text_copy(out, cap, text);
}

static bool take_integer(const struct json_object *o, const char *key, int64_t max, int64_t *out)
{
    return json_get_integer(o, key, 0, max, out) == 1;
}

static bool take_record(const struct json_object *o, struct slice_record *r)
{
    int64_t uid, shrinks, slot, revision;
    memset(r, 0, sizeof *r);
    bool ok = take_text(o, "id", r->id, sizeof r->id) && take_text(o, "name", r->name, sizeof r->name) &&
              take_text(o, "gpuUuid", r->gpu_uuid, sizeof r->gpu_uuid) &&
              take_text(o, "owner", r->owner, sizeof r->owner) &&
              take_text(o, "changedBy", r->changed_by, sizeof r->changed_by) && slice_settings_take(o, r) &&
              take_integer(o, "ownerUid", UINT32_MAX, &uid) &&
              take_integer(o, "shrinksFromBytes", JSON_INTEGER_MAX, &shrinks) &&
              take_integer(o, "boardSlot", REGION_BOARD_SLOTS - 1, &slot) &&
              take_integer(o, "revision", REVISION_MAX, &revision) &&
              take_integer(o, "createdAtMs", JSON_INTEGER_MAX, &r->created_at_ms) &&
              take_integer(o, "changedAtMs", JSON_INTEGER_MAX, &r->changed_at_ms) &&
              json_get_bool(o, "deleted", &r->deleted) == 1;
    /* Both came later than the format began. */
    int64_t generation = 0;
    const char *successor = "";
    ok = ok && json_get_integer(o, "generation", 0, JSON_INTEGER_MAX, &generation) >= 0 &&
         json_get_text(o, "successor", &successor) >= 0 && text_copy(r->successor, sizeof r->successor, successor) &&
         (!slice_is_left(r) || (r->deleted && text_is_slice_name(successor)));
    r->generation = (uint64_t)generation;
    /* The id becomes a file name: nothing but what we make ourselves. */
    if (!ok || strncmp(r->id, "s-", 2) != 0 || !text_is_slice_name(r->id) || !text_is_slice_name(r->name))
        return false;
    r->owner_uid = (uid_t)uid;
    r->shrinks_from_bytes = (uint64_t)shrinks;
    r->board_slot = (uint32_t)slot;
    r->revision = (uint64_t)revision;
    return true;
}

static bool take_undo(struct slice_table *table, const struct json_object *o, int64_t now_ms)
{
    struct slice_record before;
    char token[UNDO_TOKEN_BYTES];
    int64_t expires, after;
    if (!take_record(o, &before) || !take_text(o, "token", token, sizeof token) ||
        !take_integer(o, "undoExpiresAtMs", JSON_INTEGER_MAX, &expires) ||
        !take_integer(o, "afterRevision", REVISION_MAX, &after))
        return false;
    struct undo_entry *entry = undo_push(table, &before, (uint64_t)after, now_ms);
    if (!entry) return false;
    text_copy(entry->token, sizeof entry->token, token);
    /* A clock that was set back must not make a token live longer than promised from now. */
    entry->expires_at_ms = expires < now_ms + UNDO_LIFE_MS ? expires : now_ms + UNDO_LIFE_MS;
    return true;
}

/* Checks the last line against all before it; *body is their length. */
static bool check_end(char *data, size_t len, size_t *body, int64_t *lines)
{
    if (len == 0 || data[len - 1] != '\n') return false;
    size_t start = len - 1;
    while (start > 0 && data[start - 1] != '\n') start--;
    char line[256], kind[16], sum[24], expected[24];
    size_t n = len - 1 - start;
    if (n >= sizeof line) return false;
    memcpy(line, data + start, n);
    line[n] = '\0';
    struct json_object o;
    if (json_parse_flat(line, n, &o, NULL) != 0 || !take_text(&o, "kind", kind, sizeof kind) ||
        strcmp(kind, "end") != 0 || !take_text(&o, "checksum", sum, sizeof sum) ||
        !take_integer(&o, "lines", INT32_MAX, lines))
        return false;
    snprintf(expected, sizeof expected, "%016" PRIx64, hash_bytes(data, start));
    *body = start;
    return strcmp(sum, expected) == 0;
}

static bool take_line(struct slice_table *table, char *line, size_t len, int64_t number, int64_t now_ms)
{
    struct json_object o;
    struct slice_record record;
    char kind[24];
    int64_t revision, format;
    if (json_parse_flat(line, len, &o, NULL) != 0 || !take_text(&o, "kind", kind, sizeof kind)) return false;
    if (number == 0) {
        if (strcmp(kind, "tranche-slices") != 0 || !take_integer(&o, "format", STATE_FORMAT, &format) ||
            !take_integer(&o, "revision", REVISION_MAX, &revision))
            return false;
        table->revision = (uint64_t)revision;
        return true;
    }
    if (strcmp(kind, "slice") == 0) return take_record(&o, &record) && slice_add(table, &record);
    if (strcmp(kind, "undo") == 0) return take_undo(table, &o, now_ms);
    return false;
}

static bool parse_state(struct slice_table *table, char *data, size_t len, int64_t now_ms)
{
    size_t body;
    int64_t lines, number = 0;
    if (!check_end(data, len, &body, &lines)) return false;
    for (size_t at = 0; at < body; number++) {
        size_t n = strcspn(data + at, "\n");
        data[at + n] = '\0';
        if (!take_line(table, data + at, n, number, now_ms)) return false;
        at += n + 1;
    }
    return number == lines;
}

/* 0: loaded; ENOENT: no such file; EBADMSG: broken; others: could not be read. */
static int load_one(struct slice_table *table, const char *path, int64_t now_ms)
{
    char *data;
    size_t len;
    int error = fs_read_file(path, STATE_MAX_BYTES, &data, &len);
    if (error != 0) return error == EFBIG ? EBADMSG : error;
    bool ok = parse_state(table, data, len, now_ms);
    free(data);
    if (!ok) slice_table_free(table);
    return ok ? 0 : EBADMSG;
}

int slice_store_load(struct slice_table *table, const char *directory, int64_t now_ms)
{
    char path[FS_PATH_BYTES], prev[FS_PATH_BYTES], aside[FS_PATH_BYTES];
    memset(table, 0, sizeof *table);
    if (fs_join(path, directory, STATE_NAME) != 0 || fs_join(prev, directory, STATE_NAME ".prev") != 0)
        return ENAMETOOLONG;
    int error = load_one(table, path, now_ms);
    if (error == 0) return 0;
    if (error != ENOENT && error != EBADMSG) return error;
    bool broken = error == EBADMSG;
    if (broken) {
        int n = snprintf(aside, sizeof aside, "%s.broken-%lld", path, (long long)now_ms);
        if (n >= (int)sizeof aside || rename(path, aside) != 0) return EBADMSG;
    }
    error = load_one(table, prev, now_ms);
    if (error == 0) {
        snprintf(table->note, sizeof table->note,
                 "The state file was %s; the version before the last edit is in force. Check the slices' limits.",
                 broken ? "damaged and was put aside" : "missing");
        /* Revisions given out by the lost edit must not be given out again. */
        table->revision++;
        return 0;
    }
    if (error != ENOENT && error != EBADMSG) return error;
    if (error == EBADMSG) {
        int n = snprintf(aside, sizeof aside, "%s.broken-%lld", prev, (long long)now_ms);
        if (n >= (int)sizeof aside || rename(prev, aside) != 0) return EBADMSG;
    }
    if (broken || error == EBADMSG) {
        snprintf(
            table->note, sizeof table->note,
            "The state file and its previous version were damaged and put aside; the host starts without slices.");
    }
    return 0;
}
