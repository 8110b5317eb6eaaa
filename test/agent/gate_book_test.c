/* The gate's book: trees, second names, names that are used again, owners that end, a full table; and a random walk beside
 * a model of the driver. Where only requests are made that the driver grants, both hold the same to the byte; where a
 * program also makes such as fail, the book never holds less than the driver.
 * build: agent/gate/rm_book.c
 * sanitize: address,undefined */
#include "check.h"
#include "rm_book.h"

#define CLIENT 0xc1d00001u
#define OTHER 0xc1d00002u
#define DEVICE 0x80u
#define MIB (UINT64_C(1) << 20)

static struct rm_book *book;

static bool add(uint32_t owner, uint32_t client, uint32_t parent, uint32_t object, uint64_t bytes)
{
    struct rm_book_note note;
    struct rm_book_name name = {.owner = owner, .client = client, .parent = parent, .object = object, .file = 7};
    return rm_book_add(book, &name, bytes, &note);
}

static bool dup(uint32_t owner, uint32_t client, uint32_t parent, uint32_t object, uint32_t source_client,
                uint32_t source)
{
    struct rm_book_note note;
    struct rm_book_name name = {.owner = owner, .client = client, .parent = parent, .object = object, .file = 7};
    return rm_book_dup(book, &name, source_client, source, &note);
}

static void begin(uint32_t objects)
{
    book = rm_book_new(objects);
    CHECK(book != NULL);
}

static void end(void)
{
    for (uint32_t owner = 0; owner < RM_BOOK_OWNERS_MAX; owner++) {
        rm_book_end(book, owner);
        CHECK_EQ(rm_book_owner_bytes(book, owner), 0);
    }
    CHECK_EQ(rm_book_bytes(book), 0);
    CHECK_EQ(rm_book_objects(book), 0);
    rm_book_delete(book);
}

static void a_tree_goes_with_its_top(void)
{
    begin(64);
    add(0, CLIENT, CLIENT, DEVICE, 0);
    add(0, CLIENT, DEVICE, 2, 10);
    add(0, CLIENT, 2, 3, 100);
    add(0, CLIENT, CLIENT, 4, 1000);
    CHECK_EQ(rm_book_bytes(book), 1110);
    rm_book_free(book, 0, CLIENT, 3);
    CHECK_EQ(rm_book_bytes(book), 1010);
    rm_book_free(book, 0, CLIENT, 3); /* a second time */
    rm_book_free(book, 0, OTHER, 4);
    rm_book_free(book, 1, CLIENT, 4);
    CHECK_EQ(rm_book_bytes(book), 1010);
    rm_book_free(book, 0, CLIENT, DEVICE);
    CHECK_EQ(rm_book_bytes(book), 1000);
    rm_book_free(book, 0, CLIENT, CLIENT);
    CHECK_EQ(rm_book_bytes(book), 0);
    CHECK_EQ(rm_book_peak_bytes(book), 1110);
    end();
}

static void owners_end_alone(void)
{
    begin(64);
    add(0, CLIENT, CLIENT, 1, 10);
    add(1, CLIENT, CLIENT, 1, 100); /* a child that goes on with its parent's client */
    add(1, OTHER, OTHER, 1, 1000);
    CHECK_EQ(rm_book_owner_bytes(book, 0), 10);
    CHECK_EQ(rm_book_owner_bytes(book, 1), 1100);
    uint32_t at = 0, client = 0, sum = 0;
    int file;
    CHECK(rm_book_has_client(book, 1, OTHER, &file));
    CHECK_EQ(file, 7);
    CHECK(!rm_book_has_client(book, 0, OTHER, &file));
    uint32_t owners[4];
    CHECK_EQ(rm_book_owners(book, CLIENT, owners, 4), 2);
    CHECK_EQ(rm_book_owners(book, OTHER, owners, 4), 1);
    while (rm_book_next_client(book, 1, &at, &client, &file)) sum += client;
    CHECK_EQ(sum, CLIENT + OTHER);
    rm_book_end(book, 1);
    CHECK_EQ(rm_book_bytes(book), 10);
    at = 0;
    CHECK(!rm_book_next_client(book, 1, &at, &client, &file));
    end();
}

