/* The layout is that of kernel/bpf/ringbuf.c: a page with how far was read, a page with how far was written, then the
 * records, mapped twice so that one that goes over the end lies in one piece. Before each a header of 8 bytes: its length
 * with two flags, and a number that is the kernel's own. */

#include "refusals.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "program.h"

#define HEADER_BYTES 8

int refusals_open(struct refusals *refusals, int fd, uint64_t ring_bytes)
{
    long page = sysconf(_SC_PAGESIZE);
    *refusals = (struct refusals){.fd = fd, .ring_bytes = ring_bytes, .page_bytes = (uint64_t)page};
    void *consumer = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (consumer == MAP_FAILED) return -errno;
    void *producer = mmap(NULL, (size_t)page + 2 * ring_bytes, PROT_READ, MAP_SHARED, fd, page);
    if (producer == MAP_FAILED) {
        int error = errno;
        munmap(consumer, (size_t)page);
        return -error;
    }
    refusals->consumer = consumer;
    refusals->producer = producer;
    return 0;
}

void refusals_close(struct refusals *refusals)
{
    if (refusals->consumer) munmap(refusals->consumer, refusals->page_bytes);
    if (refusals->producer) munmap(refusals->producer, refusals->page_bytes + 2 * refusals->ring_bytes);
    *refusals = (struct refusals){.fd = -1};
}

bool refusals_take(struct refusals *refusals, struct door_record *out)
{
    if (!refusals->consumer) return false;
    uint64_t *read_to = (uint64_t *)(void *)refusals->consumer;
    const uint64_t *written_to = (const uint64_t *)(void *)refusals->producer;
    uint64_t at = *read_to; /* nobody writes it but us */
    while (at < __atomic_load_n(written_to, __ATOMIC_ACQUIRE)) {
        const unsigned char *record = refusals->producer + refusals->page_bytes + (at & (refusals->ring_bytes - 1));
        uint32_t header = __atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
        if (header & BPF_RINGBUF_BUSY_BIT) return false; /* it is being written */
        uint32_t len = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        bool is_record = !(header & BPF_RINGBUF_DISCARD_BIT) && len == sizeof *out;
        if (is_record) memcpy(out, record + HEADER_BYTES, sizeof *out);
        at += (HEADER_BYTES + len + 7) / 8 * 8;
        __atomic_store_n(read_to, at, __ATOMIC_RELEASE);
        if (is_record) return true;
    }
    return false;
}
