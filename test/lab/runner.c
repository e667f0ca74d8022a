/*
 * Starts programs for the tests. fork() of a Node with its heap takes milliseconds in which Node does nothing else;
 * this process is small. It begins with Node, reads requests from stdin and ends with it.
 *
 *   request   u32 length of what follows, u32 id, u32 milliseconds it may take, u32 words of argv, u32 words of the
 *             environment, i32 bytes of input (-1: /dev/null), then, each with a NUL behind it, the name of a network
 *             namespace (or nothing), the folder to be in, argv, the environment; then the input
 *   answer    u32 id, i32 exit status, or the signal below zero, or errno, u32 flags, u32 bytes of stdout, u32 of
 *             stderr; then these
 *
 * Numbers are little-endian or whatever this machine has; Node reads the same ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A daemon that left its process group may keep the pipes open for ever: this long they are read after the end. */
#define DRAIN_MS 1000
#define TIMED_OUT 1u
#define NOT_STARTED 2u
/* What `ip netns exec` ends with where it cannot do it. */
#define IP_FAILED 255

struct bytes {
    char *at;
    size_t len, room;
};

struct job {
    struct job *next;
    uint32_t id, flags;
    pid_t pid;
    int in, out[2], status, ended;
    struct bytes input, printed[2];
    size_t written;
    long deadline;
};

static struct job *jobs;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

static void add(struct bytes *to, const void *from, size_t len) {
    if (to->len + len > to->room) {
        to->room = 2 * (to->len + len) + 4096;
        to->at = realloc(to->at, to->room);
        if (to->at == NULL) die("realloc");
    }
    memcpy(to->at + to->len, from, len);
    to->len += len;
}

static void say(const void *data, size_t len) {
    for (const char *at = data; len > 0;) {
        ssize_t done = write(1, at, len);
        if (done < 0 && errno == EINTR) continue;
        /* Node has ended. */
        if (done < 0) exit(0);
        at += done;
        len -= done;
    }
}

static void answer(struct job *job) {
    uint32_t head[5] = {job->id, (uint32_t)job->status, job->flags, job->printed[0].len, job->printed[1].len};
    say(head, sizeof head);
    for (int which = 0; which < 2; which++) say(job->printed[which].at, job->printed[which].len);
}

static void close_at(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void forget(struct job *job) {
    for (struct job **at = &jobs; *at != NULL; at = &(*at)->next) {
        if (*at != job) continue;
        *at = job->next;
        break;
    }
    close_at(&job->in);
    for (int which = 0; which < 2; which++) {
        close_at(&job->out[which]);
        free(job->printed[which].at);
    }
    free(job->input.at);
    free(job);
}

/* As `ip netns exec` does (iproute2/lib/namespace.c: netns_switch), with a /sys of its own. */
static const char *enter(const char *name) {
    static char why[512];
    char path[256];
    struct statvfs sys;
    unsigned long flags = 0;
    snprintf(path, sizeof path, "/run/netns/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(why, sizeof why, "Cannot open network namespace \"%s\": %s\n", name, strerror(errno));
        return why;
    }
    const char *what = "setns";
    if (setns(fd, CLONE_NEWNET) == 0) {
        close(fd);
        what = "unshare";
        if (unshare(CLONE_NEWNS) == 0) {
            what = "mount /sys";
            mount("", "/", "none", MS_SLAVE | MS_REC, NULL);
            if (umount2("/sys", MNT_DETACH) != 0 && statvfs("/sys", &sys) == 0 && (sys.f_flag & ST_RDONLY)) {
                flags = MS_RDONLY;
            }
            if (mount(name, "/sys", "sysfs", flags, NULL) == 0) return NULL;
        }
    }
    snprintf(why, sizeof why, "%s of \"%s\" failed: %s\n", what, name, strerror(errno));
    return why;
}

static void run_child(const char *netns, const char *cwd, char **argv, char **env, const int *fds, int report) {
    sigset_t none;
    setsid();
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int fd = 0; fd < 3; fd++) dup2(fds[fd], fd);
    const char *why = netns[0] == '\0' ? NULL : enter(netns);
    if (why != NULL) {
        fputs(why, stderr);
        _exit(IP_FAILED);
    }
    if (chdir(cwd) == 0) {
        environ = env;
        execvp(argv[0], argv);
    }
    int error = errno;
    if (netns[0] != '\0') {
        fprintf(stderr, "exec of \"%s\" failed: %s\n", argv[0], strerror(error));
        _exit(IP_FAILED);
    }
    if (write(report, &error, sizeof error) < 0) _exit(IP_FAILED);
    _exit(IP_FAILED);
}

static void start(struct job *job, const char *netns, const char *cwd, char **argv, char **env) {
    int in[2], out[2], err[2], report[2], error = 0;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || pipe2(report, O_CLOEXEC)) die("pipe2");
    if (job->in == 0 && pipe2(in, O_CLOEXEC)) die("pipe2");
    int with_input = job->in == 0;
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        int fds[3] = {with_input ? in[0] : null, out[1], err[1]};
        run_child(netns, cwd, argv, env, fds, report[1]);
    }
    close(null);
    close(out[1]);
    close(err[1]);
    close(report[1]);
    job->pid = pid;
    job->in = -1;
    if (with_input) {
        close(in[0]);
        job->in = in[1];
        fcntl(job->in, F_SETFL, O_NONBLOCK);
    }
    job->out[0] = out[0];
    job->out[1] = err[0];
    for (int which = 0; which < 2; which++) fcntl(job->out[which], F_SETFL, O_NONBLOCK);
    /* Until it runs: programs begin in the order in which they were asked for. */
    while (read(report[0], &error, sizeof error) < 0 && errno == EINTR) {}
    close(report[0]);
    if (error == 0) return;
    waitpid(pid, NULL, 0);
    job->status = error;
    job->flags |= NOT_STARTED;
    answer(job);
    forget(job);
}