static void memory_with_two_names_counts_once(void)
{
    begin(64);
    add(0, CLIENT, CLIENT, 1, 10);
    dup(1, OTHER, OTHER, 2, CLIENT, 1);
    dup(1, OTHER, OTHER, 3, OTHER, 2);
    CHECK_EQ(rm_book_bytes(book), 10);
    CHECK_EQ(rm_book_owner_bytes(book, 0), 10);
    rm_book_free(book, 0, CLIENT, 1);
    CHECK_EQ(rm_book_bytes(book), 10);
    CHECK_EQ(rm_book_owner_bytes(book, 1), 10);
    rm_book_free(book, 1, OTHER, 2);
    CHECK_EQ(rm_book_bytes(book), 10);
    rm_book_end(book, 1);
    CHECK_EQ(rm_book_bytes(book), 0);
    dup(0, CLIENT, CLIENT, 9, 0xdead, 5); /* from outside of the gate: who exported it pays */
    CHECK_EQ(rm_book_bytes(book), 0);
    end();
}

static void a_note_is_taken_back(void)
{
    begin(64);
    struct rm_book_note note;
    struct rm_book_name name = {.client = CLIENT, .parent = CLIENT, .object = 5};
    CHECK_EQ(rm_book_growth(book, &name, 10), 10);
    CHECK(rm_book_add(book, &name, 10, &note));
    rm_book_undo(book, &note);
    CHECK_EQ(rm_book_bytes(book), 0);
    rm_book_add(book, &name, 10, &note);
    CHECK_EQ(rm_book_growth(book, &name, 4), 0);
    CHECK_EQ(rm_book_growth(book, &name, 14), 4);
    rm_book_add(book, &name, 14, &note);
    rm_book_undo(book, &note);
    CHECK_EQ(rm_book_bytes(book), 10);
    name.object = 0;
    rm_book_add(book, &name, 3, &note);
    rm_book_undo(book, &note);
    name.object = 6;
    rm_book_dup(book, &name, CLIENT, 5, &note);
    rm_book_undo(book, &note);
    rm_book_free(book, 0, CLIENT, 5);
    CHECK_EQ(rm_book_bytes(book), 0);
    end();
}

/* What somebody could try: each request but the last of a line fails in the driver, or is real. */
static void failing_requests_lower_nothing(void)
{
    begin(64);
    add(0, CLIENT, CLIENT, 1, 1000);
    add(0, CLIENT, CLIENT, 1, 1); /* B1: fails, the object is there */
    CHECK_EQ(rm_book_bytes(book), 1000);
    add(0, CLIENT, CLIENT, DEVICE, 0);
    add(0, CLIENT, CLIENT, 2, 0);     /* something cheap */
    add(0, CLIENT, 2, 3, 0);          /* fails: a device cannot stand there */
    add(0, CLIENT, CLIENT, 3, 0);     /* the real one, under the same name */
    add(0, CLIENT, 3, 4, 50);         /* real */
    rm_book_free(book, 0, CLIENT, 2); /* B2: frees what is cheap, and nothing of 3 */
    CHECK_EQ(rm_book_bytes(book), 1050);
    rm_book_free(book, 0, CLIENT, 4);
    CHECK_EQ(rm_book_bytes(book), 1000);
    add(0, CLIENT, CLIENT, 5, 0);
    add(0, CLIENT, 5, 6, 0);      /* fails */
    add(0, CLIENT, 6, 7, 70);     /* fails, there is no 6 yet */
    add(0, CLIENT, CLIENT, 6, 0); /* real */
    add(0, CLIENT, 6, 7, 70);     /* real */
    rm_book_free(book, 0, CLIENT, 5);
    CHECK_EQ(rm_book_bytes(book), 1070);
    add(0, CLIENT, CLIENT, 8, 0);
    dup(0, CLIENT, 99, 9, CLIENT, 8); /* fails */
    dup(0, CLIENT, CLIENT, 9, CLIENT, 1);
    rm_book_free(book, 0, CLIENT, 1);
    CHECK_EQ(rm_book_bytes(book), 1070);
    add(0, CLIENT, CLIENT, 10, 0);
    dup(0, CLIENT, 10, 11, CLIENT, 8);     /* fails */
    dup(0, CLIENT, CLIENT, 11, CLIENT, 8); /* real, so 11 stands there twice */
    add(0, CLIENT, 11, 12, 30);            /* B3 */
    rm_book_free(book, 0, CLIENT, 10);
    CHECK_EQ(rm_book_bytes(book), 1100);
    end();
}

