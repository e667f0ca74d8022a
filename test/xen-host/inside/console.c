// Waits for what a guest writes on its console, without a process for each look: those are slow under emulation.
//
//   console ready LOG COUNT            until the guest has said "@guest ready" COUNT times
//   console run LOG TTY TAG COMMAND    gives the guest's init a command, prints its output, ends with its exit status
//
// LOG: what xenconsoled writes; TTY: the guest's console in dom0. inside/guest-init answers "@TAG begin", "@TAG end
// STATUS".
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *text;
static size_t length;

// The log so far; xenconsoled may truncate it and begin anew when the guest does.
static void look(const char *path) {
  usleep(20000);
  int fd = open(path, O_RDONLY);
  struct stat s = {0};
  length = 0;
  if (fd >= 0 && fstat(fd, &s) == 0) {
    text = realloc(text, s.st_size + 2);
    text[0] = '\n';
    ssize_t n = read(fd, text + 1, s.st_size);
    length = 1 + (n > 0 ? n : 0);
    text[length] = 0;
  }
  if (fd >= 0) close(fd);
}

static int ready(const char *log, int wanted) {
  for (;;) {
    look(log);
    int found = 0;
    for (char *at = text; length && (at = strstr(at, "\n@guest ready")); at++) found++;
    if (found >= wanted) return 0;
  }
}

static int run(const char *log, const char *tty, const char *tag, const char *command) {
  char begin[64], end[64];
  snprintf(begin, sizeof begin, "\n@%s begin", tag);
  snprintf(end, sizeof end, "\n@%s end ", tag);
  int fd = open(tty, O_WRONLY | O_NOCTTY);
  if (fd < 0 || dprintf(fd, "%s %s\n", tag, command) < 0) {
    fprintf(stderr, "console: %s: %s\n", tty, strerror(errno));
    return 255;
  }
  close(fd);
  for (;;) {
    look(log);
    char *last = length ? strstr(text, end) : NULL;
    if (!last || !strchr(last + 1, '\n')) continue;
    char *first = strstr(text, begin);
    first = first ? strchr(first + 1, '\n') : last;
    if (first < last) fwrite(first + 1, 1, last - first - 1, stdout);
    return atoi(last + strlen(end));
  }
}

int main(int argc, char **argv) {
  if (argc == 4 && !strcmp(argv[1], "ready")) return ready(argv[2], atoi(argv[3]));
  if (argc == 6 && !strcmp(argv[1], "run")) return run(argv[2], argv[3], argv[4], argv[5]);
  fprintf(stderr, "usage: console ready LOG COUNT | console run LOG TTY TAG COMMAND\n");
  return 2;
}
