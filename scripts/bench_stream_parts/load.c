// Both ends of a fan-out under test, in one lean process: the upstream that makes trades, and all the
// clients that count them. Trades are made only as fast as the slowest counted client takes them (a
// window), so that nobody has a reason to lose any; or at a fixed rate, and latencies are measured.
// Prints one line of JSON. Usage: see `usage`.
#include "market.h"

enum role { SERVER_UNDER_TEST, PROXY_UNDER_TEST, FLOOR_UNDER_TEST };

static struct {
    int server, upstream, clients, symbols, array, stuck, unmeasured;
    double seconds, rate, drop_at;
    uint64_t window;
    enum role role;
    bool idle;
    int pids[16], pid_count;
} opt = {.clients = 10, .symbols = 4, .array = 20, .seconds = 3, .window = 2000, .drop_at = -1};

enum kind { LISTENER, FEED, CLIENT };

struct conn {
    enum kind kind;
    int fd;
    bool open, packed, raw, authed, is_stuck, gone;
    uint64_t trades, skip;
    int subscribed;
    size_t carried, pending, sent;
    char carry[1024], *out;
    struct wants wants;
};

static int loop;
static struct conn *clients, **feeds, listener = {.kind = LISTENER};
static int feed_count, ready_clients, closed_clients;
static struct tape tapes[3];
static uint64_t made, gaps, errors, received_total, *sent_at;
#define RING (1u << 20)
#define BUCKETS 2000000
static uint32_t *histogram;
static bool measuring;
static char buffer[1 << 18];

static void usage(void) {
    fprintf(stderr,
            "load --server PORT --upstream PORT [--role server|proxy|floor] [--clients N] [--symbols K]\n"
            "     [--seconds S] [--rate TRADES_PER_S | --window TRADES] [--array TRADES] [--stuck N]\n"
            "     [--unmeasured N]  whose latencies do not count: the first ones\n"
            "     [--drop-at S] [--idle] [--pid PID]...\n");
    exit(2);
}

static uint64_t cpu_ns(void) {
    uint64_t total = 0;
    for (int i = 0; i < opt.pid_count; i++) {
        char command[96];
        snprintf(command, sizeof command, "cat /proc/%d/task/*/schedstat 2>/dev/null", opt.pids[i]);
        FILE *pipe = popen(command, "r");
        unsigned long long run, wait, slices;
        while (pipe && fscanf(pipe, "%llu %llu %llu", &run, &wait, &slices) == 3) total += run;
        if (pipe) pclose(pipe);
    }
    return total;
}

static long pss_kb(void) {
    long total = 0, one;
    for (int i = 0; i < opt.pid_count; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", opt.pids[i]);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file))
            if (sscanf(line, "Pss: %ld", &one) == 1) total += one;
        if (file) fclose(file);
    }
    return total;
}

static void watch(struct conn *conn, uint32_t events, int op) {
    struct epoll_event event = {.events = events, .data.ptr = conn};
    epoll_ctl(loop, op, conn->fd, &event);
}

