// The upstream that the load plays: Alpaca's words, JSON or msgpack, and trades framed beforehand.
#pragma once
#include "common.h"

#define ID_DIGITS 12
#define SLOTS 64
#define MOST_ARRAY 512
#define MOST_SYMBOLS 60

enum spelling { JSON, MSGPACK, DOWNSTREAM };

// One frame of `trades` trades, made once; only the ids are written anew before each use.
struct slot {
    char *bytes;
    size_t length;
    size_t ids[MOST_ARRAY];
};

struct tape {
    enum spelling spelling;
    int trades;
    struct slot slots[SLOTS];
};

static inline size_t json_trade(char *out, int symbol, int variant, size_t *id) {
    int before = sprintf(out, "{\"T\":\"t\",\"S\":\"SYM%d\",\"i\":", symbol);
    *id = (size_t)before;
    int after = sprintf(out + before,
                        "100000000000,\"x\":\"V\",\"p\":1%02d.%02d,\"s\":%d,\"c\":[\"@\",\"F\"],\"z\":\"C\","
                        "\"t\":\"2026-11-20T15:04:05.1%08dZ\"}",
                        variant % 100, variant % 90 + 10, 100 + variant % 100, variant % 100000 * 1000);
    return (size_t)(before + after);
}

static inline size_t downstream_trade(char *out, int symbol, int variant, size_t *id) {
    int before = sprintf(out,
                         "{\"type\":\"trade\",\"symbol\":\"SYM%d\",\"data\":{\"timestamp\":"
                         "\"2026-11-20T15:04:05.1%08dZ\",\"price\":1%02d.%02d,\"size\":%d,"
                         "\"exchange\":\"IEX\",\"conditions\":[\"@\",\"F\"]},\"seq\":",
                         symbol, variant % 100000 * 1000, variant % 100, variant % 90 + 10, 100 + variant % 100);
    *id = (size_t)before;
    return (size_t)(before + sprintf(out + before, "100000000000}"));
}

static inline size_t packed_text(char *out, const char *text) {
    size_t length = strlen(text);
    if (length < 32) {
        out[0] = (char)(0xa0 | length);
        memcpy(out + 1, text, length);
        return length + 1;
    }
    out[0] = (char)0xd9, out[1] = (char)length;
    memcpy(out + 2, text, length);
    return length + 2;
}

static inline size_t packed_u64(char *out, uint64_t value) {
    out[0] = (char)0xcf;
    for (int i = 0; i < 8; i++) out[1 + i] = (char)(value >> (56 - 8 * i));
    return 9;
}

static inline size_t packed_trade(char *out, int symbol, int variant, size_t *id) {
    char name[16];
    size_t at = 0;
    double price = 100 + variant % 100 + 0.25;
    uint64_t bits, time = (100000000ull + (uint64_t)(variant % 100000) * 1000) << 34 | 1795187045ull;
    memcpy(&bits, &price, 8);
    sprintf(name, "SYM%d", symbol);
    out[at++] = (char)0x89;
    at += packed_text(out + at, "T"), at += packed_text(out + at, "t");
    at += packed_text(out + at, "S"), at += packed_text(out + at, name);
    at += packed_text(out + at, "i"), *id = at + 1, at += packed_u64(out + at, 100000000000);
    at += packed_text(out + at, "x"), at += packed_text(out + at, "V");
    at += packed_text(out + at, "p"), at += packed_u64(out + at, bits), out[at - 9] = (char)0xcb;
    at += packed_text(out + at, "s"), out[at++] = (char)(100 + variant % 20);
    at += packed_text(out + at, "c"), out[at++] = (char)0x92;
    at += packed_text(out + at, "@"), at += packed_text(out + at, "F");
    at += packed_text(out + at, "z"), at += packed_text(out + at, "C");
    at += packed_text(out + at, "t");
    out[at++] = (char)0xd7, out[at++] = (char)0xff;
    for (int i = 0; i < 8; i++) out[at++] = (char)(time >> (56 - 8 * i));
    return at;
}

