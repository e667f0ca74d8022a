// Runs shell commands in dom0 for the harness outside, over a virtio-serial port; several at a time.
//
//   request   RUN <id> <bytes>\n<script>
//   answer    END <id> <status> <bytes of stdout> <bytes of stderr>\n<stdout><stderr>
//
// status: exit status, or 128 + signal. Each script is a process group of its own; "KILL <id> 0\n" ends it.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_JOBS 64

static struct job {
  pid_t pid;
  int id;
} jobs[MAX_JOBS];

static int port;

static void put(const char *data, size_t length) {
  while (length) {
    ssize_t n = write(port, data, length);
    if (n < 0) {
      if (errno == EINTR || errno == EAGAIN) {
        usleep(1000);
        continue;
      }
      return;
    }
    data += n;
    length -= n;
  }
}

static size_t get(char *data, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t n = read(port, data + done, length - done);
    if (n > 0) done += n;
    else usleep(10000);  // 0: nobody is connected outside
  }
  return done;
}

static void path_of(char *path, int id, const char *what) { sprintf(path, "/run/agent/%d.%s", id, what); }

static char *content(int id, const char *what, long *length) {
  char path[64];
  path_of(path, id, what);
  int fd = open(path, O_RDONLY);
  struct stat s = {0};
  if (fd >= 0) fstat(fd, &s);
  char *data = malloc(s.st_size + 1);
  *length = fd >= 0 ? read(fd, data, s.st_size) : 0;
  if (*length < 0) *length = 0;
  if (fd >= 0) close(fd);
  unlink(path);
  return data;
}

static void run(int id, const char *script, long length) {
  char path[64];
  path_of(path, id, "sh");
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (write(fd, script, length) != length) length = 0;
  close(fd);
  pid_t pid = fork();
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    char out[64], err[64];
    path_of(out, id, "out");
    path_of(err, id, "err");
    int null = open("/dev/null", O_RDONLY);
    int o = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), e = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(null, 0);
    dup2(o, 1);
    dup2(e, 2);
    for (int i = 3; i < 256; i++) close(i);
    execl("/bin/bash", "bash", path, (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < MAX_JOBS; i++)
    if (!jobs[i].pid) {
      jobs[i] = (struct job){pid, id};
      return;
    }
}

static void finished(struct job *job, int status) {
  char head[96], path[64];
  long out_length, err_length;
  char *out = content(job->id, "out", &out_length), *err = content(job->id, "err", &err_length);
  int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  int n = sprintf(head, "END %d %d %ld %ld\n", job->id, code, out_length, err_length);
  put(head, n);
  put(out, out_length);
  put(err, err_length);
  free(out);
  free(err);
  path_of(path, job->id, "sh");
  unlink(path);
  job->pid = 0;
}

int main(int argc, char **argv) {
  if (argc != 2 || (port = open(argv[1], O_RDWR | O_CLOEXEC)) < 0) {
    fprintf(stderr, "agent: cannot open %s: %s\n", argc > 1 ? argv[1] : "no port", strerror(errno));
    return 1;
  }
  mkdir("/run/agent", 0700);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  int deaths = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  put("READY\n", 6);
  for (;;) {
    struct pollfd p[2] = {{port, POLLIN, 0}, {deaths, POLLIN, 0}};
    poll(p, 2, 1000);
    struct signalfd_siginfo info;
    while (read(deaths, &info, sizeof info) > 0) {}
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
      for (int i = 0; i < MAX_JOBS; i++)
        if (jobs[i].pid == pid) finished(&jobs[i], status);
    if (p[0].revents & POLLIN) {
      char line[96], verb[8];
      size_t n = 0;
      int id;
      long length;
      do get(line + n, 1);
      while (line[n++] != '\n' && n < sizeof line - 1);
      line[n] = 0;
      if (sscanf(line, "%7s %d %ld", verb, &id, &length) != 3) continue;
      if (!strcmp(verb, "KILL")) {
        for (int i = 0; i < MAX_JOBS; i++)
          if (jobs[i].pid && jobs[i].id == id) kill(-jobs[i].pid, SIGKILL);
        continue;
      }
      char *script = malloc(length + 1);
      get(script, length);
      run(id, script, length);
      free(script);
    } else if (p[0].revents) usleep(20000);  // POLLHUP until the other side connects
  }
}
