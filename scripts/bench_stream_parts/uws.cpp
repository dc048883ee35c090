// The same work on uWebSockets, well written: one loop, one topic per symbol, simdjson for Alpaca's JSON.
//   uws PORT UPSTREAM_PORT
#include <simdjson.h>
#include <string>
#include <string_view>
#include <unordered_map>

#include "App.h"

struct Client {};
static uWS::App *app;
static std::string received;
static bool is_open;
static us_socket_t *upstream;
static us_socket_context_t *context;
static std::string wanted;
static std::unordered_map<std::string, uint64_t> numbers;
static simdjson::dom::parser parser;

static void say(std::string_view text) {
    std::string frame;
    frame += (char)0x81;
    if (text.size() < 126) frame += (char)(0x80 | text.size());
    else frame += (char)(0x80 | 126), frame += (char)(text.size() >> 8), frame += (char)text.size();
    frame.append(4, '\0');
    frame += text;
    us_socket_write(0, upstream, frame.data(), (int)frame.size(), 0);
}

static std::string_view exchange(std::string_view code) { return code == "V" ? "IEX" : code == "Q" ? "NASDAQ" : code; }

static void trade(simdjson::dom::element one) {
    static std::string out;
    std::string_view symbol, time, code;
    double price;
    uint64_t size;
    if (one["S"].get(symbol) || one["t"].get(time) || one["x"].get(code) || one["p"].get(price) || one["s"].get(size)) return;
    char figures[96];
    out = "{\"type\":\"trade\",\"symbol\":\"";
    out += symbol;
    out += "\",\"data\":{\"timestamp\":\"";
    out += time;
    snprintf(figures, sizeof figures, "\",\"price\":%.15g,\"size\":%llu,\"exchange\":\"", price, (unsigned long long)size);
    out += figures;
    out += exchange(code);
    out += "\",\"conditions\":[";
    bool first = true;
    simdjson::dom::array conditions;
    if (one["c"].get(conditions)) return;
    for (auto condition : conditions) {
        out += first ? "\"" : ",\"";
        out += condition.get_string().value();
        out += '"';
        first = false;
    }
    uint64_t &number = numbers[std::string(symbol)];
    out += "]},\"seq\":";
    out += std::to_string(++number);
    out += '}';
    app->publish(symbol, out, uWS::OpCode::TEXT);
}

static void message(const char *text, size_t length) {
    simdjson::dom::array all;
    if (parser.parse(text, length).get(all)) return;
    for (auto one : all) {
        std::string_view kind, told;
        if (one["T"].get(kind)) continue;
        if (kind == "t") trade(one);
        else if (kind == "success" && !one["msg"].get(told) && told == "connected") say("{\"action\":\"auth\",\"key\":\"k\",\"secret\":\"s\"}");
        else if (kind == "success") say("{\"action\":\"subscribe\",\"trades\":[" + wanted + "]}");
    }
}

static us_socket_t *on_data(us_socket_t *socket, char *bytes, int length) {
    received.append(bytes, (size_t)length);
    size_t at = 0;
    if (!is_open) {
        size_t end = received.find("\r\n\r\n");
        if (end == std::string::npos) return socket;
        is_open = true, at = end + 4;
    }
    while (received.size() - at >= 2) {
        uint64_t size = (uint8_t)received[at + 1] & 0x7f;
        size_t head = size == 126 ? 4 : size == 127 ? 10 : 2;
        if (received.size() - at < head) break;
        if (head > 2) {
            size = 0;
            for (size_t i = 2; i < head; i++) size = size << 8 | (uint8_t)received[at + i];
        }
        if (received.size() - at < head + size) break;
        message(received.data() + at + head, size);
        at += head + size;
    }
    received.erase(0, at);
    return socket;
}

int main(int, char **argv) {
    uWS::App server;
    app = &server;
    int upstream_port = atoi(argv[2]);
    context = us_create_socket_context(0, (us_loop_t *)uWS::Loop::get(), 0, {});
    us_socket_context_on_open(0, context, [](us_socket_t *socket, int, char *, int) {
        static const char request[] = "GET /v2/iex HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        us_socket_write(0, socket, request, sizeof request - 1, 0);
        return socket;
    });
    us_socket_context_on_data(0, context, on_data);
    us_socket_context_on_writable(0, context, [](us_socket_t *socket) { return socket; });
    us_socket_context_on_end(0, context, [](us_socket_t *socket) { return us_socket_close(0, socket, 0, nullptr); });
    us_socket_context_on_close(0, context, [](us_socket_t *socket, int, void *) { exit(0); return socket; });
    us_socket_context_on_timeout(0, context, [](us_socket_t *socket) { return socket; });
    server.ws<Client>("/*", {
        .compression = uWS::DISABLED,
        .idleTimeout = 120,
        .maxBackpressure = 64 * 1024 * 1024,
        .message = [upstream_port](auto *client, std::string_view text, uWS::OpCode) {
            simdjson::dom::parser reader;
            simdjson::dom::element asked;
            std::string_view symbol, action;
            if (reader.parse(text.data(), text.size()).get(asked) || asked["symbol"].get(symbol) || asked["action"].get(action)) return;
            if (action != "subscribe") return;
            client->subscribe(symbol);
            std::string name(symbol);
            client->send("{\"type\":\"subscribed\",\"symbol\":\"" + name + "\",\"message\":\"Subscribed to " + name + " trades\"}", uWS::OpCode::TEXT);
            if (numbers.emplace(name, 0).second) {
                wanted += (wanted.empty() ? "\"" : ",\"") + name + "\"";
                if (!upstream) upstream = us_socket_context_connect(0, context, "127.0.0.1", upstream_port, nullptr, 0, 0);
                else if (is_open) say("{\"action\":\"subscribe\",\"trades\":[" + wanted + "]}");
            }
        }}).listen("127.0.0.1", atoi(argv[1]), [](auto *listening) { if (!listening) exit(1); }).run();
}
