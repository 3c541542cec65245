/* Inject: puts packets into a kernel of its own and says how far they came. Driven by inject.ts over stdin and stdout.
 *
 * It makes its network namespace itself and touches no other one. Each interface is a TAP: write(2) on it runs the whole
 * receive path before it returns, so nothing is lost or queued. Packets of the host go through raw sockets bound to the
 * interface by which they leave. How far a packet came is told by sets that the rules of inject.ts fill by packet number.
 *
 *   inject FILE
 *
 * A command is a letter, a length (32 bits, of this machine's byte order) and so many bytes; the answer is a status
 * (0, or an errno), a length and so many bytes. Packets stand in FILE instead: a pipe would hand over the processor
 * dozens of times for them, and on a busy machine each time is long.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DEVICES = 512, MOST_SENDERS = 512, LONGEST = 2048, ETHERNET = 14 };
enum { ARRIVES = 0, LEAVES = 1 };
enum { NO_ENTRY = 0, OWN_ENTRY = 1, QUOTED_ENTRY = 2 };
/* So the rules of inject.ts know the packets of the raw sockets; a firewall hardly ever looks at it. */
enum { PRIORITY = 6 };
/* As probe-rules.ts has it. */
enum { WAY_TABLE = 99 };

/* One packet, as probe-packet.ts writes it. */
struct probe {
  uint16_t id;
  uint8_t family, way;
  uint16_t device;
  uint8_t proto, tcpflags;
  uint8_t src[16], dst[16];
  uint16_t sport, dport; /* icmp: identifier; type and code */
  uint8_t ttl, tos;
  uint16_t length; /* with the IP header; what is too short for the headers is made long enough */
  uint8_t smac[6], dmac[6];
  uint32_t uid, gid, mark, ctmark;
  uint8_t entry, reserved[3];
};
_Static_assert(sizeof(struct probe) == 80, "probe-packet.ts writes 80 bytes");

static struct device {
  char name[IFNAMSIZ];
  int fd, index;
} devices[MOST_DEVICES];
static int device_count;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* --- headers --------------------------------------------------------------------------------------------------- */

static uint32_t sum16(const uint8_t *bytes, size_t length, uint32_t sum) {
  for (size_t i = 0; i + 1 < length; i += 2) sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
  return length & 1 ? sum + ((uint32_t)bytes[length - 1] << 8) : sum;
}

static uint16_t folded(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

/* CRC-32C as SCTP has it (RFC 9260, appendix A). */
static uint32_t crc32c(const uint8_t *bytes, size_t length) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < length; i++) {
    crc ^= bytes[i];
    for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
}

static void put16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value);
}

