//! Where lines end in records: a log is rotated nowhere else.

use super::spool::Way;

/// Where the last line ends that fits into so many bytes.
pub(super) fn last_line_end(records: &[u8], room: usize, way: &Way) -> Option<usize> {
    let mut end = room.min(records.len());
    loop {
        let newline = memchr::memrchr(b'\n', &records[..end])?;
        let begin = memchr::memrchr(b'\n', &records[..newline]).map_or(0, |before| before + 1);
        if way.framing.ends_line(&records[begin..newline]) {
            return Some(newline + 1);
        }
        end = newline;
    }
}

/// Where the first line ends.
pub(super) fn first_line_end(records: &[u8], way: &Way) -> Option<usize> {
    let mut begin = 0;
    loop {
        let newline = begin + memchr::memchr(b'\n', &records[begin..])?;
        if way.framing.ends_line(&records[begin..newline]) {
            return Some(newline + 1);
        }
        begin = newline + 1;
    }
}

/// Whether the last of these records ends a line.
pub(super) fn ends_line(way: &Way, records: &[u8]) -> bool {
    let Some(record) = records.strip_suffix(b"\n") else {
        return false;
    };
    let begin = memchr::memrchr(b'\n', record).map_or(0, |before| before + 1);
    way.framing.ends_line(&record[begin..])
}

/// How many lines end in these records.
pub(super) fn lines_in(records: &[u8], way: &Way) -> u64 {
    let mut lines = 0;
    let mut begin = 0;
    for newline in memchr::memchr_iter(b'\n', records) {
        lines += u64::from(way.framing.ends_line(&records[begin..newline]));
        begin = newline + 1;
    }
    lines
}
