#include "rm_book.h"

#include <stdlib.h>

#define NONE UINT32_MAX

/* The first RM_BOOK_OWNERS_MAX of the table are the owners, and the roots of all trees; below them stand clients. */
struct object {
    uint32_t owner, client, handle;
    uint32_t parent, first_child, next, previous; /* in the tree */
    uint32_t chain;                               /* the next with the same hash, or the next free one */
    uint32_t same;                                /* ring of the objects that name the same memory */
    int file;                                     /* of a client */
    uint64_t bytes; /* counted here; in a ring the memory that was freed by its first name goes to another one */
};

struct rm_book {
    uint32_t capacity, high, count, free;
    uint32_t bucket_mask;
    uint32_t *buckets;
    uint64_t sum, peak;
    uint64_t owner_bytes[RM_BOOK_OWNERS_MAX];
    struct object objects[];
};

static void clear(struct object *object)
{
    *object = (struct object){.parent = NONE, .first_child = NONE, .next = NONE, .previous = NONE, .chain = NONE};
}

struct rm_book *rm_book_new(uint32_t objects_max)
{
    uint32_t capacity = RM_BOOK_OWNERS_MAX + objects_max;
    uint32_t buckets = 1;
    while (buckets < objects_max) buckets *= 2;
    /* Pages that are not touched take no memory. */
    struct rm_book *book = calloc(1, sizeof *book + capacity * sizeof(struct object));
    uint32_t *table = calloc(buckets, sizeof *table);
    if (!book || !table) {
        free(book);
        free(table);
        return NULL;
    }
    book->capacity = capacity;
    book->high = RM_BOOK_OWNERS_MAX;
    book->free = NONE;
    book->bucket_mask = buckets - 1;
    book->buckets = table;
    for (uint32_t i = 0; i < RM_BOOK_OWNERS_MAX; i++) {
        clear(&book->objects[i]);
        book->objects[i].same = i;
    }
    return book;
}

void rm_book_delete(struct rm_book *book)
{
    if (book) {
        free(book->buckets);
        free(book);
    }
}

/* Buckets hold an index plus one, so that a table of zeros is empty. */
static uint32_t *bucket_of(const struct rm_book *book, uint32_t client, uint32_t handle)
{
    uint64_t mixed = ((uint64_t)client << 32 | handle) * UINT64_C(0x9e3779b97f4a7c15);
    return &book->buckets[(mixed >> 32) & book->bucket_mask];
}

static uint32_t first_in(const struct rm_book *book, uint32_t client, uint32_t handle)
{
    return *bucket_of(book, client, handle) - 1; /* 0 becomes NONE */
}

/* Whether there is one object of that name, several or none, and the first that was met. An owner of NONE: anybody's. */
static uint32_t find(const struct rm_book *book, uint32_t owner, uint32_t client, uint32_t handle, unsigned *count_out)
{
    uint32_t found = NONE;
    *count_out = 0;
    for (uint32_t i = first_in(book, client, handle); i != NONE && handle != 0; i = book->objects[i].chain) {
        const struct object *object = &book->objects[i];
        if (object->client == client && object->handle == handle && (owner == NONE || object->owner == owner)) {
            found = i;
            ++*count_out;
        }
    }
    return found;
}

static void link_below(struct rm_book *book, uint32_t index, uint32_t parent)
{
    struct object *object = &book->objects[index];
    object->parent = parent;
    object->previous = NONE;
    object->next = book->objects[parent].first_child;
    if (object->next != NONE) book->objects[object->next].previous = index;
    book->objects[parent].first_child = index;
}

static void unlink_from_parent(struct rm_book *book, uint32_t index)
{
    struct object *object = &book->objects[index];
    if (object->previous != NONE)
        book->objects[object->previous].next = object->next;
    else
        book->objects[object->parent].first_child = object->next;
    if (object->next != NONE) book->objects[object->next].previous = object->previous;
}

