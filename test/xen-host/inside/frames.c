// Sends and records raw Ethernet frames. Built static, so the same file runs in dom0 and in a guest's initrd.
//
//   frames send  DEV FRAMES [ID...]                     each frame once; without an ID all of FRAMES
//   frames flood DEV FRAMES SECONDS PER_SECOND [ID...]  round and round until then or SIGTERM, also while DEV comes
//                                                       and goes
//   frames watch DEV FRAMES [in|out|all]                one line a frame until killed: "MILLISECONDS ID" or
//                                                       "MILLISECONDS ? HEX"
//
// FRAMES: lines "ID HEX". A received frame is named by its bytes; zero padding behind it does not count.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FRAMES 1024
#define MAX_BYTES 10000

struct frame {
  char id[32];
  int length;
  unsigned char *bytes;
};

static struct frame frames[MAX_FRAMES];
static int count;
static volatile sig_atomic_t stopped;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

static void die(const char *what) {
  fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
  exit(1);
}

static long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void read_frames(const char *path) {
  static char line[2 * MAX_BYTES + 64], hex[2 * MAX_BYTES + 1];
  FILE *file = fopen(path, "r");
  if (!file) die(path);
  while (count < MAX_FRAMES && fgets(line, sizeof line, file)) {
    struct frame *f = &frames[count];
    if (sscanf(line, "%31s %20000s", f->id, hex) != 2) continue;
    f->length = strlen(hex) / 2;
    f->bytes = malloc(f->length);
    for (int i = 0; i < f->length; i++) {
      unsigned byte;
      if (sscanf(hex + 2 * i, "%2x", &byte) != 1) die("not hex");
      f->bytes[i] = byte;
    }
    count++;
  }
  fclose(file);
}

static int chosen(const struct frame *f, int idc, char **idv) {
  for (int i = 0; i < idc; i++)
    if (!strcmp(f->id, idv[i])) return 1;
  return idc == 0;
}

static int packet_socket(void) {
  int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (fd < 0) die("socket");
  return fd;
}

static int try_send(int fd, int ifindex, const struct frame *f, int flags) {
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = ifindex, .sll_halen = ETH_ALEN};
  memcpy(to.sll_addr, f->bytes, ETH_ALEN);
  return sendto(fd, f->bytes, f->length, flags, (struct sockaddr *)&to, sizeof to) == f->length;
}

static int send_once(const char *dev, int idc, char **idv) {
  int fd = packet_socket(), ifindex = if_nametoindex(dev), sent = 0, failed = 0;
  if (!ifindex) die(dev);
  for (int i = 0; i < count; i++) {
    if (!chosen(&frames[i], idc, idv)) continue;
    if (try_send(fd, ifindex, &frames[i], 0)) sent++;
    else {
      failed++;
      fprintf(stderr, "frames: %s on %s: %s\n", frames[i].id, dev, strerror(errno));
    }
    usleep(2000);  // keeps short queues from overflowing, so that a missing frame means a filter
  }
  printf("sent %d failed %d\n", sent, failed);
  return failed ? 1 : 0;
}

static void bring_up(int fd, const char *dev) {
  struct ifreq r = {0};
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", dev);
  if (ioctl(fd, SIOCGIFFLAGS, &r) == 0 && !(r.ifr_flags & IFF_UP)) {
    r.ifr_flags |= IFF_UP;
    ioctl(fd, SIOCSIFFLAGS, &r);
  }
}

