/*
 * The tests' device model: opens taps as QEMU does and writes to them what a guest with a virtio card may write.
 * Started once in a network namespace; then one command a line on stdin. Every reply is any number of data lines and
 * one last line, ". ..." or "! ERRNO text".
 *
 *   open TAP vnet|plain      make the tap; vnet: frames bear a virtio_net_hdr (IFF_VNET_HDR)    .
 *   send TAP HEADER FRAME    write one frame; HEADER is the 10 bytes of the virtio_net_hdr      .
 *   collect MS               got TAP HEX ... until MS ms were silent; frames as they left       .
 *   guest TAP NETNS NAME     a card NAME in another namespace, joined to the tap like a guest's:
 *                            checksums and segments are left to whoever is behind it            .
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define HEADER 10
#define MAX_FRAME 70000
#define MAX_TAPS 16
#define COLLECT_LIMIT_MS 2000
/* What a Linux guest's virtio-net driver asks for: it takes checksums and segments as they come. */
#define OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)

struct tap {
    char name[IFNAMSIZ];
    int fd, header, pumped;
};

static struct tap taps[MAX_TAPS];
static int tap_count;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void ok(void)
{
    puts(".");
}

static void fail(int error, const char *what)
{
    printf("! %s %s: %s\n", strerrorname_np(error), what, strerror(error));
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

static struct tap *find(const char *name)
{
    for (int i = 0; i < tap_count; i++)
        if (strcmp(taps[i].name, name) == 0)
            return &taps[i];
    return NULL;
}

/* The calling thread's network namespace gets the tap. */
static int open_tap(const char *name, int header)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | (header ? IFF_VNET_HDR : 0)};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
    if (ioctl(fd, TUNSETIFF, &request)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static void add(const char *name, const char *kind)
{
    int header = strcmp(kind, "vnet") == 0;
    if (tap_count == MAX_TAPS)
        return fail(EMFILE, name);
    int fd = open_tap(name, header);
    if (fd < 0)
        return fail(errno, name);
    taps[tap_count] = (struct tap){.fd = fd, .header = header};
    snprintf(taps[tap_count++].name, IFNAMSIZ, "%s", name);
    ok();
}

static void send_frame(const char *name, const char *header, const char *frame)
{
    static unsigned char bytes[HEADER + MAX_FRAME];
    struct tap *tap = find(name);
    if (!tap)
        return fail(ENODEV, name);
    long head = tap->header ? parse_hex(header, bytes, HEADER) : 0;
    long body = parse_hex(frame, bytes + head, MAX_FRAME);
    if (head != (tap->header ? HEADER : 0) || body <= 0)
        return fail(EINVAL, name);
    /* The kernel takes the frame all the way to the bridge, or to the next backlog, before it returns. */
    if (write(tap->fd, bytes, head + body) < 0)
        return fail(errno, name);
    ok();
}

static void collect(double quiet)
{
    static unsigned char bytes[HEADER + MAX_FRAME];
    struct pollfd fds[MAX_TAPS];
    double limit = now_ms() + COLLECT_LIMIT_MS;
    for (;;) {
        int count = 0;
        for (int i = 0; i < tap_count; i++)
            if (!taps[i].pumped)
                fds[count++] = (struct pollfd){.fd = taps[i].fd, .events = POLLIN};
        if (poll(fds, count, (int)quiet) <= 0)
            return ok();
        if (now_ms() > limit)
            return fail(EBUSY, "collect");
        for (int i = 0; i < tap_count; i++) {
            ssize_t len;
            while (!taps[i].pumped && (len = read(taps[i].fd, bytes, sizeof bytes)) > 0) {
                printf("got %s ", taps[i].name);
                for (ssize_t at = taps[i].header ? HEADER : 0; at < len; at++)
                    printf("%02x", bytes[at]);
                puts("");
            }
        }
    }
}

struct pump {
    int one, other;
};

static void *pump(void *given)
{
    struct pump *ends = given;
    static __thread unsigned char bytes[HEADER + MAX_FRAME];
    struct pollfd fds[2] = {{.fd = ends->one, .events = POLLIN}, {.fd = ends->other, .events = POLLIN}};
    while (poll(fds, 2, -1) > 0 || errno == EINTR)
        for (int i = 0; i < 2; i++) {
            ssize_t len;
            while ((len = read(fds[i].fd, bytes, sizeof bytes)) > 0)
                if (write(fds[1 - i].fd, bytes, len) < 0 && errno == EBADFD)
                    return NULL;
        }
    return NULL;
}

/* A thread of its own changes the namespace, so the taps that are opened later stay in this one. */
struct card {
    const char *netns, *name;
    int fd, error;
};

static void *open_card(void *given)
{
    struct card *card = given;
    int netns = open(card->netns, O_RDONLY | O_CLOEXEC);
    card->fd = netns < 0 || setns(netns, CLONE_NEWNET) ? -1 : open_tap(card->name, 1);
    card->error = errno;
    if (netns >= 0)
        close(netns);
    return NULL;
}

static void join_guest(const char *name, const char *netns, const char *guest)
{
    struct tap *tap = find(name);
    struct card card = {.netns = netns, .name = guest};
    pthread_t thread;
    if (!tap || !tap->header)
        return fail(ENODEV, name);
    if (pthread_create(&thread, NULL, open_card, &card) || pthread_join(thread, NULL))
        return fail(EAGAIN, guest);
    if (card.fd < 0)
        return fail(card.error, guest);
    struct pump *ends = malloc(sizeof *ends);
    *ends = (struct pump){tap->fd, card.fd};
    if (ioctl(tap->fd, TUNSETOFFLOAD, OFFLOADS) || ioctl(card.fd, TUNSETOFFLOAD, OFFLOADS))
        return fail(errno, guest);
    tap->pumped = 1;
    if (pthread_create(&thread, NULL, pump, ends))
        return fail(EAGAIN, guest);
    ok();
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    ok();
    while (getline(&line, &size, stdin) > 0) {
        char *word[4] = {0}, *rest = line;
        for (int i = 0; i < 4; i++)
            word[i] = strtok_r(i ? NULL : line, " \n", &rest);
        if (word[0] && word[2] && strcmp(word[0], "open") == 0)
            add(word[1], word[2]);
        else if (word[0] && word[3] && strcmp(word[0], "send") == 0)
            send_frame(word[1], word[2], word[3]);
        else if (word[0] && word[1] && strcmp(word[0], "collect") == 0)
            collect(atof(word[1]));
        else if (word[0] && word[3] && strcmp(word[0], "guest") == 0)
            join_guest(word[1], word[2], word[3]);
        else
            fail(EINVAL, word[0] ? word[0] : "empty");
    }
    return 0;
}