/* NONE: the table is full. */
static uint32_t make(struct rm_book *book, const struct rm_book_name *name, uint32_t handle, uint32_t parent)
{
    uint32_t index = book->free;
    if (index != NONE)
        book->free = book->objects[index].chain;
    else if (book->high < book->capacity)
        index = book->high++;
    else
        return NONE;
    struct object *object = &book->objects[index];
    clear(object);
    object->owner = name->owner;
    object->client = name->client;
    object->handle = handle;
    object->same = index;
    object->file = name->file;
    if (handle != 0) { /* one without a name is looked up by nobody */
        uint32_t *bucket = bucket_of(book, name->client, handle);
        object->chain = *bucket - 1;
        *bucket = index + 1;
    }
    link_below(book, index, parent);
    book->count++;
    return index;
}

static void count_more(struct rm_book *book, uint32_t index, uint64_t bytes)
{
    book->objects[index].bytes += bytes;
    book->owner_bytes[book->objects[index].owner] += bytes;
    book->sum += bytes;
    book->peak = book->sum > book->peak ? book->sum : book->peak;
}

static void count_less(struct rm_book *book, uint32_t index, uint64_t bytes)
{
    book->objects[index].bytes -= bytes;
    book->owner_bytes[book->objects[index].owner] -= bytes;
    book->sum -= bytes;
}

static void leave_ring(struct rm_book *book, uint32_t index)
{
    struct object *object = &book->objects[index];
    uint64_t bytes = object->bytes;
    uint32_t heir = object->same;
    count_less(book, index, bytes);
    if (heir == index) return;
    uint32_t before = heir;
    while (book->objects[before].same != index) before = book->objects[before].same;
    book->objects[before].same = heir;
    count_more(book, heir, bytes);
}

static void leave_chain(struct rm_book *book, uint32_t index)
{
    const struct object *object = &book->objects[index];
    uint32_t *bucket = bucket_of(book, object->client, object->handle);
    if (*bucket == index + 1) {
        *bucket = object->chain + 1; /* NONE becomes 0 */
        return;
    }
    uint32_t before = *bucket - 1;
    while (book->objects[before].chain != index) before = book->objects[before].chain;
    book->objects[before].chain = object->chain;
}

/* One without children. */
static void drop(struct rm_book *book, uint32_t index)
{
    struct object *object = &book->objects[index];
    leave_ring(book, index);
    unlink_from_parent(book, index);
    if (object->handle != 0) leave_chain(book, index);
    object->chain = book->free;
    book->free = index;
    book->count--;
}

/* Leaves first, without recursion: a program may make a chain as deep as the table. keep: only what is below. */
static void drop_tree(struct rm_book *book, uint32_t top, bool keep)
{
    uint32_t at = top;
    for (;;) {
        while (book->objects[at].first_child != NONE) at = book->objects[at].first_child;
        if (at == top) break;
        uint32_t parent = book->objects[at].parent;
        drop(book, at);
        at = parent;
    }
    if (!keep) drop(book, top);
}

static uint32_t client_of(struct rm_book *book, const struct rm_book_name *name)
{
    unsigned count;
    uint32_t index = find(book, name->owner, name->client, name->client, &count);
    if (index == NONE) return make(book, name, name->client, name->owner);
    book->objects[index].file = book->objects[index].file < 0 ? name->file : book->objects[index].file;
    return index;
}

/* Where an object stands in the tree (B3). NONE: there is no room for its client. */
static uint32_t place_of(struct rm_book *book, const struct rm_book_name *name)
{
    unsigned count;
    uint32_t client = client_of(book, name);
    uint32_t parent = find(book, name->owner, name->client, name->parent, &count);
    return client == NONE || count != 1 ? client : parent;
}

uint64_t rm_book_growth(const struct rm_book *book, const struct rm_book_name *name, uint64_t bytes)
{
    unsigned count;
    uint32_t index = find(book, name->owner, name->client, name->object, &count);
    uint64_t held = index == NONE ? 0 : book->objects[index].bytes;
    return bytes > held ? bytes - held : 0;
}

