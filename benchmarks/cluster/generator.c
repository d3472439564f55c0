/* A load generator that does what redis-benchmark cannot: SETs that are followed by WAIT, keys that go
 * to the node that owns them, answers that are looked at. One thread, one epoll, `-c` connections; each
 * sends a batch of `-P` operations, waits for the whole of its replies, and sends the next.
 *
 *     generator MODE -n OPERATIONS -c CONNECTIONS -P PIPELINE -d BYTES -r KEYS -s SEED [-o] PORT...
 *
 *     set         SET key value                                     an operation is done at +OK
 *     get         GET key
 *     set-wait    SET key value, WAIT 1 0, SET key value, ...       done at its WAIT's reply
 *     sets-wait   P times SET key value, then one WAIT 1 0          all P done at that reply
 *
 * Connection i goes to the i-th PORT, round and round. With -o, 16384 bytes on standard input say which
 * PORT (0, 1, ...) owns each slot, and a connection draws only keys of its own port: a smart client.
 * Keys are redis-benchmark's, key:000000000042. WAIT's 0 is no time limit.
 *
 * Prints one JSON object. Latency runs from handing a batch to the kernel to reading the reply, as
 * in redis-benchmark; it is counted in buckets 1.6 % wide, and a percentile is its bucket's upper end.
 * An error reply, or a WAIT that no replica confirmed, is counted in `errors`, a nil in `misses`. Anything
 * that is not a reply ends the program with status 1 and a sentence.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 16384, PORTS_MAX = 100, KEY_BYTES = 16, NOISE_BYTES = 1 << 20, EVENTS = 256,
       LINE_BYTES_MAX = 65536, SILENCE_MS_MAX = 60000, SUB = 64, SUB_BITS = 6, BUCKETS = (64 - SUB_BITS + 1) * SUB };

typedef enum { SET, GET, SET_WAIT, SETS_WAIT } Mode;

typedef struct {
    int fd, owner, asks_to_write;
    char *out, *in;
    size_t out_bytes, out_sent, in_bytes;
    int operations, replies, replies_due;
    uint64_t began_usec;
} Connection;

static Mode mode;
static long operations = 100000, operations_left, keys = 1000000;
static int connections = 50, pipeline = 1, value_bytes = 100, ports, routed, epoll;
static int port_numbers[PORTS_MAX];
static size_t out_capacity, in_capacity;
static unsigned char owners[SLOTS];
static char noise[NOISE_BYTES];
static uint64_t counts[BUCKETS], done, errors, misses, usec_max, state;
static char first_error[200];

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now_usec(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint64_t draw(void) {                                    /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1DULL;
}

/* ------------------------------------------------------------------------------------- latency */

static int bucket(uint64_t usec) {
    if (usec < SUB) return (int)usec;
    int shift = 63 - __builtin_clzll(usec) - SUB_BITS;
    return (shift + 1) * SUB + (int)((usec >> shift) - SUB);
}

static uint64_t upper_end(int index) {
    if (index < SUB) return index;
    int shift = index / SUB - 1;
    return ((uint64_t)(index % SUB + SUB + 1) << shift) - 1;
}

static void count(uint64_t usec, int times) {
    counts[bucket(usec)] += times;
    done += times;
    if (usec > usec_max) usec_max = usec;
}