// Writes, and keeps what does not fit: this process must never wait for itself.
static void say(struct conn *conn, const char *bytes, size_t length) {
    ssize_t count = 0;
    if (conn->gone) return;
    if (conn->pending == conn->sent) {
        conn->pending = conn->sent = 0;
        count = write(conn->fd, bytes, length);
        if (count < 0) count = 0;
        if ((size_t)count == length) return;
        watch(conn, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    size_t rest = length - (size_t)count;
    conn->out = realloc(conn->out, conn->pending + rest);
    memcpy(conn->out + conn->pending, bytes + count, rest);
    conn->pending += rest;
}

static void write_pending(struct conn *conn) {
    ssize_t count = write(conn->fd, conn->out + conn->sent, conn->pending - conn->sent);
    if (count > 0) conn->sent += (size_t)count;
    if (conn->sent < conn->pending) return;
    free(conn->out);
    conn->out = 0, conn->pending = conn->sent = 0;
    watch(conn, EPOLLIN, EPOLL_CTL_MOD);
}

static void leave(struct conn *conn) {
    if (conn->gone) return;
    conn->gone = true;
    close(conn->fd);
    if (conn->kind == CLIENT) closed_clients++;
    if (conn->kind != FEED) return;
    for (int i = 0; i < feed_count; i++)
        if (feeds[i] == conn) feeds[i--] = feeds[--feed_count];
}

static void subscribe(struct conn *conn) {
    char text[128], frames[128 * MOST_SYMBOLS];
    size_t at = 0;
    for (int i = 0; i < opt.symbols; i++) {
        int length = sprintf(text, "{\"action\":\"subscribe\",\"symbol\":\"SYM%d\"}", i);
        at += put_frame(frames + at, 1, true, text, (size_t)length);
    }
    say(conn, frames, at);
}

// A client's frame, of which at least the beginning is there.
static void client_frame(struct conn *conn, const uint8_t *frame, size_t header, uint64_t whole, uint64_t now) {
    const char *payload = (const char *)frame + header;
    uint64_t length = whole - header;
    if (frame[0] == 0x89) {
        char pong[160];
        say(conn, pong, put_frame(pong, 10, true, payload, length));
    } else if (frame[0] == 0x81 && length > 20 && !memcmp(payload + 9, "trade\"", 6)) {
        uint64_t number = conn->trades++;
        received_total++;
        if (measuring && opt.rate > 0 && conn - clients >= opt.unmeasured) {
            uint64_t took = (now - sent_at[number % RING]) / 1000;
            histogram[took < BUCKETS ? took : BUCKETS - 1]++;
        }
    } else if (frame[0] == 0x81 && length > 20 && !memcmp(payload + 9, "subscribed", 10)) {
        // The floor knows no symbols: it greets once.
        if (++conn->subscribed == (opt.role == FLOOR_UNDER_TEST ? 1 : opt.symbols)) ready_clients++;
    } else if (frame[0] == 0x81 && length > 20 && !memcmp(payload + 9, "gap", 3)) {
        gaps++;
    } else if (frame[0] == 0x81 && length > 20 && !memcmp(payload + 9, "error", 5)) {
        errors++;
    }
}

static void feed_frame(struct conn *conn, const char *payload, size_t length, int opcode) {
    char answer[20000];
    if (opcode == 9) return say(conn, answer, put_frame(answer, 10, false, payload, length));
    if (opcode == 8) return leave(conn);
    if (opcode != 1 && opcode != 2) return;
    if (opt.role == PROXY_UNDER_TEST) {
        for (const char *at = payload; (at = memmem(at, length - (size_t)(at - payload), "SYM", 3)); at++) {
            char text[96];
            int said = sprintf(text, "{\"type\":\"subscribed\",\"symbol\":\"SYM%d\",\"message\":\"Subscribed\"}", atoi(at + 3));
            say(conn, answer, put_frame(answer, 1, false, text, (size_t)said));
            conn->authed = true;
        }
        return;
    }
    if (memmem(payload, length, "subscribe", 9)) {
        note_wants(&conn->wants, payload, length, conn->packed);
        return say(conn, answer, subscription(answer, &conn->wants, conn->packed));
    }
    if (memmem(payload, length, "auth", 4)) {
        conn->authed = true;
        say(conn, answer, success(answer, "authenticated", conn->packed));
    }
}

static void handshake(struct conn *conn, char *text) {
    char answer[256];
    if (conn->kind == CLIENT) {
        if (strncmp(text, "HTTP/1.1 101", 12)) errors++;
        return subscribe(conn);
    }
    conn->packed = strcasestr(text, "application/msgpack") != 0;
    int length = accept_answer(text, answer, sizeof answer);
    if (!length) {
        say(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 45);
        return;
    }
    say(conn, answer, (size_t)length);
    if (opt.role == SERVER_UNDER_TEST) say(conn, answer, success(answer, "connected", conn->packed));
}

// What has not been opened yet; the bytes it took.
static size_t open_up(struct conn *conn, char *bytes, size_t there) {
    if (conn->kind == FEED && there >= 4 && !memcmp(bytes, "RAW\n", 4)) {
        conn->open = conn->authed = conn->raw = true;
        return 4;
    }
    char *end = memmem(bytes, there, "\r\n\r\n", 4);
    if (!end) return 0;
    char after = end[4];
    end[4] = 0;
    handshake(conn, bytes);
    end[4] = after;
    conn->open = true;
    return (size_t)(end + 4 - bytes);
}

static void take(struct conn *conn, char *bytes, size_t there, uint64_t now) {
    size_t at = 0, header;
    uint64_t whole;
    if (!conn->open) at = open_up(conn, bytes, there);
    while (conn->open && at < there) {
        if (conn->skip) {
            uint64_t some = conn->skip < there - at ? conn->skip : there - at;
            conn->skip -= some, at += some;
            continue;
        }
        if (!measure((uint8_t *)bytes + at, there - at, &header, &whole)) break;
        bool all = at + whole <= there;
        // A trade is known by its beginning; everything else is read whole.
        if (!all && !(conn->kind == CLIENT && there - at >= header + 24)) break;
        if (conn->kind == CLIENT) client_frame(conn, (uint8_t *)bytes + at, header, whole, now);
        else {
            uint8_t *mask = (uint8_t *)bytes + at + header - 4;
            char *payload = bytes + at + header;
            if (((uint8_t)bytes[at + 1]) & 0x80)
                for (size_t i = 0; i < whole - header; i++) payload[i] ^= (char)mask[i % 4];
            feed_frame(conn, payload, whole - header, bytes[at] & 15);
            if (conn->gone) return;
        }
        if (all) at += whole;
        else conn->skip = whole - (there - at), at = there;
    }
    conn->carried = there - at;
    if (conn->carried > sizeof conn->carry) errors++, conn->carried = 0;
    memcpy(conn->carry, bytes + at, conn->carried);
}

static void readable(struct conn *conn, uint64_t now) {
    memcpy(buffer, conn->carry, conn->carried);
    size_t before = conn->carried;
    ssize_t count = read(conn->fd, buffer + before, sizeof buffer - before - 8);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return leave(conn);
    conn->carried = 0;
    take(conn, buffer, before + (size_t)count, now);
}

static void accept_feeds(void) {
    int fd;
    while ((fd = accept4(listener.fd, 0, 0, SOCK_CLOEXEC)) >= 0) {
        struct conn *conn = calloc(1, sizeof *conn);
        set_nonblocking(fd);
        conn->kind = FEED, conn->fd = fd;
        feeds = realloc(feeds, sizeof *feeds * (size_t)(feed_count + 1));
        feeds[feed_count++] = conn;
        watch(conn, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static void turn(uint64_t wait_ns) {
    struct epoll_event events[512];
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000u), .tv_nsec = (long)(wait_ns % 1000000000u)};
    int count = epoll_pwait2(loop, events, 512, &wait, 0);
    for (int i = 0; i < count; i++) {
        struct conn *conn = events[i].data.ptr;
        if (conn->kind == LISTENER) accept_feeds();
        else if (!conn->gone) {
            if (events[i].events & EPOLLOUT) write_pending(conn);
            if (!conn->is_stuck && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(conn, now_ns());
        }
    }
}

static uint64_t slowest(void) {
    uint64_t least = UINT64_MAX;
    for (int i = opt.stuck; i < opt.clients; i++)
        if (!clients[i].gone && clients[i].trades < least) least = clients[i].trades;
    return least == UINT64_MAX ? made : least;
}

static bool is_fed(void) {
    if (opt.role == PROXY_UNDER_TEST) return feed_count >= opt.clients;
    for (int i = 0; i < feed_count; i++) {
        struct conn *feed = feeds[i];
        if (feed->raw) return true;
        if (feed->authed && __builtin_popcountll(feed->wants.symbols[0]) == opt.symbols) return true;
    }
    return false;
}

static void make(uint64_t arrays) {
    while (arrays > 0) {
        size_t at[3] = {0};
        static char outs[3][1 << 17];
        uint64_t now = now_ns();
        for (int i = 0; i < 64 && arrays > 0; i++, arrays--) {
            if (at[0] + tapes[0].slots[0].length * 2 > sizeof outs[0]) break;
            for (int s = 0; s < 3; s++)
                at[s] += put_trades(outs[s] + at[s], &tapes[s], made / (uint64_t)opt.array, made);
            for (int t = 0; t < opt.array; t++) sent_at[(made + (uint64_t)t) % RING] = now;
            made += (uint64_t)opt.array;
        }
        for (int i = 0; i < feed_count; i++) {
            struct conn *feed = feeds[i];
            int s = feed->raw || opt.role == PROXY_UNDER_TEST ? DOWNSTREAM : feed->packed ? MSGPACK : JSON;
            if (feed->authed) say(feed, outs[s], at[s]);
        }
    }
}

static uint64_t next_due;
static void produce(uint64_t now) {
    if (opt.rate > 0) {
        uint64_t step = (uint64_t)(1e9 * opt.array / opt.rate);
        if (now > next_due + 100000000u) next_due = now;
        while (next_due <= now) make(1), next_due += step;
        return;
    }
    uint64_t ahead = made - slowest();
    // In halves of the window at least, so that the upstream is not the one who writes in crumbs.
    if (ahead <= opt.window / 2) make((opt.window - ahead) / (uint64_t)opt.array);
}

static void run_until(uint64_t end, bool produces) {
    for (uint64_t now = now_ns(); now < end; now = now_ns()) {
        if (produces) produce(now);
        uint64_t until = opt.rate > 0 && produces && next_due < end ? next_due : end;
        now = now_ns();
        uint64_t wait = until > now ? until - now : 0;
        turn(wait > 20000000 ? 20000000 : wait);
    }
}

static void connect_all(void) {
    static const char *request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (int i = 0; i < opt.clients; i++) {
        struct conn *conn = &clients[i];
        conn->kind = CLIENT, conn->fd = connect_to(opt.server);
        set_nonblocking(conn->fd);
        watch(conn, EPOLLIN, EPOLL_CTL_ADD);
        if (opt.role == FLOOR_UNDER_TEST) conn->open = true;
        else say(conn, request, strlen(request));
        // In small groups: thousands at once would only test the backlog.
        for (uint64_t end = now_ns() + 20000000000u; ready_clients < i - 50 && now_ns() < end;) turn(1000000);
    }
    for (uint64_t end = now_ns() + 60000000000u; (ready_clients < opt.clients || !is_fed()) && now_ns() < end;)
        turn(1000000);
    if (ready_clients < opt.clients || !is_fed())
        fprintf(stderr, "bench_stream: %d of %d clients are subscribed, the upstream is %s\n", ready_clients,
                opt.clients, is_fed() ? "ready" : "not ready"), exit(1);
}

static uint64_t received(void) {
    uint64_t total = 0;
    for (int i = opt.stuck; i < opt.clients; i++) total += clients[i].trades;
    return total;
}

static double percentile_ms(double part) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) total += histogram[i];
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) > 0 && (double)seen >= (double)total * part) return i / 1000.0;
    return -1;
}

