// Browsers that watch a restart: many WebSocket clients that check, trade by trade, that the numbers of
// each symbol go on without a hole.
//   watch PORT CLIENTS SYMBOLS SYMBOLS_PER_CLIENT SECONDS
// Prints "ready" once all are subscribed, and at the end a line of JSON.
#include "common.h"

#define MOST_SYMBOLS 64

struct browser {
    int fd;
    bool open, gone;
    int subscribed;
    uint64_t last_read, longest;
    uint64_t numbers[MOST_SYMBOLS];
    size_t carried;
    char carry[70000];
};

static struct browser *browsers;
static uint64_t trades, backfilled, holes, missing, repeated, gaps, connecting, errors;
static int lost, ready;
static bool is_over;

static void trade(struct browser *browser, const char *text, size_t length) {
    const char *symbol = memmem(text, length, "\"SYM", 4), *at = text, *found = 0;
    while ((at = memmem(at, length - (size_t)(at - text), "\"seq\":", 6))) found = at, at += 6;
    if (!symbol || !found) { errors++; return; }
    uint64_t number = strtoull(found + 6, 0, 10), *last = &browser->numbers[atoi(symbol + 4) % MOST_SYMBOLS];
    trades++;
    if (memmem(text, length, "\"backfill\":true", 15)) backfilled++;
    if (*last && number <= *last) repeated++;
    else {
        if (*last && number > *last + 1) holes++, missing += number - *last - 1;
        *last = number;
    }
}

static void message(struct browser *browser, const char *text, size_t length, int wanted) {
    if (length > 20 && !memcmp(text + 9, "trade\"", 6)) trade(browser, text, length);
    else if (length > 20 && !memcmp(text + 9, "subscribed", 10)) ready += ++browser->subscribed == wanted;
    else if (length > 20 && !memcmp(text + 9, "gap", 3)) gaps++, fprintf(stderr, "%.*s\n", (int)length, text);
    else if (length > 20 && !memcmp(text + 9, "connecting", 10)) connecting++;
    else if (length > 20 && !memcmp(text + 9, "error", 5)) errors++, fprintf(stderr, "%.*s\n", (int)length, text);
}

static void leave(struct browser *browser) {
    if (browser->gone) return;
    browser->gone = true;
    close(browser->fd);
    lost += !is_over;
}

static void subscribe(struct browser *browser, int first, int symbols, int each) {
    for (int i = 0; i < each; i++) {
        char text[96], frame[128];
        int length = sprintf(text, "{\"action\":\"subscribe\",\"symbol\":\"SYM%d\"}", (first + i) % symbols);
        write_all(browser->fd, frame, put_frame(frame, 1, true, text, (size_t)length));
    }
}

static void readable(struct browser *browser, int index, int symbols, int each) {
    static char buffer[1 << 18];
    size_t at = 0, header;
    uint64_t whole;
    memcpy(buffer, browser->carry, browser->carried);
    ssize_t got = read(browser->fd, buffer + browser->carried, sizeof buffer - browser->carried - 1);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return leave(browser);
    uint64_t now = now_ns();
    if (browser->last_read && now - browser->last_read > browser->longest) browser->longest = now - browser->last_read;
    if (browser->subscribed >= each) browser->last_read = now;
    size_t there = browser->carried + (size_t)got;
    buffer[there] = 0;
    if (!browser->open) {
        char *end = memmem(buffer, there, "\r\n\r\n", 4);
        if (!end || strncmp(buffer, "HTTP/1.1 101", 12)) return leave(browser);
        browser->open = true, at = (size_t)(end + 4 - buffer);
        subscribe(browser, index, symbols, each);
    }
    while (measure((uint8_t *)buffer + at, there - at, &header, &whole) && at + whole <= there) {
        if ((buffer[at] & 15) == 8) return leave(browser);
        if ((buffer[at] & 15) == 9) {
            char pong[140];
            size_t payload = whole - header < 126 ? whole - header : 0;
            write_all(browser->fd, pong, put_frame(pong, 10, true, buffer + at + header, payload));
        }
        if ((buffer[at] & 15) == 1) message(browser, buffer + at + header, whole - header, each);
        at += whole;
    }
    browser->carried = there - at;
    memcpy(browser->carry, buffer + at, browser->carried);
}

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    int port = atoi(argv[1]), count = atoi(argv[2]), symbols = atoi(argv[3]), each = atoi(argv[4]), loop = epoll_create1(0);
    bool told = false;
    uint64_t end = now_ns() + 30000000000u, longest = 0;
    signal(SIGPIPE, SIG_IGN);
    browsers = calloc((size_t)count, sizeof *browsers);
    for (int i = 0; i < count; i++) {
        static const char *request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        browsers[i].fd = connect_to(port);
        write_all(browsers[i].fd, request, strlen(request));
        set_nonblocking(browsers[i].fd);
        epoll_ctl(loop, EPOLL_CTL_ADD, browsers[i].fd, &event);
    }
    while (now_ns() < end) {
        struct epoll_event events[256];
        int some = epoll_wait(loop, events, 256, 50);
        for (int i = 0; i < some; i++) {
            struct browser *browser = &browsers[events[i].data.u32];
            if (!browser->gone) readable(browser, (int)events[i].data.u32, symbols, each);
        }
        if (!told && ready >= count) {
            told = true, end = now_ns() + (uint64_t)(atof(argv[5]) * 1e9);
            puts("ready"), fflush(stdout);
        }
    }
    is_over = true;
    for (int i = 0; i < count; i++)
        if (browsers[i].longest > longest) longest = browsers[i].longest;
    printf("{\"browsers\":%d,\"lost_connections\":%d,\"trades\":%llu,\"backfilled\":%llu,\"holes\":%llu,\"missing\":%llu,"
           "\"repeated\":%llu,\"gaps\":%llu,\"connecting\":%llu,\"errors\":%llu,\"longest_pause_ms\":%.0f}\n",
           count, lost, (unsigned long long)trades, (unsigned long long)backfilled, (unsigned long long)holes,
           (unsigned long long)missing, (unsigned long long)repeated, (unsigned long long)gaps,
           (unsigned long long)connecting, (unsigned long long)errors, (double)longest / 1e6);
    return told ? 0 : 1;
}
