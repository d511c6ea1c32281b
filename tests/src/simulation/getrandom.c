/* The system's randomness in test programs: a function of LETOPIS_SEED when that is set.
 *
 * tokio, openraft and the standard library draw random numbers of their own: the order in which
 * watchers wake, how long an election waits. A simulation that is to replay exactly must have them
 * too. Each thread draws its own sequence, so that threads of others do not disturb it. Without
 * LETOPIS_SEED this is the system's own call. Linked into tests only (build.rs). */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static __thread uint64_t state;
static __thread int begun;

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
    const char *seed = getenv("LETOPIS_SEED");
    if (seed == NULL) {
        return syscall(SYS_getrandom, buffer, length, flags);
    }
    if (!begun) {
        begun = 1;
        state = strtoull(seed, NULL, 10);
    }
    for (size_t at = 0; at < length; at++) {
        /* splitmix64 */
        uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        ((unsigned char *)buffer)[at] = (unsigned char)((z ^ (z >> 31)) >> 11);
    }
    return (ssize_t)length;
}
