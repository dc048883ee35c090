//! Numbers as people read them; the same words as `sentinel status`.

/// `0.4 s`, `12 s`, `2m 05s`, `3h 20m`, `12d 4h`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..10 => format!("{:.1} s", seconds.max(0.0)),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h {:02}m", whole / 3600, whole / 60 % 60),
        _ => format!("{}d {}h", whole / 86_400, whole / 3600 % 24),
    }
}

/// `0.8 ms`, `12 ms`, `1.2 s`.
#[must_use]
pub fn latency(ms: f64) -> String {
    match ms {
        ..10.0 => format!("{ms:.1} ms"),
        ..1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}

/// `6.3 MB`, `2.5 GB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let mb = count as f64 / 1e6;
    if mb < 1000.0 {
        format!("{mb:.1} MB")
    } else {
        format!("{:.1} GB", mb / 1000.0)
    }
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_grow_coarser() {
        let told = [0.42, 12.5, 125.0, 12_000.0, 1_051_200.0, -1.0].map(duration);
        assert_eq!(told, ["0.4 s", "12 s", "2m 05s", "3h 20m", "12d 4h", "0.0 s"]);
    }

    #[test]
    fn small_numbers_keep_a_digit() {
        assert_eq!([0.84, 12.4, 1234.0].map(latency), ["0.8 ms", "12 ms", "1.2 s"]);
        assert_eq!([6_291_456, 2_500_000_000].map(bytes), ["6.3 MB", "2.5 GB"]);
    }

    #[test]
    fn lists_end_with_and() {
        assert_eq!(list(&[]), "");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