static int is_icmp(const struct probe *p) {
  return p->proto == (p->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static size_t ip_header(uint8_t *at, const struct probe *p, uint8_t proto, const uint8_t *src, const uint8_t *dst,
                        size_t payload) {
  if (p->family == 4) {
    memset(at, 0, 20);
    at[0] = 0x45;
    at[1] = p->tos;
    put16(at + 2, (uint32_t)(20 + payload));
    put16(at + 4, p->id);
    at[8] = p->ttl;
    at[9] = proto;
    memcpy(at + 12, src, 4);
    memcpy(at + 16, dst, 4);
    put16(at + 10, folded(sum16(at, 20, 0)));
    return 20;
  }
  put32(at, 6u << 28 | (uint32_t)p->tos << 20 | p->id); /* the flow label carries the number */
  put16(at + 4, (uint32_t)payload);
  at[6] = proto;
  at[7] = p->ttl;
  memcpy(at + 8, src, 16);
  memcpy(at + 24, dst, 16);
  return 40;
}

/* The transport header, without checksum; gives its length. */
static size_t transport(uint8_t *at, const struct probe *p, uint16_t payload) {
  switch (p->proto) {
  case IPPROTO_TCP:
    memset(at, 0, 20);
    /* A reset answers with what it was sent: the number stands above what is added for flags. */
    put32(at + 4, (uint32_t)p->id << 12);
    put32(at + 8, (uint32_t)p->id << 12);
    at[12] = 5 << 4;
    at[13] = p->tcpflags;
    put16(at + 14, 64240);
    break;
  case IPPROTO_UDP:
  case IPPROTO_UDPLITE:
    memset(at, 0, 8);
    put16(at + 4, payload);
    break;
  case IPPROTO_SCTP: /* an INIT chunk (RFC 9260, 3.3.2) */
    memset(at, 0, 32);
    at[12] = 1;
    put16(at + 14, 20);
    put32(at + 16, 1);
    put32(at + 20, 65536);
    put16(at + 24, 1);
    put16(at + 26, 1);
    put32(at + 28, p->id);
    break;
  case IPPROTO_DCCP: /* a request (RFC 4340, 5.1) */
    memset(at, 0, 20);
    at[4] = 5;
    at[8] = 1;
    break;
  default:
    memset(at, 0, 16);
    return 16;
  }
  put16(at, p->sport);
  put16(at + 2, p->dport);
  return p->proto == IPPROTO_SCTP ? 32 : p->proto == IPPROTO_TCP || p->proto == IPPROTO_DCCP ? 20 : 8;
}

static void checksum(uint8_t *ip, const struct probe *p, size_t header, size_t payload) {
  static const uint8_t places[256] = {
      [IPPROTO_TCP] = 16, [IPPROTO_UDP] = 6, [IPPROTO_UDPLITE] = 6, [IPPROTO_DCCP] = 6};
  uint8_t *at = ip + header;
  if (p->proto == IPPROTO_SCTP) {
    uint32_t crc = crc32c(at, payload);
    memcpy(at + 8, &crc, 4);
    return;
  }
  size_t place = is_icmp(p) ? 2 : places[p->proto];
  if (place == 0) return;
  size_t addresses = p->family == 4 ? 8 : 32;
  uint32_t pseudo = p->proto == IPPROTO_ICMP ? 0 : sum16(ip + (p->family == 4 ? 12 : 8), addresses, p->proto + (uint32_t)payload);
  uint16_t sum = folded(sum16(at, payload, pseudo));
  put16(at + place, p->proto == IPPROTO_UDP && sum == 0 ? 0xffff : sum);
}

static int is_error(const struct probe *p) {
  int type = p->dport >> 8;
  if (p->family == 6) return type >= 1 && type <= 4;
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* The whole packet from the IP header on; gives its length. An ICMP error quotes a datagram of its receiver. */
static size_t build(uint8_t *ip, const struct probe *p) {
  size_t header = p->family == 4 ? 20 : 40, payload;
  uint8_t *at = ip + header;
  memset(at, 0, LONGEST - header - ETHERNET);
  if (is_icmp(p)) {
    put16(at, p->dport);
    if (is_error(p)) {
      struct probe quoted = *p;
      quoted.proto = IPPROTO_UDP;
      quoted.dport = p->sport;
      size_t inner = ip_header(at + 8, &quoted, IPPROTO_UDP, p->dst, p->src, 8);
      payload = 8 + inner + transport(at + 8 + inner, &quoted, 8);
    } else {
      put16(at + 4, p->sport);
      payload = p->family == 4 ? 8 : 32;
    }
  } else {
    payload = transport(at, p, 8);
  }
  if (p->length > header + payload && p->length < LONGEST - ETHERNET) {
    payload = p->length - header;
    if (p->proto == IPPROTO_UDP) put16(at + 4, (uint32_t)payload);
  }
  ip_header(ip, p, p->proto, p->src, p->dst, payload);
  checksum(ip, p, header, payload);
  return header + payload;
}

/* --- ways in --------------------------------------------------------------------------------------------------- */

static int open_device(const char *name) {
  if (device_count == MOST_DEVICES) return ENOSPC;
  struct device *device = &devices[device_count];
  snprintf(device->name, sizeof device->name, "%s", name);
  if (strcmp(name, "lo") == 0) {
    device->fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (device->fd < 0) return errno;
  } else {
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    device->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (device->fd < 0 || ioctl(device->fd, TUNSETIFF, &request) != 0) return errno;
  }
  device->index = (int)if_nametoindex(name);
  device_count++;
  return 0;
}

static int arrive(const struct probe *p) {
  static uint8_t frame[LONGEST];
  struct device *device = &devices[p->device];
  memcpy(frame, p->dmac, 6);
  memcpy(frame + 6, p->smac, 6);
  put16(frame + 12, p->family == 4 ? ETH_P_IP : ETH_P_IPV6);
  size_t length = ETHERNET + build(frame + ETHERNET, p);
  ssize_t done;
  if (strcmp(device->name, "lo") == 0) {
    struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = device->index};
    where.sll_protocol = htons(p->family == 4 ? ETH_P_IP : ETH_P_IPV6);
    done = sendto(device->fd, frame, length, 0, (struct sockaddr *)&where, sizeof where);
  } else {
    done = write(device->fd, frame, length);
  }
  return done == (ssize_t)length ? 0 : errno;
}

/* A raw socket that belongs to the user and the group of the packet, leaves by its interface and bears its mark. */
static int sender(const struct probe *p) {
  static struct {
    uint32_t uid, gid, mark;
    uint16_t device;
    uint8_t family;
    int fd;
  } senders[MOST_SENDERS];
  static int count;
  int i;
  for (i = 0; i < count; i++)
    if (senders[i].uid == p->uid && senders[i].gid == p->gid && senders[i].mark == p->mark &&
        senders[i].device == p->device && senders[i].family == p->family)
      return senders[i].fd;
  if (count == MOST_SENDERS) {
    for (i = 0; i < count; i++) close(senders[i].fd);
    count = 0;
  }
  /* The rules ask for the file system ids that a socket was made with (nft_meta.c, xt_owner.c). */
  setfsgid(p->gid);
  setfsuid(p->uid);
  int mine = (uint32_t)setfsgid((gid_t)-1) == p->gid && (uint32_t)setfsuid((uid_t)-1) == p->uid;
  int fd = mine ? socket(p->family == 4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW) : -1;
  int error = mine ? errno : EPERM;
  setfsuid(0);
  setfsgid(0);
  if (fd < 0) {
    errno = error;
    return -1;
  }
  int on = 1, priority = PRIORITY;
  const char *name = devices[p->device].name;
  if (setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority) != 0) fail("SO_PRIORITY");
  if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) != 0) fail("SO_BROADCAST");
  if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1) != 0) fail(name);
  if (p->mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &p->mark, sizeof p->mark) != 0) fail("SO_MARK");
  senders[count].uid = p->uid;
  senders[count].gid = p->gid;
  senders[count].mark = p->mark;
  senders[count].device = p->device;
  senders[count].family = p->family;
  senders[count].fd = fd;
  return senders[count++].fd;
}

