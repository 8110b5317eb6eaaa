#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "client.h"
#include "commands.h"
#include "version.h"

static const char usage[] =
    "Usage: tranche COMMAND …\n"
    "\n"
    "  run --slice NAME [--slice NAME…] [--visible index] -- COMMAND…   run a program inside slices\n"
    "  env --slice NAME                               print what run would set, for a shell\n"
    "  ls [--json]                                    GPUs, slices and processes\n"
    "  slice create --gpu N --memory 20g --compute 50%  [--guarantee 25%] [--priority idle|normal|high]\n"
    "               [--owner USER] [--name NAME] [--expires MS] [--over-quota]\n"
    "  slice resize NAME [--memory 30g] [--compute 75%] [--guarantee …] [--priority …] [--below-use refuse]\n"
    "  slice assign NAME --owner USER | move NAME --gpu N | rename NAME NEW-NAME | delete NAME [--with-processes]\n"
    "  slice undo TOKEN\n"
    "  concurrent on|off [--gpu N]                    your programs there at the same time, through MPS, or in turns\n"
    "  quota [NAME|@GROUP|default] [--memory 40g|none] [--slices N|none] [--remove]\n"
    "                                                 how much one person may hold; alone: who holds what of it\n"
    "  job start --slice NAME [--name NAME] [--priority low|normal|high] [--preempt] [--preemptible | --requeue]\n"
    "            [--grace S] [--min-free 10g] [--cwd DIR] -- COMMAND…   into the slice's line; prints its id\n"
    "  job ls [--json] | log ID [--follow] | cancel ID [--kill] | hold ID | release ID | first ID\n"
    "      | priority ID low|normal|high\n"
    "  doctor [--pid N] [--release] [--json]          what is likely to hurt on this host\n"
    "  audit [--slice NAME] [--json | --csv]          who changed which slice, newest first\n"
    "  hours [--days N]                               who used and held how much of the GPUs\n"
    "  metrics [--output FILE]                        the figures as Prometheus's text, for its textfile collector\n"
    "  agent [--foreground]                           start the agent (run, ls and attach do it by themselves)\n"
    "  attach NONCE                                   join stdin and stdout to the agent\n"
    "  version [--json]\n";

int complain(const char *format, ...)
{
    va_list args;
    fputs("tranche: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_OWN_FAILURE;
}

int command_agent(int argc, char **argv)
{
    bool foreground = false;
    int64_t ready_fd = -1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--foreground") == 0) {
            foreground = true;
        } else if (strcmp(argv[i], "--ready-fd") == 0 && i + 1 < argc &&
                   text_parse_integer(argv[i + 1], 3, 1024, &ready_fd) == 0) {
            i++;
        } else {
            return complain("agent does not know “%s”", argv[i]);
        }
    }
    if (foreground) return agent_main((int)ready_fd);
    char why[2048];
    if (client_start_agent(why, sizeof why) != 0) return complain("%s", why);
    return 0;
}

int command_version(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--json") == 0) {
        printf("{\"version\":\"" TRANCHE_VERSION "\",\"protocol\":%d,\"regionAbi\":%u,\"stateFormat\":%d,\"arch\":"
               "\"" TRANCHE_ARCH "\"}\n",
               PROTOCOL_VERSION, REGION_ABI, STATE_FORMAT);
    } else {
        puts("tranche " TRANCHE_VERSION " (" TRANCHE_ARCH ")");
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int, char **);
    } commands[] = {
        {"agent", command_agent},
        {"attach", command_attach},
        {"run", command_run},
        {"env", command_env},
        {"slice", command_slice},
        {"ls", command_ls},
        {"doctor", command_doctor},
        {"audit", command_audit},
        {"version", command_version},
        {"concurrent", command_concurrent},
        {"quota", command_quota},
        {"metrics", command_metrics},
        {"hours", command_hours},
        {"job", command_job},
        {"terminal", command_terminal},
        {"in-shell", command_in_shell},
        {"print-environment", command_print_environment},
    };
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    fputs(usage, stderr);
    return EXIT_OWN_FAILURE;
}
