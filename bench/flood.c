/* Flood: sends packets that each begin a new flow, or takes them in without reading them. For the benchmark of rates.
 *
 *   flood send IFACE DSTMAC DSTADDR PORT udp|tcp CPU MILLISECONDS MOST SEED
 *   flood sink PORT
 *
 * A packet sent into a veth pair is received, filtered and delivered by the kernel before send(2) returns, on the
 * sender's processor and in the sender's time. So the time of this thread is the cost of the whole way, and what other
 * programs do meanwhile is not in it. `send` prints: packets, ns of processor time, ns of wall time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, ETHERNET = 14, LONGEST = 64 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift32 (Marsaglia 2003): each state once in 2^32 - 1 steps, so no flow comes twice. */
static uint32_t next(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static uint32_t sum16(const void *data, size_t length, uint32_t sum) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i + 1 < length; i += 2) sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
  return sum;
}

static uint16_t folded(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

/* From 10.128.0.0/9, a random address and port: 23 bits and about 16 bits. */
static void aim(uint8_t *frame, int tcp, uint32_t random, uint32_t more) {
  struct iphdr *ip = (struct iphdr *)(frame + ETHERNET);
  ip->saddr = htonl(0x0a800000u | (random & 0x7fffffu));
  uint16_t port = htons((uint16_t)(1024 + more % 64000));
  ip->check = 0;
  ip->check = folded(sum16(ip, 20, 0));
  if (!tcp) {
    /* No checksum: zero says so (RFC 768). */
    ((struct udphdr *)(ip + 1))->source = port;
    return;
  }
  struct tcphdr *segment = (struct tcphdr *)(ip + 1);
  segment->source = port;
  segment->seq = random;
  segment->check = 0;
  segment->check = folded(sum16(segment, 20, sum16(&ip->saddr, 8, IPPROTO_TCP + 20)));
}

static int send_flood(char **args) {
  const char *interface = args[0];
  unsigned m[6];
  uint8_t template[LONGEST] = {0};
  if (sscanf(args[1], "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6) return 2;
  for (int i = 0; i < 6; i++) template[i] = (uint8_t)m[i];
  template[6] = 2;
  template[12] = 8; /* 0x0800, IPv4 */
  int tcp = strcmp(args[4], "tcp") == 0;
  uint64_t limit = strtoull(args[6], 0, 10) * 1000000u, most = strtoull(args[7], 0, 10);
  uint32_t state = (uint32_t)strtoul(args[8], 0, 10) * 2654435761u | 1;

  struct iphdr *ip = (struct iphdr *)(template + ETHERNET);
  size_t length = 20 + (tcp ? 20 : 8 + 12);
  ip->version = 4;
  ip->ihl = 5;
  ip->tot_len = htons((uint16_t)length);
  ip->ttl = 64;
  ip->protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP;
  if (inet_pton(AF_INET, args[2], &ip->daddr) != 1) return 2;
  if (tcp) {
    struct tcphdr *segment = (struct tcphdr *)(ip + 1);
    segment->dest = htons((uint16_t)atoi(args[3]));
    segment->doff = 5;
    segment->syn = 1;
    segment->window = htons(64240);
  } else {
    struct udphdr *datagram = (struct udphdr *)(ip + 1);
    datagram->dest = htons((uint16_t)atoi(args[3]));
    datagram->len = htons((uint16_t)(length - 20));
  }

  cpu_set_t processors;
  CPU_ZERO(&processors);
  CPU_SET(atoi(args[5]), &processors);
  if (sched_setaffinity(0, sizeof processors, &processors) != 0) fail("sched_setaffinity");
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
  where.sll_ifindex = (int)if_nametoindex(interface);
  if (bind(fd, (struct sockaddr *)&where, sizeof where) != 0) fail(interface);
  int on = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) fail("PACKET_QDISC_BYPASS");

  static uint8_t frames[BATCH][LONGEST];
  struct iovec vectors[BATCH];
  struct mmsghdr messages[BATCH] = {0};
  for (int i = 0; i < BATCH; i++) {
    memcpy(frames[i], template, LONGEST);
    vectors[i] = (struct iovec){frames[i], ETHERNET + length};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t sent = 0, wall = now(CLOCK_MONOTONIC), begun = now(CLOCK_THREAD_CPUTIME_ID), spent = 0;
  while (sent < most && spent < limit) {
    for (int i = 0; i < BATCH; i++) {
      uint32_t random = next(&state);
      aim(frames[i], tcp, random, next(&state));
    }
    int done = sendmmsg(fd, messages, BATCH, 0);
    if (done < 0) fail("sendmmsg");
    sent += (uint64_t)done;
    spent = now(CLOCK_THREAD_CPUTIME_ID) - begun;
  }
  wall = now(CLOCK_MONOTONIC) - wall;
  printf("%llu %llu %llu\n", (unsigned long long)sent, (unsigned long long)spent, (unsigned long long)wall);
  return 0;
}

/* Sockets that are full from the start: a packet that gets so far ends there, cheaply and without an answer. */
static int sink(const char *port) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0), small = 1;
  setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (bind(udp, (struct sockaddr *)&here, sizeof here) != 0) fail("bind udp");
  if (bind(tcp, (struct sockaddr *)&here, sizeof here) != 0 || listen(tcp, 0) != 0) fail("bind tcp");
  struct sockaddr_in there = here;
  there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  /* A listener of backlog 0 takes one connection that nobody accepts, the smallest buffer a datagram or two. */
  if (connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&there, sizeof there) != 0) fail("connect");
  int out = socket(AF_INET, SOCK_DGRAM, 0);
  for (int i = 0; i < 8; i++) sendto(out, here.sin_zero, 8, 0, (struct sockaddr *)&there, sizeof there);
  puts("ready");
  fflush(stdout);
  char end;
  return read(0, &end, 1) < 0;
}

int main(int count, char **args) {
  if (count == 11 && strcmp(args[1], "send") == 0) return send_flood(args + 2);
  if (count == 3 && strcmp(args[1], "sink") == 0) return sink(args[2]);
  fputs("flood send IFACE DSTMAC DSTADDR PORT udp|tcp CPU MILLISECONDS MOST SEED | flood sink PORT\n", stderr);
  return 2;
}
