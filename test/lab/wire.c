/*
 * The tests' view of the wire. Started once in a network namespace with the names of the interfaces to open; then one
 * command a line on stdin. Every reply is any number of data lines and one last line, ". ..." or "! ERRNO text".
 *
 *   send IF HEX              send one frame                               .
 *   collect MS               got IF HEX ... until MS ms were silent       .
 *   open IF, close IF        start (again), stop watching                 .
 *   stream ID IF HEX RATE    send again and again, 0 = at full speed      .
 *   stop ID                                                               . SENT ERRORS
 *   count ID IF HEX          count frames equal to HEX                    .
 *   uncount ID                                                            . RECEIVED DROPPED
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
#define MAX_FRAME 70000
#define MAX_PORTS 64
#define MAX_TASKS 64
#define VLAN_TAG 4
#define MAC_PAIR 12
#define COLLECT_LIMIT_MS 2000
#define RETRY_LIMIT_MS 200

struct port {
    char name[IFNAMSIZ];
    int fd;
};

struct task {
    char id[64];
    int counts;
    int fd;
    char name[IFNAMSIZ];
    unsigned char *frame;
    size_t len;
    double rate;
    pthread_t thread;
    atomic_int ending;
    unsigned long done, failed;
};

static struct port ports[MAX_PORTS];
static int port_count;
static struct task *tasks[MAX_TASKS];

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int ok(void)
{
    puts(".");
    return 0;
}

static int fail(int error, const char *what)
{
    printf("! %s %s: %s\n", strerrorname_np(error), what, strerror(error));
    return -1;
}

/* Returns the length, or -1 for text that is no frame. */
static long parse_hex(const char *text, unsigned char *out, size_t size)
{
    size_t n = 0;
    for (; isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]); text += 2) {
        char pair[3] = {text[0], text[1], 0};
        if (n == size)
            return -1;
        out[n++] = strtoul(pair, NULL, 16);
    }
    return *text ? -1 : (long)n;
}

/* Protocol 0 until everything is set up, and for ever in a socket that only sends: it hears nothing. */
static int open_socket(const char *name, int listens)
{
    int one = 1, big = 64 << 20, index = if_nametoindex(name);
    if (!index)
        return -1;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct packet_mreq promisc = {.mr_ifindex = index, .mr_type = PACKET_MR_PROMISC};
    struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(listens ? ETH_P_ALL : 0), .sll_ifindex = index};
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
    if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) ||
        setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one) ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof promisc) ||
        bind(fd, (struct sockaddr *)&where, sizeof where)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/*
 * Receives one frame as it was on the wire: the kernel moves the outer VLAN tag out of the frame, so it is put back
 * with the TPID it had. Returns the length; 0 when nothing is there.
 */
static size_t receive(int fd, unsigned char *frame)
{
    for (;;) {
        char control[256];
        struct iovec data = {frame + VLAN_TAG, MAX_FRAME - VLAN_TAG};
        struct msghdr message = {
            .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t len = recvmsg(fd, &message, MSG_DONTWAIT);
        if (len < 0) {
            /* ENETDOWN is told once when somebody sets the link down; the socket works on after the next up. */
            if (errno == ENETDOWN || errno == EINTR)
                continue;
            return 0;
        }
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
            struct tpacket_auxdata aux;
            if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
                continue;
            memcpy(&aux, CMSG_DATA(c), sizeof aux);
            if (!(aux.tp_status & TP_STATUS_VLAN_VALID) || len < MAC_PAIR)
                continue;
            unsigned tpid = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q;
            unsigned char tag[VLAN_TAG] = {tpid >> 8, tpid, aux.tp_vlan_tci >> 8, aux.tp_vlan_tci};
            memmove(frame, frame + VLAN_TAG, MAC_PAIR);
            memcpy(frame + MAC_PAIR, tag, VLAN_TAG);
            return len + VLAN_TAG;
        }
        memmove(frame, frame + VLAN_TAG, len);
        return len;
    }
}