static int leave(const struct probe *p) {
  static uint8_t packet[LONGEST];
  int fd = sender(p);
  if (fd < 0) return errno;
  size_t length = build(packet, p);
  struct sockaddr_in v4 = {.sin_family = AF_INET};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_scope_id = (uint32_t)devices[p->device].index};
  memcpy(&v4.sin_addr, p->dst, 4);
  memcpy(&v6.sin6_addr, p->dst, 16);
  struct sockaddr *to = p->family == 4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
  ssize_t done = sendto(fd, packet, length, 0, to, p->family == 4 ? sizeof v4 : sizeof v6);
  /* A packet that a rule drops gives EPERM; whether it began its way, the sets tell. */
  return done == (ssize_t)length || errno == EPERM ? 0 : errno;
}

/* The host takes in what is sent to a group that it has joined; once for each interface and group. */
static void join_group(const struct probe *p) {
  static int fd = -1;
  static uint8_t joined[MOST_DEVICES][8][4];
  if (p->family != 4 || p->way != ARRIVES || (p->dst[0] & 0xf0) != 0xe0) return;
  int i;
  for (i = 0; i < 8 && joined[p->device][i][0] != 0; i++)
    if (memcmp(joined[p->device][i], p->dst, 4) == 0) return;
  if (i < 8) memcpy(joined[p->device][i], p->dst, 4);
  if (fd < 0) fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct ip_mreqn request = {.imr_ifindex = devices[p->device].index};
  memcpy(&request.imr_multiaddr, p->dst, 4);
  setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
}

