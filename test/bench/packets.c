/*
 * Measures the way of a frame: sends it again and again for some time and prints "FRAMES NANOSECONDS": how many were
 * sent, and what one took. That is the median of all batches, so whoever gets the CPU in between does not disturb it.
 *
 *   packets CPU INTERFACE MILLISECONDS HEX
 *
 * Pinned to one CPU and past the queueing discipline, so that the kernel takes the frame all the way to the far end
 * within sendmmsg(2): a veth hands it to the backlog of the sending CPU, which is worked off before the call returns.
 */
#define _GNU_SOURCE
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define MAX_BATCHES 200000

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static unsigned char frame[2048];
    static struct mmsghdr batch[BATCH];
    static double times[MAX_BATCHES];
    struct iovec data = {frame, 0};
    cpu_set_t set;
    int one = 1;
    if (argc != 5)
        return 2;
    for (const char *hex = argv[4]; hex[0] && hex[1] && data.iov_len < sizeof frame; hex += 2) {
        char pair[3] = {hex[0], hex[1], 0};
        frame[data.iov_len++] = strtoul(pair, NULL, 16);
    }
    CPU_ZERO(&set);
    CPU_SET(atoi(argv[1]), &set);
    if (sched_setaffinity(0, sizeof set, &set))
        return perror("sched_setaffinity"), 1;
    struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[2])};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) || bind(fd, (struct sockaddr *)&where, sizeof where))
        return perror(argv[2]), 1;
    for (int i = 0; i < BATCH; i++)
        batch[i].msg_hdr = (struct msghdr){.msg_iov = &data, .msg_iovlen = 1};
    long sent = 0, count = 0;
    double limit = now_ns() + atof(argv[3]) * 1e6, end = 0;
    while (end < limit && count < MAX_BATCHES) {
        double start = now_ns();
        int n = sendmmsg(fd, batch, BATCH, 0);
        end = now_ns();
        if (n < 0)
            return perror("sendmmsg"), 1;
        sent += n;
        if (n == BATCH)
            times[count++] = end - start;
    }
    qsort(times, count, sizeof *times, ascending);
    printf("%ld %.1f\n", sent, times[count / 2] / BATCH);
    return 0;
}
