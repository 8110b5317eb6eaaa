/* What root can do to a door past the agent, for tests of what an agent makes of it.
 * usage: door_tool GROUP mode NUMBER      says to the door that stands there what to do (enum door_mode)
 *        door_tool GROUP replace MINOR    puts one of this program's own in its place, shut for the device 1:MINOR; with
 *                                         another DOOR_LAYOUT it is one whose maps no agent of now knows */
#include "door.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct door door;
    char why[DOOR_WHY_BYTES] = "it does not stand";
    if (argc != 4) return 2;
    int found = door_open(&door, open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int error = found == 1 ? 0 : -1;
    uint32_t number = (uint32_t)atoi(argv[3]);
    if (error == 0 && strcmp(argv[2], "mode") == 0) {
        error = door_set_mode(&door, (enum door_mode)number);
    } else if (error == 0) {
        const struct door_device device = {1, number, false};
        error = door_prepare(&door, why, sizeof why);
        if (error == 0) error = door_guard(&door, &device, 1);
        if (error == 0) error = door_set_mode(&door, DOOR_ON);
        if (error == 0) error = door_attach(&door);
    }
    if (error != 0) fprintf(stderr, "%s: %d, %s\n", argv[1], error, why);
    door_close(&door);
    return error == 0 ? 0 : 1;
}
