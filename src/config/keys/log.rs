//! The keys of `[logs]` and of a service's `log`.

use super::{Key, Section, Wants, key};

const MAX_SIZE: Key = key(
    "max_size",
    Wants::Size,
    "A log of this size is rotated, at a whole line.",
)
.default("50MiB")
.elsewhere(&[
    "size",
    "rotate_size",
    "max_bytes",
    "logfile_maxbytes",
    "max_size_mb",
]);
const MAX_AGE: Key = key(
    "max_age",
    Wants::Age,
    "A log that was begun so long ago is rotated, however small; \"daily\" means at midnight.",
)
.elsewhere(&["age", "rotate", "rotate_every"]);
const KEEP: Key = key(
    "keep",
    Wants::Number(0, 1_000_000),
    "Rotated files of each stream that are kept; the oldest go first. Without it, as many as there is room for.",
)
.elsewhere(&["backups", "max_backups", "backup_count", "logfile_backups", "count"]);
const KEEP_FOR: Key = key(
    "keep_for",
    Wants::Days,
    "Rotated files that are older than this go.",
)
.elsewhere(&["retention", "max_days"]);
const MAX_TOTAL: Key = key(
    "max_total",
    Wants::Size,
    "What all files of a service may take together; the oldest go first. Without it, only log_max_total counts.",
)
.elsewhere(&["total", "cap"]);
const COMPRESS: Key = key(
    "compress",
    Wants::Choice(&["gzip", "none"]),
    "What becomes of rotated files; it is done beside the work, at the lowest priority.",
)
.default("gzip")
.elsewhere(&["compression", "zip"]);
const FORMAT: Key = key(
    "format",
    Wants::Choice(&["text", "raw", "json"]),
    "How a line is written: with time and stream (Kubernetes' format), as it came, or as Docker's JSON.",
)
.default("text")
.elsewhere(&["driver", "style"]);
const SEPARATE: Key = key(
    "separate",
    Wants::Flag,
    "Standard error has a file of its own, NAME+stderr.log; always so in raw format.",
)
.default("false")
.elsewhere(&["split", "stderr_logfile"]);
const MAX_RATE: Key = key(
    "max_rate",
    Wants::Rate,
    "Reads no more than this from each stream: the service waits, nothing is lost. Without it, as fast as it writes.",
)
.elsewhere(&["rate", "rate_limit", "throttle"]);
const MAX_LINE: Key = key(
    "max_line",
    Wants::Size,
    "A longer line is written as several records, tagged P but for the last.",
)
.default("16KiB")
.elsewhere(&["line_length", "max_line_length"]);
const ERROR_PATTERN: Key = key(
    "error_pattern",
    Wants::Text,
    "A regular expression; lines that it matches are counted as errors in `status`. \"\" counts none. Without it, lines of level error and above, panics, tracebacks and exceptions.",
)
.elsewhere(&["errors", "error_regex", "pattern"]);

/// `[logs]`, and `log` of a service.
pub const LOG: Section = Section {
    name: "log",
    keys: &[
        MAX_SIZE,
        MAX_AGE,
        KEEP,
        KEEP_FOR,
        MAX_TOTAL,
        COMPRESS,
        FORMAT,
        SEPARATE,
        MAX_RATE,
        MAX_LINE,
        ERROR_PATTERN,
    ],
};