static inline void make_slot(struct slot *slot, enum spelling spelling, int trades, int symbols, int first) {
    static char text[MOST_ARRAY * 256];
    size_t at = 0, id = 0, ids[MOST_ARRAY];
    slot->bytes = malloc((size_t)trades * 256 + 64);
    slot->length = 0;
    if (spelling == JSON) text[at++] = '[';
    if (spelling == MSGPACK) text[at++] = (char)0xdc, text[at++] = (char)(trades >> 8), text[at++] = (char)trades;
    for (int i = 0; i < trades; i++) {
        int variant = first + i, symbol = variant % symbols;
        if (spelling == DOWNSTREAM) {
            // One frame per trade, as clients get them.
            size_t length = downstream_trade(text, symbol, variant, &id);
            size_t framed = put_frame(slot->bytes + slot->length, 1, false, text, length);
            slot->ids[i] = slot->length + framed - length + id;
            slot->length += framed;
            continue;
        }
        if (spelling == JSON && i > 0) text[at++] = ',';
        size_t length = spelling == JSON ? json_trade(text + at, symbol, variant, &id)
                                         : packed_trade(text + at, symbol, variant, &id);
        ids[i] = at + id;
        at += length;
    }
    if (spelling == DOWNSTREAM) return;
    if (spelling == JSON) text[at++] = ']';
    slot->length = put_frame(slot->bytes, spelling == JSON ? 1 : 2, false, text, at);
    for (int i = 0; i < trades; i++) slot->ids[i] = ids[i] + slot->length - at;
}

static inline void make_tape(struct tape *tape, enum spelling spelling, int trades, int symbols) {
    tape->spelling = spelling, tape->trades = trades;
    for (int i = 0; i < SLOTS; i++) make_slot(&tape->slots[i], spelling, trades, symbols, i * trades);
}

// Copies the next frame of trades, numbered from `first` on.
static inline size_t put_trades(char *out, struct tape *tape, uint64_t number, uint64_t first) {
    struct slot *slot = &tape->slots[number % SLOTS];
    for (int i = 0; i < tape->trades; i++) {
        uint64_t id = 100000000000 + first + (uint64_t)i;
        char *at = slot->bytes + slot->ids[i];
        if (tape->spelling == MSGPACK) {
            for (int j = 7; j >= 0; j--, id >>= 8) at[j] = (char)id;
        } else {
            for (int j = ID_DIGITS - 1; j >= 0; j--, id /= 10) at[j] = (char)('0' + id % 10);
        }
    }
    memcpy(out, slot->bytes, slot->length);
    return slot->length;
}

static const char *channels[] = {"trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", 0};

// Which symbols of each channel are subscribed, as bits.
struct wants {
    uint64_t symbols[8];
};

// Takes note of the lists in a request, however it is spelled.
static inline void note_wants(struct wants *wants, const char *request, size_t length, bool packed) {
    for (int c = 0; channels[c]; c++) {
        char key[64];
        size_t key_length = packed ? packed_text(key, channels[c]) : (size_t)sprintf(key, "\"%s\"", channels[c]);
        const char *at = memmem(request, length, key, key_length), *end = request + length;
        if (!at) continue;
        // The list ends where another key or the end begins: only names like SYM7 count.
        for (at += key_length; at + 4 <= end; at++) {
            if (!packed && *at == ']') break;
            if (packed && (!memcmp(at, "bars", 4) || !memcmp(at, "stat", 4) || !memcmp(at, "quot", 4) || !memcmp(at, "trad", 4))) break;
            if (!memcmp(at, "SYM", 3)) wants->symbols[c] |= 1ull << (atoi(at + 3) % 64);
        }
    }
}

static inline size_t subscription(char *out, const struct wants *wants, bool packed) {
    char text[16384], name[16];
    size_t at = 0;
    at += packed ? (text[at] = (char)0x91, text[at + 1] = (char)0x88, 2) : (size_t)sprintf(text, "[{\"T\":\"subscription\"");
    if (packed) at += packed_text(text + at, "T"), at += packed_text(text + at, "subscription");
    for (int c = 0; channels[c]; c++) {
        at += packed ? packed_text(text + at, channels[c]) : (size_t)sprintf(text + at, ",\"%s\":[", channels[c]);
        if (packed)
            text[at++] = (char)0xdc, text[at++] = 0, text[at++] = (char)__builtin_popcountll(wants->symbols[c]);
        bool first = true;
        for (int s = 0; s < 64; s++) {
            if (!(wants->symbols[c] >> s & 1)) continue;
            sprintf(name, "SYM%d", s);
            at += packed ? packed_text(text + at, name) : (size_t)sprintf(text + at, "%s\"%s\"", first ? "" : ",", name);
            first = false;
        }
        if (!packed) text[at++] = ']';
    }
    if (!packed) at += (size_t)sprintf(text + at, "}]");
    return put_frame(out, packed ? 2 : 1, false, text, at);
}

static inline size_t success(char *out, const char *what, bool packed) {
    char text[128];
    size_t at = 0;
    if (!packed) return put_frame(out, 1, false, text, (size_t)sprintf(text, "[{\"T\":\"success\",\"msg\":\"%s\"}]", what));
    text[at++] = (char)0x91, text[at++] = (char)0x82;
    at += packed_text(text + at, "T"), at += packed_text(text + at, "success");
    at += packed_text(text + at, "msg"), at += packed_text(text + at, what);
    return put_frame(out, 2, false, text, at);
}