static unsigned dropped(int fd)
{
    struct tpacket_stats stats = {0};
    socklen_t size = sizeof stats;
    getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
    return stats.tp_drops;
}

static int running(int fd, const char *name)
{
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING);
}

static struct port *find_port(const char *name)
{
    for (int i = 0; i < port_count; i++)
        if (!strcmp(ports[i].name, name))
            return &ports[i];
    errno = ENODEV;
    return NULL;
}

static int open_port(const char *name)
{
    int fd;
    if (find_port(name))
        return fail(EEXIST, name);
    if (port_count == MAX_PORTS || strlen(name) >= IFNAMSIZ)
        return fail(EINVAL, name);
    if ((fd = open_socket(name, 1)) < 0)
        return fail(errno, name);
    ports[port_count].fd = fd;
    strcpy(ports[port_count++].name, name);
    return 0;
}

static void forget_port(struct port *port)
{
    close(port->fd);
    *port = ports[--port_count];
}

/* An interface that was deleted and made again has another index, so the old socket is deaf. */
static int reopen_port(const char *name)
{
    struct port *port = find_port(name);
    if (port)
        forget_port(port);
    return open_port(name) ? -1 : ok();
}

static int close_port(const char *name)
{
    struct port *port = find_port(name);
    if (!port)
        return fail(ENODEV, name);
    forget_port(port);
    return ok();
}

static int send_frame(const char *name, const char *hex)
{
    static unsigned char frame[MAX_FRAME];
    struct port *port = find_port(name);
    if (!port)
        return fail(ENODEV, name);
    long len = parse_hex(hex, frame, sizeof frame);
    if (len < 0)
        return fail(EINVAL, "not a frame in hex");
    double limit = now_ms() + RETRY_LIMIT_MS;
    while (send(port->fd, frame, len, 0) < 0) {
        int error = errno;
        /* The carrier is there a moment before the transmit queue is: not the same as a link that is down. */
        if (error != ENOBUFS || !running(port->fd, name) || now_ms() > limit)
            return fail(error, name);
        usleep(1000);
    }
    return ok();
}

static int collect(double quiet_ms)
{
    static unsigned char frame[MAX_FRAME];
    double limit = now_ms() + quiet_ms + COLLECT_LIMIT_MS, silent_since = now_ms();
    for (;;) {
        struct pollfd wait[MAX_PORTS];
        int heard = 0;
        for (int i = 0; i < port_count; i++) {
            size_t len;
            while ((len = receive(ports[i].fd, frame))) {
                heard = 1;
                printf("got %s ", ports[i].name);
                for (size_t n = 0; n < len; n++) {
                    putchar("0123456789abcdef"[frame[n] >> 4]);
                    putchar("0123456789abcdef"[frame[n] & 15]);
                }
                putchar('\n');
                if (now_ms() > limit)
                    return fail(EBUSY, "the interfaces do not fall silent");
            }
            wait[i] = (struct pollfd){.fd = ports[i].fd, .events = POLLIN};
        }
        if (heard)
            silent_since = now_ms();
        double left = silent_since + quiet_ms - now_ms();
        if (left <= 0)
            break;
        struct timespec pause = {left / 1e3, (long)(left * 1e6) % 1000000000L};
        ppoll(wait, port_count, &pause, NULL);
    }
    for (int i = 0; i < port_count; i++)
        if (dropped(ports[i].fd))
            return fail(ENOBUFS, ports[i].name);
    return ok();
}

static void *stream_frames(void *argument)
{
    struct task *task = argument;
    double start = now_ms();
    while (!task->ending) {
        if (task->rate > 0) {
            double due_in = start + (task->done + task->failed) * 1e3 / task->rate - now_ms();
            if (due_in > 0) {
                usleep(due_in > 50 ? 50000 : due_in * 1e3 + 1);
                continue;
            }
        }
        if (send(task->fd, task->frame, task->len, 0) < 0)
            task->failed++;
        else
            task->done++;
    }
    return NULL;
}