/* --- netlink --------------------------------------------------------------------------------------------------- */

struct message {
  struct nlmsghdr header;
  struct nfgenmsg general;
  uint8_t rest[1024];
};

static int netlink_socket(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER), size = 1 << 25;
  if (fd < 0) fail("netlink");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  return fd;
}

static void begin(struct message *m, int subsystem, int type, int flags, uint8_t family) {
  memset(&m->general, 0, sizeof m->general);
  m->header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof m->general)};
  m->header.nlmsg_type = (uint16_t)(subsystem << 8 | type);
  m->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
  m->general.nfgen_family = family;
}

static struct nlattr *put(struct message *m, int type, const void *data, size_t length) {
  struct nlattr *at = (struct nlattr *)((uint8_t *)m + m->header.nlmsg_len);
  at->nla_type = (uint16_t)type;
  at->nla_len = (uint16_t)(NLA_HDRLEN + length);
  memset((uint8_t *)at + NLA_HDRLEN, 0, NLA_ALIGN(length));
  if (length > 0) memcpy((uint8_t *)at + NLA_HDRLEN, data, length);
  m->header.nlmsg_len += (uint32_t)(NLA_HDRLEN + NLA_ALIGN(length));
  return at;
}

static struct nlattr *open_nest(struct message *m, int type) { return put(m, type | NLA_F_NESTED, 0, 0); }

static void close_nest(struct message *m, struct nlattr *nest) {
  nest->nla_len = (uint16_t)((uint8_t *)m + m->header.nlmsg_len - (uint8_t *)nest);
}

/* Sends and waits for the acknowledgement; gives its errno. */
static int transact(int fd, const struct message *m) {
  uint8_t answer[8192];
  if (send(fd, m, m->header.nlmsg_len, 0) < 0) return errno;
  for (;;) {
    ssize_t length = recv(fd, answer, sizeof answer, 0);
    if (length < 0) return errno;
    struct nlmsghdr *header = (struct nlmsghdr *)answer;
    if (header->nlmsg_type == NLMSG_ERROR) return -((struct nlmsgerr *)NLMSG_DATA(header))->error;
  }
}

static void put_tuple(struct message *m, int type, const struct probe *p, const uint8_t *src, const uint8_t *dst,
                      uint8_t proto, uint16_t sport, uint16_t dport, int reply) {
  struct nlattr *tuple = open_nest(m, type), *part = open_nest(m, CTA_TUPLE_IP);
  int v4 = p->family == 4;
  put(m, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, src, v4 ? 4 : 16);
  put(m, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, dst, v4 ? 4 : 16);
  close_nest(m, part);
  part = open_nest(m, CTA_TUPLE_PROTO);
  put(m, CTA_PROTO_NUM, &proto, 1);
  uint16_t id = htons(p->sport), from = htons(sport), to = htons(dport);
  if (proto == IPPROTO_ICMP) {
    uint8_t echo = reply ? 0 : 8, code = 0;
    put(m, CTA_PROTO_ICMP_ID, &id, 2);
    put(m, CTA_PROTO_ICMP_TYPE, &echo, 1);
    put(m, CTA_PROTO_ICMP_CODE, &code, 1);
  } else if (proto == IPPROTO_ICMPV6) {
    uint8_t echo = reply ? 129 : 128, code = 0;
    put(m, CTA_PROTO_ICMPV6_ID, &id, 2);
    put(m, CTA_PROTO_ICMPV6_TYPE, &echo, 1);
    put(m, CTA_PROTO_ICMPV6_CODE, &code, 1);
  } else {
    put(m, CTA_PROTO_SRC_PORT, &from, 2);
    put(m, CTA_PROTO_DST_PORT, &to, 2);
  }
  close_nest(m, part);
  close_nest(m, tuple);
}

