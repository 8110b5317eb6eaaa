/* `tranche concurrent on|off [--gpu N]`: programs of one user at the same time on a GPU. */
#include <stdio.h>
#include <string.h>

#include "base/complain.h"
#include "cli/cli_ask.h"
#include "cli/commands.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "text.h"

static const char *uuid_of(const struct fetched *fetched, const char *gpu)
{
    int64_t index;
    if (!gpu) return fetched->gpu_count == 1 ? fetched->gpus[0].uuid : NULL;
    bool is_index = text_parse_integer(gpu, 0, 1000, &index) == 0;
    for (size_t i = 0; i < fetched->gpu_count; i++) {
        const struct fetched_gpu *at = &fetched->gpus[i];
        if (is_index ? at->index == index : strcmp(at->uuid, gpu) == 0) return at->uuid;
    }
    return NULL;
}

int command_concurrent(int argc, char **argv)
{
    bool on = argc > 1 && strcmp(argv[1], "on") == 0;
    bool known = on || (argc > 1 && strcmp(argv[1], "off") == 0);
    const char *gpu = argc == 4 && strcmp(argv[2], "--gpu") == 0 ? argv[3] : NULL;
    if (!known || (argc != 2 && !gpu)) return complain("say: tranche concurrent on|off [--gpu N]");
    struct client client;
    struct fetched fetched;
    struct json_writer fields;
    if (fetch_open(&client, &fetched) != 0) return EXIT_OWN_FAILURE;
    const char *uuid = uuid_of(&fetched, gpu);
    if (!uuid) return complain("say which GPU: --gpu 0; `tranche ls` lists them");
    json_writer_init(&fields, 1024);
    json_put_text(&fields, "gpuUuid", uuid);
    json_put_bool(&fields, "concurrent", on);
    int result = cli_ask(&client, "gpu-concurrent", &fields);
    json_writer_free(&fields);
    if (result != 0) return result;
    puts(on ? "Programs that `tranche run` starts there now run at the same time. A fault of one ends them all."
            : "It ends with the last program that it serves.");
    fetched_free(&fetched);
    client_close(&client);
    return fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
}