static void *count_frames(void *argument)
{
    struct task *task = argument;
    unsigned char *frame = malloc(MAX_FRAME);
    size_t len;
    for (;;) {
        int last = task->ending;
        while ((len = receive(task->fd, frame)))
            if (len == task->len && !memcmp(frame, task->frame, len))
                task->done++;
        if (last)
            break;
        poll(&(struct pollfd){.fd = task->fd, .events = POLLIN}, 1, 20);
    }
    task->failed = dropped(task->fd);
    free(frame);
    return NULL;
}

static struct task **find_task(const char *id)
{
    for (int i = 0; i < MAX_TASKS; i++)
        if (id ? tasks[i] && !strcmp(tasks[i]->id, id) : !tasks[i])
            return &tasks[i];
    return NULL;
}

static int start_task(const char *id, const char *name, const char *hex, double rate, int counts)
{
    struct task **slot = find_task(NULL), *task;
    if (!slot || find_task(id) || strlen(id) >= sizeof task->id || strlen(name) >= IFNAMSIZ)
        return fail(EINVAL, id);
    task = calloc(1, sizeof *task);
    task->frame = malloc(MAX_FRAME);
    long len = parse_hex(hex, task->frame, MAX_FRAME);
    task->fd = len < 0 ? -1 : open_socket(name, counts);
    if (task->fd < 0) {
        int error = len < 0 ? EINVAL : errno;
        free(task->frame);
        free(task);
        return fail(error, name);
    }
    strcpy(task->id, id);
    strcpy(task->name, name);
    task->len = len;
    task->rate = rate;
    task->counts = counts;
    pthread_create(&task->thread, NULL, counts ? count_frames : stream_frames, task);
    *slot = task;
    return ok();
}

static int end_task(const char *id, int counts)
{
    struct task **slot = find_task(id), *task = slot ? *slot : NULL;
    if (!task || task->counts != counts)
        return fail(ENOENT, id);
    task->ending = 1;
    pthread_join(task->thread, NULL);
    printf(". %lu %lu\n", task->done, task->failed);
    close(task->fd);
    free(task->frame);
    free(task);
    *slot = NULL;
    return 0;
}

static void obey(char *line)
{
    char *word[5] = {0};
    int n = 0;
    for (char *w = strtok(line, " \n"); w && n < 5; w = strtok(NULL, " \n"))
        word[n++] = w;
    const char *verb = n ? word[0] : "";
    if (!strcmp(verb, "send") && n == 3)
        send_frame(word[1], word[2]);
    else if (!strcmp(verb, "collect") && n == 2)
        collect(atof(word[1]));
    else if (!strcmp(verb, "open") && n == 2)
        reopen_port(word[1]);
    else if (!strcmp(verb, "close") && n == 2)
        close_port(word[1]);
    else if (!strcmp(verb, "stream") && n == 5)
        start_task(word[1], word[2], word[3], atof(word[4]), 0);
    else if (!strcmp(verb, "stop") && n == 2)
        end_task(word[1], 0);
    else if (!strcmp(verb, "count") && n == 4)
        start_task(word[1], word[2], word[3], 0, 1);
    else if (!strcmp(verb, "uncount") && n == 2)
        end_task(word[1], 1);
    else
        fail(EINVAL, "no such command");
}

/*
 * One CPU for everything: a veth hands a frame to the backlog of the CPU that sends, and that backlog is worked off
 * before send() returns. So a sent frame has arrived, or was dropped, when the reply is printed.
 */
static void pin(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(sched_getcpu(), &set);
    sched_setaffinity(0, sizeof set, &set);
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t size = 0;
    pin();
    for (int i = 1; i < argc; i++)
        if (open_port(argv[i]))
            return 1;
    ok();
    fflush(stdout);
    while (getline(&line, &size, stdin) > 0) {
        obey(line);
        fflush(stdout);
    }
    return 0;
}
