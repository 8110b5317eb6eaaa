#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "attach/attach.h"
#include "base/complain.h"
#include "base/output.h"
#include "base/people.h"
#include "base/version.h"
#include "cli/commands.h"
#include "launch/client.h"
#include "launch/environment.h"
#include "launch/nvidia/limit_proof.h"
#include "launch/run.h"
#include "region.h"
#include "state/slice.h"
#include "terminals/terminal_hold.h"
#include "text.h"

static const char usage[] =
    "Usage: tranche COMMAND …\n"
    "\n"
    "  run --slice NAME [--slice NAME…] [--visible index] [--gate|--no-gate] -- COMMAND…   run a program inside "
    "slices\n"
    "  env --slice NAME                               print what run would set, for a shell\n"
    "  ls [--json]                                    GPUs, slices and processes\n"
    "  slice create --gpu N --memory 20g --compute 50%  [--guarantee 25%] [--priority idle|normal|high]\n"
    "               [--owner USER] [--name NAME] [--expires MS] [--over-quota]\n"
    "  slice resize NAME [--memory 30g] [--compute 75%] [--guarantee …] [--priority …] [--below-use refuse]\n"
    "               [--gate off|programs|shells]           which of its programs are held at the kernel's boundary\n"
    "  slice assign NAME --owner USER | move NAME --gpu N | rename NAME NEW-NAME | delete NAME [--with-processes]\n"
    "  slice undo TOKEN\n"
    "  concurrent on|off [--gpu N]                    your programs there at the same time, or in turns\n"
    "  quota [NAME|@GROUP|default] [--memory 40g|none] [--slices N|none] [--remove]\n"
    "                                                 how much one person may hold; alone: who holds what of it\n"
    "  escapes [status|report|charge|stop|end] [--grace SECONDS] [--exempt USER,unit:NAME.service|none]\n"
    "  escapes continue PID                           what is done with processes outside every slice, and who they "
    "are\n"
    "  job start --slice NAME [--name NAME] [--priority low|normal|high] [--preempt] [--preemptible | --requeue]\n"
    "            [--grace S] [--min-free 10g] [--cwd DIR] -- COMMAND…   into the slice's line; prints its id\n"
    "  job ls [--json] | log ID [--follow] | cancel ID [--kill] | hold ID | release ID | first ID\n"
    "      | priority ID low|normal|high\n"
    "  doctor [--pid N] [--gate] [--release] [--json] what is likely to hurt on this host\n"
    "  door [status|off|watch|on] [--service UNIT|PATH] [--exempt USER] [--no-service …] [--no-exempt …]\n"
    "                                                 who may open the GPUs at all; off works without an agent, too\n"
    "  audit [--slice NAME] [--json | --csv]          who changed which slice, newest first\n"
    "  hours [--days N]                               who used and held how much of the GPUs\n"
    "  metrics [--output FILE]                        the figures as Prometheus's text, for its textfile collector\n"
    "  agent [--foreground]                           start the agent (run, ls and attach do it by themselves)\n"
    "  attach NONCE                                   join stdin and stdout to the agent\n"
    "  version [--json]\n"
    "\n"
    "  --agent-of USER, with any command: use the agent of that user, and no other\n";

static int command_agent(int argc, char **argv)
{
    bool foreground = false;
    int64_t ready_fd = -1;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--foreground") == 0)
            foreground = true;
        else if (strcmp(argv[i], "--ready-fd") == 0 && i + 1 < argc &&
                 text_parse_integer(argv[i + 1], 3, 1024, &ready_fd) == 0)
            i++;
        else
            return complain("agent does not know “%s”", argv[i]);
    if (foreground) return agent_main((int)ready_fd);
    char why[2048];
    if (client_start_agent(why, sizeof why) != 0) return complain("%s", why);
    return 0;
}

static int command_version(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--json") == 0) {
        printf("{\"version\":\"" TRANCHE_VERSION "\",\"protocol\":%d,\"regionAbi\":%u,\"stateFormat\":%d,\"arch\":"
               "\"" TRANCHE_ARCH "\"}\n",
               PROTOCOL_VERSION, REGION_ABI, STATE_FORMAT);
    } else {
        puts("tranche " TRANCHE_VERSION " (" TRANCHE_ARCH ")");
    }
    return fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
}