static void circles_are_none(void)
{
    begin(64);
    add(0, CLIENT, 2, 1, 1);
    add(0, CLIENT, 1, 2, 2);
    add(0, CLIENT, 2, 1, 1);
    add(0, CLIENT, 3, 3, 4);
    add(0, CLIENT, 3, 3, 4);
    add(0, CLIENT, CLIENT, CLIENT, 8);
    CHECK_EQ(rm_book_bytes(book), 7);
    rm_book_free(book, 0, CLIENT, CLIENT);
    CHECK_EQ(rm_book_bytes(book), 0);
    CHECK_EQ(rm_book_objects(book), 0);
    end();
}

static void what_has_no_name_goes_with_its_parent(void)
{
    begin(64);
    add(0, CLIENT, CLIENT, DEVICE, 0);
    add(0, CLIENT, DEVICE, 0, 10);
    add(0, CLIENT, DEVICE, 0, 10);
    rm_book_free(book, 0, CLIENT, 0);
    CHECK_EQ(rm_book_bytes(book), 20);
    rm_book_free(book, 0, CLIENT, DEVICE);
    CHECK_EQ(rm_book_bytes(book), 0);
    end();
}

static void a_full_table_says_so(void)
{
    begin(8);
    uint32_t made = 0;
    for (uint32_t i = 1; i <= 20; i++) made += add(0, CLIENT, CLIENT, i, 1) ? 1 : 0;
    CHECK_EQ(made, 7); /* and the client */
    CHECK_EQ(rm_book_bytes(book), 7);
    CHECK(!dup(0, CLIENT, CLIENT, 50, CLIENT, 1));
    CHECK(!add(1, OTHER, OTHER, 1, 1));
    rm_book_free(book, 0, CLIENT, 3);
    CHECK(add(0, CLIENT, CLIENT, 30, 1));
    CHECK(!add(0, CLIENT, CLIENT, 1, UINT64_MAX)); /* nor is there a sum that would not fit */
    end();
}

/* A chain as deep as the table is taken down without recursion, and as many without a name without searching. */
static void depth_and_number_are_no_matter(void)
{
    begin(RM_BOOK_OBJECTS_MAX);
    uint32_t parent = CLIENT;
    for (uint32_t i = 1; i < RM_BOOK_OBJECTS_MAX / 2; i++) {
        add(3, CLIENT, parent, i, 1);
        parent = i;
    }
    for (uint32_t i = 1; i < RM_BOOK_OBJECTS_MAX / 2; i++) add(3, CLIENT, CLIENT, 0, 1);
    CHECK_EQ(rm_book_bytes(book), RM_BOOK_OBJECTS_MAX - 2);
    rm_book_free(book, 3, CLIENT, 1);
    CHECK_EQ(rm_book_bytes(book), RM_BOOK_OBJECTS_MAX / 2 - 1);
    end();
}

/* ---- the driver, as plainly as can be ------------------------------------------------------------------- */

#define HANDLES 14u
#define CLIENTS 4u
#define MEMORIES 4096u

static struct {
    bool there;
    uint32_t parent; /* 0: the client */
    uint32_t memory; /* 0: none */
} real[CLIENTS][HANDLES];
static struct {
    uint64_t bytes;
    unsigned names;
} memories[MEMORIES];
static uint32_t memory_next;

static void real_free(uint32_t client, uint32_t handle)
{
    if (!real[client][handle].there) return;
    real[client][handle].there = false;
    memories[real[client][handle].memory].names--;
    for (uint32_t i = 1; i < HANDLES; i++)
        if (real[client][i].there && real[client][i].parent == handle) real_free(client, i);
}

