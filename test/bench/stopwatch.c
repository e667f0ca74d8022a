/*
 * Starts programs and takes their time: a small process, so that starting one costs next to nothing and always the
 * same.
 *
 *   stopwatch OUTPUT       what the programs print goes to the file OUTPUT
 *
 * On stdin a line with a number, then as many lines with a program each: its environment, the byte 0x1e, its argv; the
 * words of both are separated by 0x1f. All are started at once. For each, in order, "STATUS WALL USER SYSTEM" is
 * printed, then ". WALL" for all together; times in microseconds, those of the CPU with all children. A status above
 * 255 is 256 + signal.
 *
 * It also plays syslogd: where there is a folder for /dev/log and no such socket, what arrives is read and forgotten.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS 1024
#define MAX_WORDS 128

struct job {
    pid_t pid;
    int status, ended;
    double start, wall, user, system;
};

static struct job jobs[MAX_JOBS];

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double seconds_us(struct timeval t)
{
    return t.tv_sec * 1e6 + t.tv_usec;
}

static void *swallow(void *argument)
{
    char message[8192];
    while (recv(*(int *)argument, message, sizeof message, 0) >= 0)
        ;
    return NULL;
}

static void serve_log(void)
{
    static int fd;
    struct sockaddr_un where = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    pthread_t thread;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&where, sizeof where) == 0)
        pthread_create(&thread, NULL, swallow, &fd);
}

static void split(char *text, char **words)
{
    int n = 0;
    for (char *end; text && *text && n < MAX_WORDS - 1; text = end) {
        end = strchr(text, 0x1f);
        if (end)
            *end++ = 0;
        words[n++] = text;
    }
    words[n] = NULL;
}

static void start(struct job *job, char *line, const posix_spawn_file_actions_t *files)
{
    char *environment[MAX_WORDS], *argv[MAX_WORDS];
    line[strcspn(line, "\n")] = 0;
    char *command = strchr(line, 0x1e);
    if (!command) {
        fprintf(stderr, "no command in: %s\n", line);
        exit(2);
    }
    *command++ = 0;
    split(line, environment);
    split(command, argv);
    job->ended = 0;
    job->start = now_us();
    int error = posix_spawn(&job->pid, argv[0], files, NULL, argv, environment);
    if (error) {
        fprintf(stderr, "%s: %s\n", argv[0], strerror(error));
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static char *lines[MAX_JOBS];
    static size_t sizes[MAX_JOBS];
    char *line = NULL;
    size_t size = 0;
    posix_spawn_file_actions_t files;
    if (argc != 2)
        return 2;
    serve_log();
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    while (getline(&line, &size, stdin) > 0) {
        int count = atoi(line);
        if (count < 1 || count > MAX_JOBS)
            return 2;
        for (int i = 0; i < count; i++)
            if (getline(&lines[i], &sizes[i], stdin) <= 0)
                return 2;
        double begin = now_us();
        for (int i = 0; i < count; i++)
            start(&jobs[i], lines[i], &files);
        for (int left = count; left > 0; left--) {
            struct rusage usage;
            int status;
            pid_t pid = wait4(-1, &status, 0, &usage);
            double end = now_us();
            for (int i = 0; i < count; i++)
                if (jobs[i].pid == pid && !jobs[i].ended) {
                    jobs[i].ended = 1;
                    jobs[i].status = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
                    jobs[i].wall = end - jobs[i].start;
                    jobs[i].user = seconds_us(usage.ru_utime);
                    jobs[i].system = seconds_us(usage.ru_stime);
                }
        }
        double wall = now_us() - begin;
        for (int i = 0; i < count; i++)
            printf("%d %.0f %.0f %.0f\n", jobs[i].status, jobs[i].wall, jobs[i].user, jobs[i].system);
        printf(". %.0f\n", wall);
        fflush(stdout);
    }
    return 0;
}
