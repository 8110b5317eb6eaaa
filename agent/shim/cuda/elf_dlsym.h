/* The C library's dlsym where dlvsym cannot be asked for it: read from the symbol tables of what is loaded. */
#ifndef TRANCHE_ELF_DLSYM_H
#define TRANCHE_ELF_DLSYM_H

/* The first dlsym that is defined by another object than the one `ours` lies in. NULL: there is none. No allocation. */
void *elf_next_dlsym(const void *ours);

#endif
