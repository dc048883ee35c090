//! The quick reader and the reader of everything read the same, whatever comes.

use proptest::prelude::*;

use super::super::incoming::decode_any;
use super::decode;

/// A value as it may be written: usual, unusual, and broken.
fn value() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "\"t\"",
        "\"q\"",
        "\"AAPL\"",
        "\"\"",
        "\"BRK.B\"",
        "\"a\\u0041\\n\"",
        "\"ü€😀\"",
        "\"\\\"\"",
        "\"\u{1}\"",
        "\"2026-11-20T15:04:05.123456789Z\"",
        "0",
        "-0",
        "628",
        "162.92",
        "162.920",
        "1e5",
        "1E-7",
        "-1.5e+300",
        "18446744073709551615",
        "18446744073709551616",
        "01",
        "1.",
        ".5",
        "1e",
        "-",
        "+1",
        "NaN",
        "null",
        "true",
        "[]",
        "[\"@\",\"F\"]",
        "[\"@\", \"F\"]",
        "[\"@\",1]",
        "[\"@\",]",
        "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]",
        "{\"a\":[1,{}]}",
        "\"open",
        "",
        "7 ",
        " 7",
    ]);
    prop_oneof![
        4 => known.prop_map(str::to_owned),
        1 => any::<u64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| number.to_string()),
        1 => any::<String>().prop_map(|text| serde_json::to_string(&text).expect("JSON")),
    ]
}

/// An object with fields of a trade: missing ones, doubled ones, unknown ones.
fn element() -> impl Strategy<Value = String> {
    let usual = prop::sample::select(vec![
        r#"{"T":"t","S":"AAPL","i":628,"x":"K","p":162.920,"s":3,"c":["@","F","T","I"],"z":"C","t":"2023-04-06T11:54:26.8Z"}"#,
        r#"{"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"2024-03-12T10:27:48.85Z","i":3447222699101865076,"tks":"S"}"#,
        r#"{"T":"t","S":"AAPL240315C00172500","t":"2024-03-11T13:35:35.13Z","p":2.84,"s":1,"x":"N","c":"S"}"#,
        r#"{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"t":"x","c":["R"],"z":"C"}"#,
        r#"{"T":"success","msg":"connected"}"#,
        r#"{"T":"s","S":"IBM","sc":"2"}"#,
    ]);
    let name = prop::sample::select(vec![
        "T", "S", "i", "x", "p", "s", "c", "z", "t", "tks", "r", "new",
    ]);
    let fields = prop::collection::vec((name, value()), 0..12);
    let whole = fields.prop_map(|extra| {
        let mut text = r#"{"T":"t","S":"A","p":1,"s":2,"t":"x""#.to_owned();
        for (name, value) in extra
            .iter()
            .filter(|(name, _)| !["T", "S", "p", "s", "t"].contains(name))
        {
            text.push_str(&format!(",\"{name}\":{value}"));
        }
        text + "}"
    });
    let name = prop::sample::select(vec![
        "T", "S", "i", "x", "p", "s", "c", "z", "t", "tks", "r", "new",
    ]);
    let any = prop::collection::vec((name, value()), 0..12).prop_map(|fields| {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    });
    prop_oneof![3 => usual.prop_map(str::to_owned), 3 => whole, 2 => any, 1 => value()]
}

/// A message, sometimes torn or with blanks.
fn message() -> impl Strategy<Value = String> {
    let between = prop::sample::select(vec![",", ",", ",", ", ", " ,", ";"]);
    let elements = prop::collection::vec(element(), 0..5);
    let ends = prop::sample::select(vec!["]", "]", "]", "]", "", " ]", "] ", "]]", ",]"]);
    (elements, between, ends).prop_map(|(elements, between, end)| format!("[{}{end}", elements.join(between)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_is_read_is_read_as_by_the_reader_of_everything(text in message()) {
        if let Some(frame) = decode(&text) {
            prop_assert_eq!(frame, decode_any(text.as_bytes()));
        }
    }

    #[test]
    fn a_cut_message_is_read_the_same(text in message(), cut in 0.0..1.0) {
        let end = text.floor_char_boundary((text.len() as f64 * cut) as usize);
        if let Some(frame) = decode(&text[..end]) {
            prop_assert_eq!(frame, decode_any(&text.as_bytes()[..end]));
        }
    }
}

#[test]
fn usual_messages_are_read_here() {
    let text = r#"[{"T":"t","S":"AAPL","i":628,"x":"K","p":162.920,"s":3,"c":["@","F"],"z":"C","t":"2023-04-06T11:54:26.8Z"},{"T":"q","S":"A","bp":1},{"T":"t","S":"B","p":-0.5e-7,"s":1,"t":"x","tks":"B"}]"#;
    let frame = decode(text).expect("nothing unusual");
    assert_eq!((frame.trades.len(), frame.data.len(), frame.broken), (2, 1, 0));
    assert_eq!(frame, decode_any(text.as_bytes()));
    assert_eq!(
        (frame.trades[1].price(), frame.trades[1].taker()),
        ("-0.5e-7", "B")
    );
    assert!(decode("[").is_none() && decode("").is_none() && decode("{}").is_none());
}
