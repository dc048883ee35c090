//! Whatever the text: an answer, and every place in it.

use proptest::prelude::*;

use super::House;

/// Pieces of services.toml, whole and torn.
const PIECES: [&str; 44] = [
    "[services.a]\n",
    "[services.b]\n",
    "[sentinel]\n",
    "[services.a.stop]\n",
    "[[services.a]]\n",
    "[services",
    "]\n",
    "command = ",
    "comand = ",
    "ports = ",
    "after = ",
    "env = ",
    "health = ",
    "ready = ",
    "stop.timeout = ",
    "a.b.c = ",
    "'x'",
    "\"${A:-b}\"",
    "\"${",
    "\"\"\"",
    "'''",
    "8765",
    "[1, 2",
    "['a', 'b']",
    "{ ws = 'ws://h'",
    "{ tcp = 'h:1' }",
    "{",
    "}",
    "[",
    ",",
    "=",
    ".",
    "\n",
    "\r\n",
    "#é\n",
    "é",
    "\u{feff}",
    "\0",
    "1979-05-27",
    "true",
    "nan",
    "\"\\u00\"",
    "key\n",
    " ",
];

/// Every mistake is in a line and column that the text has, and they come in order.
fn placed(text: &str) {
    let Err(mistakes) = House::new(text).load() else {
        return;
    };
    assert!(!mistakes.as_slice().is_empty());
    assert_eq!(
        mistakes.to_string().lines().count(),
        mistakes.as_slice().len(),
        "{mistakes}"
    );
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<_> = text.split('\n').collect();
    let mut last = (1, 1);
    for mistake in mistakes.as_slice() {
        assert!((1..=lines.len()).contains(&mistake.line), "{mistake} in {text:?}");
        let width = lines[mistake.line - 1].chars().count();
        assert!((1..=width + 1).contains(&mistake.column), "{mistake} in {text:?}");
        assert!((mistake.line, mistake.column) >= last, "{mistake} in {text:?}");
        last = (mistake.line, mistake.column);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn torn_declarations(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24)) {
        placed(&pieces.concat());
    }

    #[test]
    fn arbitrary_text(text in "\\PC*|[\\[\\]{}=.,'\"\\na-z#$ ]{0,80}") {
        placed(&text);
    }
}