/* The flow that the packet belongs to, or that it quotes: replied to and assured. */
static int add_entry(int fd, const struct probe *p) {
  struct message m;
  uint32_t status = htonl(IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED), timeout = htonl(3600);
  uint32_t mark = htonl(p->ctmark);
  begin(&m, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
        p->family == 4 ? AF_INET : AF_INET6);
  if (p->entry == QUOTED_ENTRY) {
    put_tuple(&m, CTA_TUPLE_ORIG, p, p->dst, p->src, IPPROTO_UDP, p->sport, p->sport, 0);
    put_tuple(&m, CTA_TUPLE_REPLY, p, p->src, p->dst, IPPROTO_UDP, p->sport, p->sport, 1);
  } else {
    put_tuple(&m, CTA_TUPLE_ORIG, p, p->src, p->dst, p->proto, p->sport, p->dport, 0);
    put_tuple(&m, CTA_TUPLE_REPLY, p, p->dst, p->src, p->proto, p->dport, p->sport, 1);
    if (p->proto == IPPROTO_TCP) {
      uint8_t state = TCP_CONNTRACK_ESTABLISHED, liberal[2] = {IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL};
      struct nlattr *info = open_nest(&m, CTA_PROTOINFO), *tcp = open_nest(&m, CTA_PROTOINFO_TCP);
      put(&m, CTA_PROTOINFO_TCP_STATE, &state, 1);
      put(&m, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, liberal, 2);
      put(&m, CTA_PROTOINFO_TCP_FLAGS_REPLY, liberal, 2);
      close_nest(&m, tcp);
      close_nest(&m, info);
    }
  }
  put(&m, CTA_STATUS, &status, 4);
  put(&m, CTA_TIMEOUT, &timeout, 4);
  put(&m, CTA_MARK, &mark, 4);
  return transact(fd, &m);
}

static int change_route(int fd, int type, int flags, uint8_t family, int index) {
  struct {
    struct nlmsghdr header;
    struct rtmsg route;
    struct nlattr attr;
    int index;
  } m = {0};
  m.header.nlmsg_len = NLMSG_LENGTH(sizeof m.route) + (index == 0 ? 0 : 8);
  m.header.nlmsg_type = (uint16_t)type;
  m.header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
  m.route.rtm_family = family;
  m.route.rtm_table = WAY_TABLE;
  m.route.rtm_protocol = RTPROT_STATIC;
  m.route.rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  m.route.rtm_type = type == RTM_DELROUTE ? RTN_UNSPEC : RTN_UNICAST;
  m.attr = (struct nlattr){.nla_len = 8, .nla_type = RTA_OIF};
  m.index = index;
  if (send(fd, &m, m.header.nlmsg_len, 0) < 0) return errno;
  uint8_t answer[4096];
  ssize_t length = recv(fd, answer, sizeof answer, 0);
  if (length < 0) return errno;
  return -((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)answer))->error;
}

/* Everything that comes in goes out of this device; without one the next table is asked, which leads to the host. */
static int choose_way(const uint8_t *data, uint32_t length) {
  static int fd = -1;
  static const uint8_t families[] = {AF_INET, AF_INET6};
  uint32_t place;
  if (length != sizeof place) return EINVAL;
  memcpy(&place, data, sizeof place);
  if (fd < 0) fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  for (int i = 0; i < 2; i++) {
    int error = change_route(fd, RTM_DELROUTE, 0, families[i], 0);
    if (error != 0 && error != ESRCH) return error;
    if (place >= (uint32_t)device_count) continue;
    error = change_route(fd, RTM_NEWROUTE, NLM_F_CREATE, families[i], devices[place].index);
    if (error != 0) return error;
  }
  return 0;
}

static int flush_entries(int fd) {
  struct message m;
  begin(&m, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, AF_UNSPEC);
  return transact(fd, &m);
}

static const struct nlattr *next_attr(const struct nlattr *at) {
  return (const struct nlattr *)((const uint8_t *)at + NLA_ALIGN(at->nla_len));
}