static char **words(char **at, uint32_t count) {
    char **list = calloc(count + 1, sizeof *list);
    if (list == NULL) die("calloc");
    for (uint32_t which = 0; which < count; which++) {
        list[which] = *at;
        *at += strlen(*at) + 1;
    }
    return list;
}

static void request(char *at) {
    uint32_t id, ms, argc, envc;
    int32_t input;
    memcpy(&id, at, 4);
    memcpy(&ms, at + 4, 4);
    memcpy(&argc, at + 8, 4);
    memcpy(&envc, at + 12, 4);
    memcpy(&input, at + 16, 4);
    at += 20;
    char **places = words(&at, 2);
    char **argv = words(&at, argc);
    char **env = words(&at, envc);
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) die("calloc");
    job->id = id;
    job->in = input < 0 ? -1 : 0;
    job->out[0] = job->out[1] = -1;
    job->deadline = now_ms() + ms;
    if (input > 0) add(&job->input, at, input);
    job->next = jobs;
    jobs = job;
    start(job, places[0], places[1], argv, env);
    free(places);
    free(argv);
    free(env);
}

/* Whole requests are done and taken away. False: Node has ended. */
static int take_requests(struct bytes *asked) {
    char some[65536];
    ssize_t got = read(0, some, sizeof some);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    if (got == 0) return 0;
    add(asked, some, got);
    size_t done = 0;
    for (uint32_t len; asked->len - done >= 4; done += 4 + len) {
        memcpy(&len, asked->at + done, 4);
        if (asked->len - done < 4 + (size_t)len) break;
        request(asked->at + done + 4);
    }
    memmove(asked->at, asked->at + done, asked->len - done);
    asked->len -= done;
    return 1;
}

static void write_input(struct job *job) {
    ssize_t done = 0;
    if (job->written < job->input.len) {
        done = write(job->in, job->input.at + job->written, job->input.len - job->written);
    }
    if (done > 0) job->written += done;
    /* A program that ends without reading its input is no error of the test. */
    if ((done < 0 && errno != EAGAIN && errno != EINTR) || job->written == job->input.len) close_at(&job->in);
}

static void read_output(struct job *job, int which) {
    char some[65536];
    ssize_t got = read(job->out[which], some, sizeof some);
    if (got > 0) add(&job->printed[which], some, got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR)) close_at(&job->out[which]);
}

static void note_ends(int signals) {
    struct signalfd_siginfo info;
    int status;
    if (read(signals, &info, sizeof info) < 0) return;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (struct job *job = jobs; job != NULL; job = job->next) {
            if (job->pid != pid || job->ended) continue;
            job->ended = 1;
            job->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
            job->deadline = now_ms() + DRAIN_MS;
        }
    }
}

static void look_at_the_clock(struct job *job) {
    if (now_ms() < job->deadline) return;
    if (job->ended) {
        for (int which = 0; which < 2; which++) close_at(&job->out[which]);
    } else if (!(job->flags & TIMED_OUT)) {
        job->flags |= TIMED_OUT;
        kill(-job->pid, SIGKILL);
    }
}

int main(void) {
    struct bytes asked = {0};
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) die("signalfd");
    for (;;) {
        size_t count = 2;
        long wait = -1, now = now_ms();
        for (struct job *job = jobs; job != NULL; job = job->next) {
            count += 3;
            if (job->flags & TIMED_OUT && !job->ended) continue;
            long left = job->deadline > now ? job->deadline - now : 0;
            if (wait < 0 || left < wait) wait = left;
        }
        struct pollfd *fds = calloc(count, sizeof *fds);
        if (fds == NULL) die("calloc");
        fds[0] = (struct pollfd){.fd = 0, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = signals, .events = POLLIN};
        size_t at = 2;
        for (struct job *job = jobs; job != NULL; job = job->next) {
            fds[at++] = (struct pollfd){.fd = job->in, .events = POLLOUT};
            for (int which = 0; which < 2; which++) {
                fds[at++] = (struct pollfd){.fd = job->out[which], .events = POLLIN};
            }
        }
        if (poll(fds, count, wait) < 0 && errno != EINTR) die("poll");
        at = 2;
        for (struct job *job = jobs; job != NULL; job = job->next, at += 3) {
            if (fds[at].revents != 0 && job->in >= 0) write_input(job);
            for (int which = 0; which < 2; which++) {
                if (fds[at + 1 + which].revents != 0 && job->out[which] >= 0) read_output(job, which);
            }
        }
        if (fds[1].revents != 0) note_ends(signals);
        for (struct job *job = jobs, *next; job != NULL; job = next) {
            next = job->next;
            look_at_the_clock(job);
            if (!job->ended || job->out[0] >= 0 || job->out[1] >= 0) continue;
            answer(job);
            forget(job);
        }
        /* Last: it makes new jobs. */
        if (fds[0].revents != 0 && !take_requests(&asked)) return 0;
        free(fds);
    }
}
