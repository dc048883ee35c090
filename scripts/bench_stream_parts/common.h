// What the load and the floor share: the opening handshake's digest, sockets, clocks, frames.
#pragma once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline void fail(const char *what) {
    fprintf(stderr, "bench_stream: %s: %s\n", what, strerror(errno));
    exit(1);
}

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void set_nonblocking(int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline struct sockaddr_in local(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

static inline int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in at = local(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)) fail("listen");
    set_nonblocking(fd);
    return fd;
}

// Connects, trying again for ten seconds while nobody listens.
static inline int connect_to(int port) {
    struct sockaddr_in at = local(port);
    for (int tries = 0; tries < 200; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) fail("socket");
        if (!connect(fd, (struct sockaddr *)&at, sizeof at)) return fd;
        close(fd);
        if (errno != ECONNREFUSED) fail("connect");
        usleep(50000);
    }
    fail("connect");
    return -1;
}

static inline void write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t count = write(fd, bytes, length);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            struct pollfd one = {.fd = fd, .events = POLLOUT};
            poll(&one, 1, 1000);
            continue;
        }
        if (count <= 0) return;
        bytes += count;
        length -= (size_t)count;
    }
}

static inline uint32_t rotl(uint32_t x, int n) { return (x << n) | (x >> (32 - n)); }

// SHA-1 of at most 119 bytes: the accept digest has 60.
static inline void sha1(const char *text, size_t length, uint8_t out[20]) {
    uint8_t block[128] = {0};
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    size_t blocks = length < 56 ? 1 : 2;
    memcpy(block, text, length);
    block[length] = 0x80;
    for (int i = 0; i < 8; i++) block[blocks * 64 - 1 - i] = (uint8_t)((length * 8) >> (8 * i));
    for (size_t b = 0; b < blocks; b++) {
        uint32_t w[80], v[5];
        for (int i = 0; i < 16; i++) {
            uint8_t *p = block + b * 64 + i * 4;
            w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        memcpy(v, h, sizeof v);
        for (int i = 0; i < 80; i++) {
            uint32_t f, k;
            if (i < 20) f = (v[1] & v[2]) | (~v[1] & v[3]), k = 0x5a827999;
            else if (i < 40) f = v[1] ^ v[2] ^ v[3], k = 0x6ed9eba1;
            else if (i < 60) f = (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]), k = 0x8f1bbcdc;
            else f = v[1] ^ v[2] ^ v[3], k = 0xca62c1d6;
            uint32_t t = rotl(v[0], 5) + f + v[4] + k + w[i];
            v[4] = v[3], v[3] = v[2], v[2] = rotl(v[1], 30), v[1] = v[0], v[0] = t;
        }
        for (int i = 0; i < 5; i++) h[i] += v[i];
    }
    for (int i = 0; i < 20; i++) out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

// The 101 that accepts a request; its length.
static inline int accept_answer(const char *request, char *out, size_t room) {
    const char *at = strcasestr(request, "sec-websocket-key:");
    char keyed[128], digest64[32];
    uint8_t digest[21] = {0};
    if (!at) return 0;
    at += 18;
    while (*at == ' ') at++;
    int length = (int)strcspn(at, "\r\n ");
    int all = snprintf(keyed, sizeof keyed, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", length, at);
    sha1(keyed, (size_t)all, digest);
    static const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 7; i++) {
        uint32_t three = (uint32_t)digest[i * 3] << 16 | (uint32_t)digest[i * 3 + 1] << 8 | digest[i * 3 + 2];
        for (int j = 0; j < 4; j++) digest64[i * 4 + j] = letters[(three >> (18 - 6 * j)) & 63];
    }
    digest64[27] = '=', digest64[28] = 0;
    return snprintf(out, room,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: %s\r\n\r\n", digest64);
}

// Puts a frame of a server, or of a client with a mask of zeros; its length.
static inline size_t put_frame(char *out, int opcode, bool masked, const char *payload, size_t length) {
    size_t at = 0;
    uint8_t mask = masked ? 0x80 : 0;
    out[at++] = (char)(0x80 | opcode);
    if (length < 126) out[at++] = (char)(mask | length);
    else if (length < 65536) {
        out[at++] = (char)(mask | 126);
        out[at++] = (char)(length >> 8), out[at++] = (char)length;
    } else {
        out[at++] = (char)(mask | 127);
        for (int i = 7; i >= 0; i--) out[at++] = (char)((uint64_t)length >> (8 * i));
    }
    if (masked) memset(out + at, 0, 4), at += 4;
    memcpy(out + at, payload, length);
    return at + length;
}

// The lengths of the header and of the whole frame that `bytes` begin with; false when too few are there.
static inline bool measure(const uint8_t *bytes, size_t there, size_t *header, uint64_t *whole) {
    if (there < 2) return false;
    size_t short_length = bytes[1] & 0x7f, head = 2 + (short_length == 126 ? 2 : short_length == 127 ? 8 : 0);
    if (there < head) return false;
    uint64_t length = short_length;
    if (short_length == 126) length = (uint64_t)bytes[2] << 8 | bytes[3];
    if (short_length == 127)
        for (int i = 0; i < 8; i++) length = i ? length << 8 | bytes[2 + i] : bytes[2];
    head += bytes[1] & 0x80 ? 4 : 0;
    *header = head, *whole = head + length;
    return true;
}
