/* What each process holds of the card, by the requests that it made: objects in their trees, and memory behind them.
 * Pure: knows numbers, not processes.
 *
 * An OWNER is a process, as the caller numbers them. An object belongs to the owner that asked for it, whoever else
 * knows its client: it goes with its own process. MEMORY that two objects name (a dup) counts once, for who asked
 * first, until the last name is gone.
 *
 * The driver's answers are not known here (docs/gate.md), so the book errs on the high side, and what a program can bring
 * about by requests that fail must never lower the sum:
 *   B1  An object that is asked for again keeps the larger size: either the second request fails because the first
 *       object is there, or the first one never was.
 *   B2  If it is asked for below another parent, one of both is not true and nobody knows which: it stands below its
 *       client from then on, and goes by its own name or with the client, and with nothing else.
 *   B3  What is asked for below a name that stands for several objects (by dup), or for none, stands below the client,
 *       too. */
#ifndef TRANCHE_RM_BOOK_H
#define TRANCHE_RM_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RM_BOOK_OWNERS_MAX 512u
/* 141 GiB in pieces of 2 MiB are 72,000; a process has some hundred objects without memory. */
#define RM_BOOK_OBJECTS_MAX (1u << 18)

struct rm_book;

/* With room for this many objects (the owners beside). NULL: no memory. */
struct rm_book *rm_book_new(uint32_t objects_max);
void rm_book_delete(struct rm_book *book);

/* One request, as rm_abi.h has it. object 0: the object has no name, and goes with its parent or client. */
struct rm_book_name {
    uint32_t owner;
    uint32_t client, parent, object;
    int file; /* kept with the client, from the first request that has one; -1: it has none */
};

/* What a note changed, so that it can be taken back. */
struct rm_book_note {
    uint32_t object;
    uint64_t growth_bytes;
    bool is_new;
};

/* What the sum would grow by with such an object. */
uint64_t rm_book_growth(const struct rm_book *book, const struct rm_book_name *name, uint64_t bytes);

/* false: there is no room, and nothing was written down. */
bool rm_book_add(struct rm_book *book, const struct rm_book_name *name, uint64_t bytes, struct rm_book_note *note_out);

/* Writes down an object that names the same memory as the source, whoever owns that; a source that is not known has
 * none that is ours to count. false: there is no room. */
bool rm_book_dup(struct rm_book *book, const struct rm_book_name *name, uint32_t source_client, uint32_t source_object,
                 struct rm_book_note *note_out);

/* Takes back the last note: nothing else was done to the book since. */
void rm_book_undo(struct rm_book *book, const struct rm_book_note *note);

/* The object and all below it; of the client itself: everything. One that is not known: nothing happens. */
void rm_book_free(struct rm_book *book, uint32_t owner, uint32_t client, uint32_t object);

/* All that an owner holds; its number can be given again. */
void rm_book_end(struct rm_book *book, uint32_t owner);

uint64_t rm_book_bytes(const struct rm_book *book);
uint64_t rm_book_peak_bytes(const struct rm_book *book);
uint64_t rm_book_owner_bytes(const struct rm_book *book, uint32_t owner);
uint32_t rm_book_objects(const struct rm_book *book);

/* Whether the owner has named a client of that number, and the file that stands with it. */
bool rm_book_has_client(const struct rm_book *book, uint32_t owner, uint32_t client, int *file_out);

/* The owners that have named a client of that number, up to `max` of them; returns how many. */
size_t rm_book_owners(const struct rm_book *book, uint32_t client, uint32_t *owners, size_t max);

/* The owner's clients one after the other, from `at` = 0: true, and the next one. The order is any; the book must not
 * change meanwhile. */
bool rm_book_next_client(const struct rm_book *book, uint32_t owner, uint32_t *at, uint32_t *client_out,
                         int *file_out);

#endif