static int flood(const char *dev, double seconds, double rate, int idc, char **idv) {
  // No address family bound: the socket must survive the death of the device.
  int fd = socket(AF_PACKET, SOCK_RAW, 0), appeared = 0, last = 0;
  if (fd < 0) die("socket");
  long long end = now_ms() + (long long)(seconds * 1000);
  signal(SIGTERM, stop);
  unsigned long sent = 0, refused = 0;
  int kept = 0, ifindex = 0;
  for (int i = 0; i < count; i++)
    if (chosen(&frames[i], idc, idv)) frames[kept++] = frames[i];
  for (unsigned long i = 0; kept && !stopped; i++) {
    // A PV guest reads the clock by a system call: not for every frame.
    if (i % 32 == 0 && now_ms() > end) break;
    if (!ifindex && !(ifindex = if_nametoindex(dev))) {
      last = 0;
      usleep(1000);
      continue;
    }
    if (ifindex != last) {
      appeared++;
      last = ifindex;
    }
    // One that slept here for room until netfront's device has gone would wake up in a device without queues, and Linux
    // divides by their number (packet_snd -> dev_queue_xmit -> xennet_select_queue).
    if (try_send(fd, ifindex, &frames[i % kept], MSG_DONTWAIT)) sent++;
    else {
      refused++;
      if (errno == EAGAIN) usleep(200);
      else if (errno != ENOBUFS) {
        ifindex = 0;
        bring_up(fd, dev);
      }
    }
    if (rate > 0) usleep(1000000 / rate);
  }
  printf("sent %lu refused %lu appeared %d\n", sent, refused, appeared);
  return 0;
}

static const char *name_of(const unsigned char *bytes, int length) {
  for (int i = 0; i < count; i++) {
    int n = frames[i].length, k = n;
    if (length < n || memcmp(bytes, frames[i].bytes, n)) continue;
    while (k < length && bytes[k] == 0) k++;
    if (k == length) return frames[i].id;
  }
  return NULL;
}

static _Noreturn void watch(const char *dev, const char *which) {
  static unsigned char raw[MAX_BYTES + 4];
  unsigned char *bytes = raw + 4;
  int fd = packet_socket(), on = 1, size = 8 << 20;
  struct sockaddr_ll here = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(dev)};
  if (!here.sll_ifindex) die(dev);
  if (bind(fd, (struct sockaddr *)&here, sizeof here)) die("bind");
  // The kernel takes an outer VLAN tag off the frame and reports it beside it; the record must show it in its place.
  if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on)) die("PACKET_AUXDATA");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (!strcmp(which, "promiscuous")) {
    // An emulated card filters like a real one: other stations' frames, and groups that nobody has joined.
    struct packet_mreq all = {.mr_ifindex = here.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all)) die("PACKET_MR_PROMISC");
    which = "in";
  }
  printf("%lld watching %s\n", now_ms(), dev);
  fflush(stdout);
  for (;;) {
    struct sockaddr_ll from;
    char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    struct iovec iov = {bytes, MAX_BYTES};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1,
                       .msg_control = control, .msg_controllen = sizeof control};
    int n = recvmsg(fd, &m, 0);
    if (n < 0) {
      if (errno == EINTR || errno == ENETDOWN) continue;
      die("recvmsg");
    }
    int outgoing = from.sll_pkttype == PACKET_OUTGOING;
    if ((outgoing && !strcmp(which, "in")) || (!outgoing && !strcmp(which, "out"))) continue;
    unsigned char *start = bytes;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
      if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
      struct tpacket_auxdata *aux = (struct tpacket_auxdata *)CMSG_DATA(c);
      if (!(aux->tp_status & TP_STATUS_VLAN_VALID) || n < 12) continue;
      unsigned short tpid = aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : ETH_P_8021Q;
      memmove(raw, bytes, 12);
      start = raw;
      start[12] = tpid >> 8;
      start[13] = tpid;
      start[14] = aux->tp_vlan_tci >> 8;
      start[15] = aux->tp_vlan_tci;
      n += 4;
      break;
    }
    const char *id = name_of(start, n);
    if (id) printf("%lld %s\n", now_ms(), id);
    else {
      printf("%lld ? ", now_ms());
      for (int i = 0; i < n; i++) printf("%02x", start[i]);
      putchar('\n');
    }
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_DFL);
  if (argc < 4) {
    fprintf(stderr, "usage: frames send|flood|watch DEV FRAMES ...\n");
    return 2;
  }
  read_frames(argv[3]);
  if (!strcmp(argv[1], "send")) return send_once(argv[2], argc - 4, argv + 4);
  if (!strcmp(argv[1], "watch")) watch(argv[2], argc > 4 ? argv[4] : "in");
  if (!strcmp(argv[1], "flood") && argc >= 6 && count)
    return flood(argv[2], atof(argv[4]), atof(argv[5]), argc - 6, argv + 6);
  fprintf(stderr, "frames: cannot do that\n");
  return 2;
}