/* The lines of the usage that are about this command: the one that begins with it, and those that go on with it. */
static int print_usage_of(const char *command)
{
    size_t n = strlen(command);
    bool prints = false, printed = false;
    for (const char *line = usage; *line != '\0';) {
        size_t len = strcspn(line, "\n") + 1;
        bool begins = strncmp(line, "  ", 2) == 0 && line[2] != ' ';
        if (begins) prints = strncmp(line + 2, command, n) == 0 && (line[2 + n] == ' ' || line[2 + n] == '\n');
        if (line[0] != ' ') prints = false;
        if (prints) {
            if (!printed) fputs("Usage: tranche\n", stdout);
            printed = true;
            printf("%.*s", (int)len, line);
        }
        line += len;
    }
    if (!printed) fputs(usage, stdout);
    return fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
}

static bool begins_program(int at, char **argv);

/* `--help`, `-h` and `--version` are answered by every command, wherever among its own words. 1: answered, *status. */
static bool take_help(int argc, char **argv, int *status)
{
    for (int i = 1; i < argc && !(i > 1 && begins_program(i, argv)); i++) {
        bool help =
            strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 || (i == 1 && !strcmp(argv[i], "help"));
        if (!help && strcmp(argv[i], "--version") != 0) continue;
        *status = help ? print_usage_of(i == 1 ? "" : argv[1]) : command_version(1, argv);
        return true;
    }
    return false;
}

/* Words from `at` on are a program's own: what `run` and `job start` begin with their first word that is no option and no
 * option's value. */
static bool begins_program(int at, char **argv)
{
    bool starts = strcmp(argv[1], "run") == 0 || (strcmp(argv[1], "job") == 0 && strcmp(argv[2], "start") == 0);
    int first = strcmp(argv[1], "job") == 0 ? 3 : 2;
    if (strcmp(argv[at], "--") == 0) return true;
    return starts && at >= first && argv[at][0] != '-' && (at == first || argv[at - 1][0] != '-');
}

/* `--agent-of USER`, before the command or among its options; takes it out. 0, or the exit status. */
static int take_agent_of(int *argc, char **argv)
{
    static const char option[] = "--agent-of";
    size_t len = sizeof option - 1;
    int64_t number;
    uid_t uid;
    for (int i = 1; i < *argc && !(i > 1 && begins_program(i, argv)); i++) {
        if (strncmp(argv[i], option, len) != 0 || (argv[i][len] != '\0' && argv[i][len] != '=')) continue;
        int words = argv[i][len] == '=' ? 1 : 2;
        if (i + words > *argc) return complain("%s needs the name of a user", option);
        const char *whose = words == 1 ? argv[i] + len + 1 : argv[i + 1];
        if (people_uid_of(whose, &uid) != 0) {
            if (text_parse_integer(whose, 0, UINT32_MAX - 1, &number) != 0)
                return complain("there is no user “%s” on this host; nothing was done", whose);
            uid = (uid_t)number;
        }
        client_use_agent_of(uid);
        memmove(argv + i, argv + i + words, (size_t)(*argc - i - words + 1) * sizeof *argv);
        *argc -= words;
        return 0;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int, char **);
        bool speaks; /* another protocol than lines for people, or for somebody who is not there */
    } commands[] = {
        {"agent", command_agent, true},
        {"attach", command_attach, true},
        {"terminal", command_terminal, true},
        {"job", command_job, false},
        {"run", command_run, false},
        {"env", command_env, false},
        {"slice", command_slice, false},
        {"ls", command_ls, false},
        {"doctor", command_doctor, false},
        {"audit", command_audit, false},
        {"version", command_version, false},
        {"concurrent", command_concurrent, false},
        {"door", command_door, false},
        {"quota", command_quota, false},
        {"escapes", command_escapes, false},
        {"metrics", command_metrics, false},
        {"hours", command_hours, false},
        {"in-shell", command_in_shell, true},
        {"print-environment", command_print_environment, true},
        {"prove-limit", command_prove_limit, true},
        {"prove-gate", command_prove_gate, true},
    };
    int status;
    if (take_help(argc, argv, &status)) return status;
    if (take_agent_of(&argc, argv) != 0) return EXIT_OWN_FAILURE;
    /* The log of a job is its user's own program speaking; a supervisor stands beside one and speaks to nobody. */
    const char *verb = argc > 2 && strcmp(argv[1], "job") == 0 ? argv[2] : "";
    bool own = strcmp(verb, "log") == 0 || strcmp(verb, "supervise") == 0;
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) != 0) continue;
        if (!commands[i].speaks && !own) {
            output_is_text();
            client_say_whose();
        }
        return commands[i].run(argc - 1, argv + 1);
    }
    fputs(usage, stderr);
    return EXIT_OWN_FAILURE;
}