static double percentile_ms(double share) {
    uint64_t seen = 0, wanted = (uint64_t)(share / 100 * done + 0.5);
    for (int i = 0; i < BUCKETS; i++) {
        seen += counts[i];
        if (seen >= wanted && seen)
            return (upper_end(i) < usec_max ? upper_end(i) : usec_max) / 1000.0;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------ commands */

static unsigned slot_of(const char *key) {                      /* CRC16/XMODEM, as Redis Cluster */
    static uint16_t table[256];
    if (!table[1])
        for (int i = 0; i < 256; i++) {
            uint16_t crc = i << 8;
            for (int bit = 0; bit < 8; bit++) crc = crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0);
            table[i] = crc;
        }
    uint16_t crc = 0;
    for (int i = 0; i < KEY_BYTES; i++) crc = crc << 8 ^ table[(crc >> 8 ^ (uint8_t)key[i]) & 255];
    return crc % SLOTS;
}

static void draw_key(const Connection *client, char *key) {
    do {
        long number = draw() % keys;
        memcpy(key, "key:", 4);
        for (int i = KEY_BYTES - 1; i >= 4; i--, number /= 10) key[i] = '0' + number % 10;
    } while (routed && owners[slot_of(key)] != client->owner);
}

static char *put(char *to, const char *text) {
    size_t size = strlen(text);
    memcpy(to, text, size);
    return to + size;
}

static char *put_operation(char *to, const Connection *client) {
    to = put(to, mode == GET ? "*2\r\n$3\r\nGET\r\n$16\r\n" : "*3\r\n$3\r\nSET\r\n$16\r\n");
    draw_key(client, to);
    to = put(to + KEY_BYTES, "\r\n");
    if (mode == GET) return to;
    to += sprintf(to, "$%d\r\n", value_bytes);
    memcpy(to, noise + draw() % (NOISE_BYTES - value_bytes), value_bytes);
    return put(to + value_bytes, "\r\n");
}

static const char WAIT[] = "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n";

static void flush(Connection *client) {
    while (client->out_sent < client->out_bytes) {
        ssize_t sent = write(client->fd, client->out + client->out_sent,
                             client->out_bytes - client->out_sent);
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) fail("write: %s", strerror(errno));
        client->out_sent += sent;
    }
    int asks = client->out_sent < client->out_bytes;
    if (asks == client->asks_to_write) return;
    struct epoll_event event = {EPOLLIN | (asks ? EPOLLOUT : 0), {.ptr = client}};
    epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
    client->asks_to_write = asks;
}

static void send_batch(Connection *client) {
    int size = operations_left < pipeline ? (int)operations_left : pipeline;
    operations_left -= size;
    char *to = client->out;
    for (int i = 0; i < size; i++) {
        to = put_operation(to, client);
        if (mode == SET_WAIT || (mode == SETS_WAIT && i == size - 1)) to = put(to, WAIT);
    }
    client->out_bytes = to - client->out;
    client->out_sent = client->replies = 0;
    client->operations = size;
    client->replies_due = mode == SET_WAIT ? 2 * size : mode == SETS_WAIT ? size + !!size : size;
    client->began_usec = now_usec();
    flush(client);
}

/* ------------------------------------------------------------------------------------- replies */

/* Bytes of the reply at `at`, 0 when it is not there in full. */
static size_t reply_bytes(const char *at, size_t available) {
    const char *end = memchr(at, '\n', available);
    if (!end) {
        if (available > LINE_BYTES_MAX) fail("a reply without an end");
        return 0;
    }
    if (!strchr("+-:$", *at)) fail("no reply: %.40s", at);
    size_t size = end + 1 - at;
    long body = *at == '$' ? strtol(at + 1, NULL, 10) : -1;
    if (body > value_bytes) fail("a value of %ld bytes", body);
    if (body >= 0) size += body + 2;
    return size <= available ? size : 0;
}

static void take_reply(Connection *client, const char *reply, size_t size, uint64_t now) {
    int is_wait = mode == SET_WAIT ? client->replies % 2
                : mode == SETS_WAIT && client->replies == client->operations;
    client->replies++;
    if (*reply == '-' || (is_wait && *reply == ':' && reply[1] == '0')) {
        if (!errors++)
            for (size_t i = 0; i < size - 2 && i < sizeof first_error - 1; i++)
                first_error[i] = reply[i] < ' ' || reply[i] == '"' || reply[i] == '\\' ? ' ' : reply[i];
    } else if (is_wait ? *reply != ':' : mode == GET ? *reply != '$' : *reply != '+') {
        fail("reply %d of a batch is of the wrong kind: %.40s", client->replies, reply);
    }
    misses += *reply == '$' && reply[1] == '-';
    uint64_t usec = now - client->began_usec;
    if (mode == SET || mode == GET || (mode == SET_WAIT && is_wait)) count(usec, 1);
    else if (mode == SETS_WAIT && is_wait) count(usec, client->operations);
}

static void read_replies(Connection *client) {
    ssize_t got = read(client->fd, client->in + client->in_bytes, in_capacity - client->in_bytes);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) fail("a server closed the connection");
    uint64_t now = now_usec();
    client->in_bytes += got;
    size_t at = 0, size;
    while (at < client->in_bytes && (size = reply_bytes(client->in + at, client->in_bytes - at))) {
        if (client->replies == client->replies_due) fail("more replies than commands");
        take_reply(client, client->in + at, size, now);
        at += size;
    }
    memmove(client->in, client->in + at, client->in_bytes -= at);
    if (client->replies == client->replies_due && operations_left) send_batch(client);
}

