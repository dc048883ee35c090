// The floor under every fan-out: framed trades come in on one socket, and go out to all clients.
// Nothing is parsed, no WebSocket handshake is made: what is left is the writing.
//   floor PORT UPSTREAM_PORT [each]     "each": one write per trade in place of one per wake-up
#include "common.h"

#define MOST 20000
static int clients[MOST], count;

static void send_all(const char *bytes, size_t length) {
    for (int i = 0; i < count; i++) write_all(clients[i], bytes, length);
}

int main(int argc, char **argv) {
    static char buffer[65536];
    bool each = argc > 3 && !strcmp(argv[3], "each");
    size_t there = 0;
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_on(atoi(argv[1])), loop = epoll_create1(0);
    int upstream = connect_to(atoi(argv[2]));
    write_all(upstream, "RAW\n", 4);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = upstream;
    epoll_ctl(loop, EPOLL_CTL_ADD, upstream, &event);
    for (;;) {
        int ready = epoll_wait(loop, &event, 1, -1);
        if (ready < 1) continue;
        if (event.data.fd == listener) {
            int fd = accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0 || count == MOST) continue;
            set_nonblocking(fd), clients[count++] = fd;
            static const char *greeting = "{\"type\":\"subscribed\",\"symbol\":\"all\"}";
            char frame[64];
            write_all(fd, frame, put_frame(frame, 1, false, greeting, strlen(greeting)));
            continue;
        }
        ssize_t got = read(upstream, buffer + there, sizeof buffer - there);
        if (got <= 0) return 0;
        there += (size_t)got;
        size_t at = 0, header;
        uint64_t whole;
        while (measure((uint8_t *)buffer + at, there - at, &header, &whole) && at + whole <= there) {
            if (each) send_all(buffer + at, whole);
            at += whole;
        }
        if (!each && at > 0) send_all(buffer, at);
        memmove(buffer, buffer + at, there - at);
        there -= at;
    }
}