bool rm_book_add(struct rm_book *book, const struct rm_book_name *name, uint64_t bytes, struct rm_book_note *note_out)
{
    uint64_t growth = rm_book_growth(book, name, bytes);
    unsigned count;
    uint32_t place = place_of(book, name);
    uint32_t index = find(book, name->owner, name->client, name->object, &count);
    bool is_new = index == NONE;
    *note_out = (struct rm_book_note){.object = NONE};
    if (place == NONE || growth > UINT64_MAX - book->sum) return false;
    if (name->object == name->client) return true; /* the driver has that name already, and makes nothing under it */
    if (is_new) {
        index = make(book, name, name->object, place);
    } else if (book->objects[index].parent != place) {
        /* B2. Not below `place`, which may stand below this one. */
        unlink_from_parent(book, index);
        link_below(book, index, client_of(book, name));
    }
    if (index == NONE) return false;
    count_more(book, index, growth);
    *note_out = (struct rm_book_note){.object = index, .growth_bytes = growth, .is_new = is_new};
    return true;
}

bool rm_book_dup(struct rm_book *book, const struct rm_book_name *name, uint32_t source_client, uint32_t source_object,
                 struct rm_book_note *note_out)
{
    /* Each of them may be the one that is meant, so the new name stands in the ring of each. */
    bool done = false;
    *note_out = (struct rm_book_note){.object = NONE};
    for (uint32_t i = first_in(book, source_client, source_object); i != NONE && source_object != 0;) {
        uint32_t next = book->objects[i].chain;
        if (book->objects[i].client == source_client && book->objects[i].handle == source_object) {
            uint32_t place = place_of(book, name);
            uint32_t index = place == NONE ? NONE : make(book, name, name->object, place);
            if (index == NONE) return false;
            book->objects[index].same = book->objects[i].same;
            book->objects[i].same = index;
            *note_out = (struct rm_book_note){.object = index, .is_new = true};
            done = true;
        }
        i = next;
    }
    return done || rm_book_add(book, name, 0, note_out);
}

void rm_book_undo(struct rm_book *book, const struct rm_book_note *note)
{
    if (note->object == NONE) return;
    if (note->is_new)
        drop_tree(book, note->object, false);
    else
        count_less(book, note->object, note->growth_bytes);
}

void rm_book_free(struct rm_book *book, uint32_t owner, uint32_t client, uint32_t object)
{
    unsigned count;
    for (uint32_t i = find(book, owner, client, object, &count); i != NONE;
         i = find(book, owner, client, object, &count))
        drop_tree(book, i, false);
}

void rm_book_end(struct rm_book *book, uint32_t owner)
{
    drop_tree(book, owner, true);
}

uint64_t rm_book_bytes(const struct rm_book *book)
{
    return book->sum;
}

uint64_t rm_book_peak_bytes(const struct rm_book *book)
{
    return book->peak;
}

uint64_t rm_book_owner_bytes(const struct rm_book *book, uint32_t owner)
{
    return book->owner_bytes[owner];
}

uint32_t rm_book_objects(const struct rm_book *book)
{
    return book->count;
}

bool rm_book_has_client(const struct rm_book *book, uint32_t owner, uint32_t client, int *file_out)
{
    unsigned count;
    uint32_t index = find(book, owner, client, client, &count);
    *file_out = index == NONE ? -1 : book->objects[index].file;
    return index != NONE;
}

size_t rm_book_owners(const struct rm_book *book, uint32_t client, uint32_t *owners, size_t max)
{
    size_t count = 0;
    for (uint32_t i = first_in(book, client, client); i != NONE && count < max; i = book->objects[i].chain)
        if (book->objects[i].client == client && book->objects[i].handle == client)
            owners[count++] = book->objects[i].owner;
    return count;
}

bool rm_book_next_client(const struct rm_book *book, uint32_t owner, uint32_t *at, uint32_t *client_out, int *file_out)
{
    /* `at` is the index of the last one plus one, so that 0 is before the first. */
    uint32_t index = *at == 0 ? book->objects[owner].first_child : book->objects[*at - 1].next;
    if (index == NONE) return false;
    *at = index + 1;
    *client_out = book->objects[index].client;
    *file_out = book->objects[index].file;
    return true;
}