/* ---------------------------------------------------------------------------------------- start */

static void open_connection(Connection *client, int number) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    int on = 1;
    client->owner = number % ports;
    address.sin_port = htons(port_numbers[client->owner]);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0 || connect(client->fd, (void *)&address, sizeof address))
        fail("port %d: %s", port_numbers[client->owner], strerror(errno));
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(client->fd, F_SETFL, O_NONBLOCK)) fail("fcntl: %s", strerror(errno));
    client->out = malloc(out_capacity);
    client->in = malloc(in_capacity);
    if (!client->out || !client->in) fail("no memory");
    struct epoll_event event = {EPOLLIN, {.ptr = client}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event)) fail("epoll: %s", strerror(errno));
}

static void parse(int count, char **words) {
    static const char *names[] = {"set", "get", "set-wait", "sets-wait"};
    int option, found = 0;
    for (int i = 0; count > 1 && i < 4; i++)
        if (!strcmp(words[1], names[i])) mode = i, found = 1;
    if (!found) fail("the first word is set, get, set-wait or sets-wait");
    optind = 2;
    while ((option = getopt(count, words, "n:c:P:d:r:s:o")) != -1)
        switch (option) {
        case 'n': operations = atol(optarg); break;
        case 'c': connections = atoi(optarg); break;
        case 'P': pipeline = atoi(optarg); break;
        case 'd': value_bytes = atoi(optarg); break;
        case 'r': keys = atol(optarg); break;
        case 's': state = strtoull(optarg, NULL, 10); break;
        case 'o': routed = 1; break;
        default: exit(1);
        }
    for (; optind < count && ports < PORTS_MAX; optind++) port_numbers[ports++] = atoi(words[optind]);
    if (!ports || operations < 1 || connections < ports || pipeline < 1 || keys < 1 ||
        value_bytes < 0 || value_bytes >= NOISE_BYTES)
        fail("a number is out of range; at least one connection per port");
    state = (state + 1) * 0x9E3779B97F4A7C15ULL;        /* never 0 */
    operations_left = operations;
    out_capacity = (size_t)pipeline * (value_bytes + 128) + 64;
    in_capacity = out_capacity + LINE_BYTES_MAX + 1;
    for (int i = 0; i < NOISE_BYTES; i++) noise[i] = draw() >> 56;
}

static void read_owners(void) {
    unsigned long owned[256] = {0};
    if (fread(owners, 1, SLOTS, stdin) != SLOTS) fail("-o wants %d bytes on standard input", SLOTS);
    for (int i = 0; i < SLOTS; i++) owned[owners[i]]++;
    for (int i = 0; i < ports; i++)
        if (!owned[i]) fail("port %d owns no slot", port_numbers[i]);
}

static void print_result(double seconds) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec +
                 (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"operations\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"errors\": %llu, "
           "\"first_error\": \"%s\", \"misses\": %llu, \"latency_ms\": {\"50.0\": %.3f, "
           "\"99.0\": %.3f, \"99.9\": %.3f, \"100.0\": %.3f}}\n",
           (unsigned long long)done, seconds, cpu, (unsigned long long)errors, first_error,
           (unsigned long long)misses, percentile_ms(50), percentile_ms(99), percentile_ms(99.9),
           usec_max / 1000.0);
}

int main(int count, char **words) {
    parse(count, words);
    if (routed) read_owners();
    epoll = epoll_create1(0);
    Connection *clients = calloc(connections, sizeof *clients);
    if (epoll < 0 || !clients) fail("cannot start: %s", strerror(errno));
    for (int i = 0; i < connections; i++) open_connection(&clients[i], i);
    uint64_t began = now_usec();
    for (int i = 0; i < connections && operations_left; i++) send_batch(&clients[i]);
    struct epoll_event events[EVENTS];
    while (done < (uint64_t)operations) {
        int ready = epoll_wait(epoll, events, EVENTS, SILENCE_MS_MAX);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) fail("no server said anything for %d s", SILENCE_MS_MAX / 1000);
        for (int i = 0; i < ready; i++) {
            if (events[i].events & EPOLLOUT) flush(events[i].data.ptr);
            if (events[i].events & ~EPOLLOUT) read_replies(events[i].data.ptr);
        }
    }
    print_result((now_usec() - began) / 1e6);
    return 0;
}
