/* Which code a handle stands for: the same for the same image and name, whatever the addresses; another for another.
 * build: agent/shim/core/code.c agent/shim/core/ledger.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "core/code.h"
#include "core/shim.h"

#include <elf.h>
#include <string.h>

static struct process process;
static int handles[16]; /* their addresses stand for handles */

static void texts_differ_by_what_they_say(void)
{
    char first[] = ".version 8.0";
    char same[] = ".version 8.0";
    CHECK(code_of_image(first) != 0);
    CHECK_EQ(code_of_image(first), code_of_image(same));
    CHECK(code_of_image(".version 8.1") != code_of_image(first));
    CHECK_EQ(code_of_image(NULL), 0);
    CHECK_EQ(code_of_image("ab"), 0);
    CHECK_EQ(code_of_image(""), 0);
}

static void elf_images_are_read_to_their_end(void)
{
    static unsigned char images[2][4096];
    Elf64_Ehdr header = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64}, .e_shoff = 4096 - 64, .e_shnum = 1, .e_shentsize = 64};
    memcpy(images[0], &header, sizeof header);
    memcpy(images[1], &header, sizeof header);
    CHECK_EQ(code_of_image(images[0]), code_of_image(images[1]));
    images[1][4095] = 1;
    CHECK(code_of_image(images[0]) != code_of_image(images[1]));
}

static void fat_binaries_also_through_their_wrapper(void)
{
    static struct {
        uint32_t magic;
        uint16_t version;
        uint16_t header_bytes;
        uint64_t bytes;
        char data[256];
    } fat = {0xba55ed50u, 1, 16, 256, "code"};
    struct {
        uint32_t magic;
        uint32_t version;
        const void *data;
    } wrapper = {0x466243b1u, 1, &fat};
    uint64_t before = code_of_image(&fat);
    CHECK(before != 0);
    CHECK_EQ(code_of_image(&wrapper), before);
    fat.data[255] = 1;
    CHECK(code_of_image(&wrapper) != before);
}

static void functions_are_known_by_image_and_name(void)
{
    const void *module = &handles[0];
    const void *again = &handles[1];
    code_loaded(&process, module, 77);
    code_loaded(&process, again, 77);
    code_named(&process, module, "gemm", &handles[2]);
    code_named(&process, again, "gemm", &handles[3]);
    code_named(&process, module, "relu", &handles[4]);
    uint64_t gemm = code_identity(&process, (uintptr_t)&handles[2]);
    CHECK(gemm != 0);
    CHECK_EQ(code_identity(&process, (uintptr_t)&handles[3]), gemm);
    CHECK(code_identity(&process, (uintptr_t)&handles[4]) != gemm);
    code_same(&process, &handles[2], &handles[5]);
    CHECK_EQ(code_identity(&process, (uintptr_t)&handles[5]), gemm);
    CHECK_EQ(code_identity(&process, (uintptr_t)&handles[6]), 0);
}

static void nothing_outlives_an_unload(void)
{
    code_unloaded(&process, &handles[0]);
    CHECK_EQ(code_identity(&process, (uintptr_t)&handles[2]), 0);
    CHECK_EQ(code_identity(&process, (uintptr_t)&handles[4]), 0);
    CHECK_EQ(code_identity(&process, (uintptr_t)&handles[5]), 0);
    CHECK(code_identity(&process, (uintptr_t)&handles[3]) != 0);
    code_named(&process, &handles[0], "gemm", &handles[2]); /* of a module that is not there */
    CHECK_EQ(code_identity(&process, (uintptr_t)&handles[2]), 0);
    code_unloaded(&process, &handles[1]);
    ledger_dispose(&process.codes);
}

int main(void)
{
    RUN(texts_differ_by_what_they_say);
    RUN(elf_images_are_read_to_their_end);
    RUN(fat_binaries_also_through_their_wrapper);
    RUN(functions_are_known_by_image_and_name);
    RUN(nothing_outlives_an_unload);
    return check_done();
}