#define EACH(at, from, end)                                                    \
  for (const struct nlattr *at = (const struct nlattr *)(from);                \
       (const uint8_t *)at + NLA_HDRLEN <= (const uint8_t *)(end) && at->nla_len >= NLA_HDRLEN; at = next_attr(at))
#define DATA(at) ((const uint8_t *)(at) + NLA_HDRLEN)
#define END(at) ((const uint8_t *)(at) + (at)->nla_len)
#define TYPE(at) ((at)->nla_type & NLA_TYPE_MASK)

/* Sets `bit` in flags[number] for each number in the set; `shift` bits below the number do not count. */
static int read_set(int fd, const char *name, int shift, uint8_t bit, uint8_t *flags) {
  static uint8_t buffer[1 << 18];
  struct message m;
  begin(&m, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSETELEM, NLM_F_DUMP, NFPROTO_INET);
  put(&m, NFTA_SET_ELEM_LIST_TABLE, "probe", 6);
  put(&m, NFTA_SET_ELEM_LIST_SET, name, strlen(name) + 1);
  if (send(fd, &m, m.header.nlmsg_len, 0) < 0) return errno;
  for (;;) {
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length < 0) return errno;
    for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, length); h = NLMSG_NEXT(h, length)) {
      if (h->nlmsg_type == NLMSG_DONE) return 0;
      if (h->nlmsg_type == NLMSG_ERROR) return -((struct nlmsgerr *)NLMSG_DATA(h))->error;
      const uint8_t *end = (const uint8_t *)h + h->nlmsg_len;
      EACH(list, (uint8_t *)NLMSG_DATA(h) + sizeof(struct nfgenmsg), end) {
        if (TYPE(list) != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
        EACH(element, DATA(list), END(list)) EACH(part, DATA(element), END(element)) {
          if (TYPE(part) != NFTA_SET_ELEM_KEY) continue;
          EACH(value, DATA(part), END(part)) {
            const uint8_t *key = DATA(value);
            uint32_t number = (uint32_t)key[0] << 8 | key[1];
            if (value->nla_len - NLA_HDRLEN == 4) number = number << 16 | (uint32_t)key[2] << 8 | key[3];
            flags[(number >> shift) & 0xffff] |= bit;
          }
        }
      }
    }
  }
}

/* For each family and number a byte: 1 began its way, 2 came to its end, 4 was answered with an error or a reset. */
static int read_sets(int fd, uint8_t *flags) {
  static const struct {
    const char *name;
    int shift, bit;
  } sets[] = {{"seen", 0, 1}, {"done", 0, 2}, {"quoted", 0, 4}, {"resets", 12, 4}};
  char name[16];
  memset(flags, 0, 2 * 65536);
  for (int family = 0; family < 2; family++)
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
      snprintf(name, sizeof name, "%s%d", sets[i].name, family == 0 ? 4 : 6);
      int error = read_set(fd, name, sets[i].shift, (uint8_t)sets[i].bit, flags + family * 65536);
      if (error != 0) return error;
    }
  return 0;
}

/* --- commands -------------------------------------------------------------------------------------------------- */

static void answer(int status, const void *data, uint32_t length) {
  uint32_t head[2] = {(uint32_t)status, length};
  if (fwrite(head, sizeof head, 1, stdout) != 1) exit(1);
  if (length > 0 && fwrite(data, length, 1, stdout) != 1) exit(1);
  fflush(stdout);
}

/* What the kernel traced since it was last asked, message by message behind the number of the packet. */
static size_t traced(int fd, uint32_t number, uint8_t **out, size_t used, size_t *room) {
  static uint8_t buffer[1 << 16];
  for (;;) {
    ssize_t length = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length < 0) {
      if (errno == EAGAIN) return used;
      fail("trace");
    }
    if (used + 8 + (size_t)length > *room) {
      *room = 2 * (*room + (size_t)length) + 65536;
      *out = realloc(*out, *room);
      if (*out == 0) fail("trace");
    }
    uint32_t head[2] = {number, (uint32_t)length};
    memcpy(*out + used, head, 8);
    memcpy(*out + used + 8, buffer, (size_t)length);
    used += 8 + (size_t)length;
  }
}

