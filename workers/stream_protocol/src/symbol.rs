//! Ticker symbols as clients write them, and as they stand on the wire.

/// The longest symbol: an option's has 21 characters (`AAPL240119C00100000`), crypto pairs fewer.
pub const MAX_SYMBOL_LEN: usize = 32;

/// Trims, upper-cases and checks a symbol: stocks (`AAPL`, `BRK.B`), crypto pairs (`BTC/USD`).
/// The error is one sentence for the client.
pub fn parse_symbol(text: &str) -> Result<String, String> {
    let symbol = text.trim().to_ascii_uppercase();
    if symbol.is_empty() {
        return Err("the symbol is empty".into());
    }
    if symbol == "*" {
        return Err("\"*\" (every symbol) is not offered: name the symbols you want".into());
    }
    if symbol.len() > MAX_SYMBOL_LEN {
        let start: String = symbol.chars().take(MAX_SYMBOL_LEN).collect();
        return Err(format!(
            "the symbol {start:?}… is longer than {MAX_SYMBOL_LEN} characters"
        ));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/');
    match symbol.chars().find(|c| !allowed(*c)) {
        Some(bad) => Err(format!("the symbol {symbol:?} must not contain {bad:?}")),
        None => Ok(symbol),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_SYMBOL_LEN, parse_symbol};

    #[test]
    fn symbols_are_trimmed_and_upper_cased() {
        for (text, symbol) in [
            (" aapl ", "AAPL"),
            ("brk.b", "BRK.B"),
            ("btc/usd", "BTC/USD"),
            ("aapl240119c00100000", "AAPL240119C00100000"),
        ] {
            assert_eq!(parse_symbol(text).as_deref(), Ok(symbol));
        }
    }

    #[test]
    fn what_is_no_symbol_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("  ", "empty"),
            ("*", "every symbol"),
            ("A B", "' '"),
            ("ÄPL", "'Ä'"),
        ] {
            let error = parse_symbol(text).expect_err(text);
            assert!(error.contains(reason), "{error}");
        }
        assert!(parse_symbol(&"A".repeat(MAX_SYMBOL_LEN)).is_ok());
        assert!(parse_symbol(&"A".repeat(MAX_SYMBOL_LEN + 1)).is_err());
    }
}
