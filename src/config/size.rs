//! Sizes and masks: text to number, or a sentence that says what is wrong.

use super::scalar::{Wrong, wrong};

/// `1048576`, `512MiB`, `1.5GiB`; K, M, G, T with or without `iB` are powers of 1024, `kB`, `MB` … of 1000.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    let bad = || {
        wrong(
            format!("\"{text}\" is not a size"),
            "write a number and its unit, like \"512MiB\", \"2GiB\" or \"1048576\" (bytes)",
        )
    };
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = factor(&unit.trim().to_ascii_lowercase()).ok_or_else(bad)?;
    let whole: Result<u64, _> = number.parse();
    if let Ok(whole) = whole {
        return whole.checked_mul(unit).ok_or_else(bad);
    }
    let number: f64 = number.parse().map_err(|_| bad())?;
    let bytes = number * unit as f64;
    // Beyond 2^53 a fraction of a unit has no meaning any more.
    if !(0.0..9e15).contains(&bytes) {
        return Err(bad());
    }
    Ok(bytes.round() as u64)
}

fn factor(unit: &str) -> Option<u64> {
    const UNITS: [&str; 4] = ["k", "m", "g", "t"];
    if ["", "b"].contains(&unit) {
        return Some(1);
    }
    let letter = unit.get(..1)?;
    let power = u32::try_from(UNITS.iter().position(|known| *known == letter)?).ok()? + 1;
    match &unit[1..] {
        "" | "i" | "ib" => Some(1024_u64.pow(power)),
        "b" => Some(1000_u64.pow(power)),
        _ => None,
    }
}

/// `22`, `022`, `0027`: octal digits.
pub(super) fn mask(text: &str) -> Result<u32, Wrong> {
    let octal = !text.is_empty() && text.chars().all(|c| c.is_digit(8));
    let mask = u32::from_str_radix(text.trim_start_matches("0o"), 8).ok();
    mask.filter(|mask| *mask <= 0o777 && (octal || text.starts_with("0o")))
        .ok_or_else(|| {
            wrong(
                format!("\"{text}\" is not a mask"),
                "write octal digits, \"000\" to \"777\", like \"027\"",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::{mask, size};

    #[test]
    fn sizes_are_bytes() {
        let good = [
            ("0", 0),
            ("1048576", 1 << 20),
            ("512MiB", 512 << 20),
            ("2GiB", 2 << 30),
            ("2G", 2 << 30),
            ("1.5 GiB", 3 << 29),
            ("10k", 10 << 10),
            ("10kB", 10_000),
            ("1TB", 1_000_000_000_000),
            ("7B", 7),
        ];
        for (text, bytes) in good {
            assert_eq!(size(text).ok(), Some(bytes), "{text}");
        }
        for text in [
            "",
            "GiB",
            "1 apple",
            "-1",
            "1..2M",
            "1e3",
            "99999999999T",
            "1.5e9G",
            "é",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn masks_are_octal() {
        for (text, bits) in [
            ("022", 0o022),
            ("27", 0o027),
            ("0", 0),
            ("0777", 0o777),
            ("0o77", 0o77),
        ] {
            assert_eq!(mask(text).ok(), Some(bits), "{text}");
        }
        for text in ["", "8", "1777", "-1", "u=rwx", "0o", "0o8"] {
            assert!(mask(text).is_err(), "{text}");
        }
    }
}
