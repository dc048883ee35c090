//! `environment=KEY="a,b",OTHER=c`: as supervisord's `dict_of_key_value_pairs` reads it.

use super::expand::Expansions;

/// Names and values, the values as services.toml has them.
pub fn parse(text: &str, expansions: &Expansions<'_>) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let separator = |c: char| c == ',' || c.is_whitespace();
    let mut rest = text.trim_start_matches(separator);
    while !rest.is_empty() {
        let (name, after) = rest
            .split_once('=')
            .ok_or_else(|| format!("`{}` is not KEY=value", name_of(rest)))?;
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("`{}` is not the name of a variable", name_of(name)));
        }
        let after = after.trim_start();
        let (value, left) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => after[1..]
                .split_once(quote)
                .ok_or_else(|| format!("the quote after {name}= is never closed"))?,
            _ => after.split_at(after.find(separator).unwrap_or(after.len())),
        };
        pairs.push((name.to_owned(), expansions.template(value)?));
        rest = left.trim_start_matches(separator);
    }
    Ok(pairs)
}

/// Enough of a text to find it by, and no value that may be secret.
fn name_of(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    &text[..end]
}