static uint64_t real_bytes(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 1; i < MEMORIES; i++) sum += memories[i].names > 0 ? memories[i].bytes : 0;
    return sum;
}

static bool could_be_made(uint32_t client, uint32_t parent, uint32_t handle)
{
    return !real[client][handle].there && (parent == 0 || (parent != handle && real[client][parent].there));
}

static void real_make(uint32_t client, uint32_t parent, uint32_t handle, uint32_t memory)
{
    real[client][handle].there = true;
    real[client][handle].parent = parent;
    real[client][handle].memory = memory;
    memories[memory].names++;
}

static uint32_t handle_of(uint32_t client, uint32_t handle)
{
    return handle == 0 ? 0xc1d00000u + client : handle;
}

/* One step. honest: only what the driver grants is asked for. */
static void step(bool honest)
{
    uint32_t client = (uint32_t)rand() % CLIENTS, handle = 1 + (uint32_t)rand() % (HANDLES - 1);
    uint32_t parent = (uint32_t)rand() % HANDLES, source_client = (uint32_t)rand() % CLIENTS;
    uint32_t source = 1 + (uint32_t)rand() % (HANDLES - 1), owner = client / 2, what = (uint32_t)rand() % 20;
    uint32_t client_name = handle_of(client, 0);
    bool can = could_be_made(client, parent, handle) && (honest || rand() % 8 != 0);
    if (what < 9) {
        uint64_t bytes = (uint64_t)(rand() % 3) * (1 + (uint64_t)rand() % 1000);
        if (can && bytes > 0) {
            memory_next = memory_next % (MEMORIES - 1) + 1;
            memories[memory_next].bytes = bytes;
            memories[memory_next].names = 0;
        }
        if (can || !honest) add(owner, client_name, handle_of(client, parent), handle, bytes);
        if (can) real_make(client, parent, handle, bytes > 0 ? memory_next : 0);
    } else if (what < 13) {
        can = can && real[source_client][source].there;
        if (can || !honest)
            dup(owner, client_name, handle_of(client, parent), handle, handle_of(source_client, 0), source);
        if (can) real_make(client, parent, handle, real[source_client][source].memory);
    } else if (what < 19) {
        rm_book_free(book, owner, client_name, handle);
        real_free(client, handle);
    } else if (rand() % 6 == 0) {
        for (uint32_t c = 0; c < CLIENTS; c++)
            for (uint32_t h = 1; h < HANDLES && c / 2 == owner; h++) real_free(c, h);
        rm_book_end(book, owner);
    }
}

static void walk(bool honest, unsigned steps)
{
    uint64_t highest = 0;
    begin(1u << 16);
    memset(real, 0, sizeof real);
    memset(memories, 0, sizeof memories);
    for (unsigned i = 0; i < steps; i++) {
        step(honest);
        uint64_t held = real_bytes(), counted = rm_book_bytes(book);
        highest = held > highest ? held : highest;
        CHECK_THAT(honest ? counted == held : counted >= held,
                   "step %u: the driver holds %" PRIu64 ", the book %" PRIu64, i, held, counted);
        CHECK(counted == rm_book_owner_bytes(book, 0) + rm_book_owner_bytes(book, 1));
        if (check_failures_here > 3) break;
    }
    CHECK_THAT(highest > 2000, "the walk came to nothing: %" PRIu64, highest);
    end();
}

static void beside_the_driver_to_the_byte(void)
{
    for (unsigned seed = 1; seed <= 10; seed++) {
        srand(seed);
        walk(true, 5000);
    }
}

static void beside_a_driver_that_refuses_never_less(void)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        srand(seed);
        walk(false, 3000);
    }
}

int main(void)
{
    RUN(a_tree_goes_with_its_top);
    RUN(owners_end_alone);
    RUN(memory_with_two_names_counts_once);
    RUN(a_note_is_taken_back);
    RUN(failing_requests_lower_nothing);
    RUN(circles_are_none);
    RUN(what_has_no_name_goes_with_its_parent);
    RUN(a_full_table_says_so);
    RUN(depth_and_number_are_no_matter);
    RUN(beside_the_driver_to_the_byte);
    RUN(beside_a_driver_that_refuses_never_less);
    return check_done();
}