static void drain_devices(void) {
  uint8_t frame[65536];
  for (int i = 0; i < device_count; i++)
    if (strcmp(devices[i].name, "lo") != 0)
      while (read(devices[i].fd, frame, sizeof frame) > 0) continue;
}

static void send_probes(int netlink, const char *path, int trace) {
  struct stat file;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &file) != 0) fail(path);
  uint8_t *data = malloc((size_t)file.st_size + 1);
  if (data == 0 || read(fd, data, (size_t)file.st_size) != file.st_size) fail(path);
  close(fd);
  uint32_t count = (uint32_t)((size_t)file.st_size / sizeof(struct probe));
  uint8_t *errors = calloc(count + 1, 1), *traces = 0;
  size_t used = 0, room = 0;
  for (uint32_t i = 0; i < count; i++) {
    struct probe p;
    memcpy(&p, data + i * sizeof p, sizeof p);
    if (p.device >= device_count) {
      errors[i] = ENODEV;
      continue;
    }
    join_group(&p);
    if (p.entry != NO_ENTRY) errors[i] = (uint8_t)add_entry(netlink, &p);
  }
  for (uint32_t i = 0; i < count; i++) {
    struct probe p;
    memcpy(&p, data + i * sizeof p, sizeof p);
    if (errors[i] != 0) continue;
    errors[i] = (uint8_t)(p.way == LEAVES ? leave(&p) : arrive(&p));
    if (trace >= 0) used = traced(trace, i, &traces, used, &room);
  }
  drain_devices();
  if (trace >= 0) answer(0, traces, (uint32_t)used);
  else answer(0, errors, count);
  free(data);
  free(errors);
  free(traces);
}

static int trace_socket(void) {
  int fd = netlink_socket(), group = NFNLGRP_NFTRACE;
  struct sockaddr_nl self = {.nl_family = AF_NETLINK};
  if (bind(fd, (struct sockaddr *)&self, sizeof self) != 0) fail("bind");
  if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) fail("trace group");
  return fd;
}

static void enter_private_network(void) {
  struct stat before, after;
  if (stat("/proc/self/ns/net", &before) != 0) fail("/proc/self/ns/net");
  if (unshare(CLONE_NEWNET) != 0) fail("unshare");
  if (stat("/proc/self/ns/net", &after) != 0) fail("/proc/self/ns/net");
  if (before.st_ino == after.st_ino && before.st_dev == after.st_dev) {
    fputs("expected a network namespace of its own, got the one it was started in\n", stderr);
    exit(1);
  }
}

int main(int count, char **args) {
  if (count != 2) return 2;
  enter_private_network();
  int netlink = netlink_socket();
  int size = 1 << 20;
  setsockopt(1, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  answer(0, "ready", 5);
  uint8_t letter, *data = 0;
  uint32_t length;
  static uint8_t flags[2 * 65536];
  while (fread(&letter, 1, 1, stdin) == 1 && fread(&length, 4, 1, stdin) == 1) {
    data = realloc(data, length + 1);
    if (data == 0 || (length > 0 && fread(data, length, 1, stdin) != 1)) return 1;
    data[length] = 0;
    switch (letter) {
    case 'd': { /* one more device */
      int status = open_device((const char *)data), index = devices[device_count > 0 ? device_count - 1 : 0].index;
      answer(status, &index, sizeof index);
      break;
    }
    case 'p': /* packets */
      send_probes(netlink, args[1], -1);
      break;
    case 't': { /* packets, traced */
      int trace = trace_socket();
      send_probes(netlink, args[1], trace);
      close(trace);
      break;
    }
    case 'w': /* which way out */
      answer(choose_way(data, length), 0, 0);
      break;
    case 'f': /* forget all flows */
      answer(flush_entries(netlink), 0, 0);
      break;
    case 'v': { /* how far all packets came */
      int status = read_sets(netlink, flags);
      answer(status, flags, sizeof flags);
      break;
    }
    default:
      answer(EINVAL, 0, 0);
    }
  }
  return 0;
}