// The upstream goes away at once; how long until a trade made afterwards has come through.
static double drop_ms(void) {
    uint64_t before = now_ns(), count;
    while (feed_count > 0) {
        struct linger at_once = {.l_onoff = 1};
        setsockopt(feeds[0]->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        leave(feeds[0]);
    }
    run_until(now_ns() + 2000000, false);
    count = received_total;
    for (uint64_t end = before + 200000000000u; now_ns() < end;) {
        if (is_fed()) produce(now_ns());
        turn(200000);
        if (received_total > count) return (double)(now_ns() - before) / 1e6;
    }
    return -1;
}

static void measure_idle(void) {
    long before = pss_kb();
    connect_all();
    run_until(now_ns() + 1000000000u, false);
    uint64_t cpu = cpu_ns();
    long after = pss_kb();
    run_until(now_ns() + (uint64_t)(opt.seconds * 1e9), false);
    printf("{\"clients\":%d,\"pss_before_kb\":%ld,\"pss_after_kb\":%ld,\"kb_per_idle\":%.2f,\"idle_cpu_s\":%.4f}\n",
           opt.clients, before, after, (double)(after - before) / opt.clients, (double)(cpu_ns() - cpu) / 1e9);
}

// Reads what the stuck ones were told, after all: gaps, or a goodbye.
static void unstick(void) {
    for (int i = 0; i < opt.stuck; i++) clients[i].is_stuck = false, watch(&clients[i], EPOLLIN, EPOLL_CTL_ADD);
    run_until(now_ns() + 1500000000u, false);
}

static void measure_run(void) {
    connect_all();
    for (int i = 0; i < opt.stuck; i++) {
        clients[i].is_stuck = true;
        epoll_ctl(loop, EPOLL_CTL_DEL, clients[i].fd, 0);
    }
    next_due = now_ns();
    run_until(now_ns() + 700000000u, true);
    measuring = true;
    long pss = pss_kb(), most = pss;
    uint64_t cpu = cpu_ns(), count = received(), begun = now_ns();
    uint64_t own = (uint64_t)clock() * (1000000000u / CLOCKS_PER_SEC);
    run_until(begun + (uint64_t)(opt.seconds * 1e9), true);
    double seconds = (double)(now_ns() - begun) / 1e9;
    double cpu_s = (double)(cpu_ns() - cpu) / 1e9, delivered = (double)(received() - count);
    double own_s = ((double)clock() / CLOCKS_PER_SEC) - (double)own / 1e9;
    most = pss_kb();
    measuring = false;
    double recovery = opt.drop_at >= 0 ? drop_ms() : -1;
    uint64_t want = made * (uint64_t)(opt.clients - opt.stuck);
    for (uint64_t end = now_ns() + 40000000000u; received() < want && now_ns() < end && recovery < 0;) turn(1000000);
    uint64_t lost = want > received() ? want - received() : 0;
    if (opt.stuck) unstick();
    uint64_t stuck_got = 0;
    for (int i = 0; i < opt.stuck; i++) stuck_got += clients[i].trades;
    printf("{\"clients\":%d,\"seconds\":%.2f,\"per_s\":%.0f,\"cpu_s\":%.3f,\"cpu_per_million\":%.4f,\"lost\":%llu,"
           "\"made\":%llu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"gaps\":%llu,\"errors\":%llu,\"closed\":%d,"
           "\"pss_kb\":%ld,\"pss_after_kb\":%ld,\"load_cpu\":%.2f,\"recovery_ms\":%.1f,\"stuck_got\":%llu,\"stuck\":%d}\n",
           opt.clients, seconds, delivered / seconds, cpu_s, cpu_s / (delivered / 1e6), (unsigned long long)lost,
           (unsigned long long)made, opt.rate > 0 ? percentile_ms(0.5) : -1, opt.rate > 0 ? percentile_ms(0.99) : -1,
           (unsigned long long)gaps, (unsigned long long)errors, closed_clients, pss, most, own_s / seconds, recovery,
           (unsigned long long)stuck_got, opt.stuck);
}

static void read_options(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--idle")) { opt.idle = true; continue; }
        if (++i >= argc) usage();
        const char *value = argv[i];
        if (!strcmp(name, "--server")) opt.server = atoi(value);
        else if (!strcmp(name, "--upstream")) opt.upstream = atoi(value);
        else if (!strcmp(name, "--clients")) opt.clients = atoi(value);
        else if (!strcmp(name, "--symbols")) opt.symbols = atoi(value);
        else if (!strcmp(name, "--array")) opt.array = atoi(value);
        else if (!strcmp(name, "--stuck")) opt.stuck = atoi(value);
        else if (!strcmp(name, "--unmeasured")) opt.unmeasured = atoi(value);
        else if (!strcmp(name, "--seconds")) opt.seconds = atof(value);
        else if (!strcmp(name, "--rate")) opt.rate = atof(value);
        else if (!strcmp(name, "--drop-at")) opt.drop_at = atof(value);
        else if (!strcmp(name, "--window")) opt.window = (uint64_t)atoll(value);
        else if (!strcmp(name, "--pid") && opt.pid_count < 16) opt.pids[opt.pid_count++] = atoi(value);
        else if (!strcmp(name, "--role")) opt.role = *value == 'p' ? PROXY_UNDER_TEST : *value == 'f' ? FLOOR_UNDER_TEST : SERVER_UNDER_TEST;
        else usage();
    }
    if (!opt.server || !opt.upstream || opt.symbols > MOST_SYMBOLS || opt.array > MOST_ARRAY) usage();
}

int main(int argc, char **argv) {
    struct rlimit most;
    read_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    loop = epoll_create1(EPOLL_CLOEXEC);
    clients = calloc((size_t)opt.clients, sizeof *clients);
    sent_at = calloc(RING, sizeof *sent_at);
    histogram = calloc(BUCKETS, sizeof *histogram);
    for (int s = 0; s < 3; s++) make_tape(&tapes[s], (enum spelling)s, opt.array, opt.symbols);
    listener.fd = listen_on(opt.upstream);
    watch(&listener, EPOLLIN, EPOLL_CTL_ADD);
    if (opt.idle) measure_idle();
    else measure_run();
}
