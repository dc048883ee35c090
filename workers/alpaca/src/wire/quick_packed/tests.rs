//! The quick reader and the reader of everything read the same, whatever comes.

use proptest::prelude::*;

use super::super::incoming::Frame;
use super::super::packed::{Packed, element_end};
use super::trade;

/// A value in msgpack: usual, unusual, and broken.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"\xa1t",
        b"\xa1q",
        b"\xa4AAPL",
        b"\xa0",
        b"\xd9\x03abc",
        b"\xda\x00\x01a",
        b"\xa2\xff\xfe",
        b"\xa3\xe2\x82\xac",
        b"\x07",
        b"\xcc\xff",
        b"\xcd\x02\x74",
        b"\xce\x00\x00\x00\x01",
        b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xd0\x05",
        b"\xff",
        b"\xca\x3f\x80\x00\x00",
        b"\xcb\x40\x64\x5d\x70\xa3\xd7\x0a\x3d",
        b"\xcb\x7f\xf0\0\0\0\0\0\0",
        b"\xc0",
        b"\xc3",
        b"\x90",
        b"\x92\xa1@\xa1F",
        b"\x92\xa1@\x01",
        b"\xdc\x00\x01\xa1@",
        b"\x96\xa1a\xa1b\xa1c\xa1d\xa1e\xa1f",
        b"\xd6\xff\x00\x00\x00\x01",
        b"\xd7\xff\xc7\xd9\xa2\x84\x64\x2e\xb2\xf2",
        b"\xc7\x0c\xff\0\0\0\x01\0\0\0\0\x64\x2e\xb3\xd2",
        b"\xd7\x01\0\0\0\0\0\0\0\0",
        b"\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x81\xa1a\x01",
        b"\xa5cut",
    ];
    let known = prop::sample::select(known).prop_map(<[u8]>::to_vec);
    let float = any::<f64>().prop_map(|float| [&[0xcb][..], &float.to_be_bytes()].concat());
    let price = (1_u32..10_000_000).prop_map(|cents| {
        let price = f64::from(cents) / 100.0;
        [&[0xcb][..], &price.to_be_bytes()].concat()
    });
    let text = "[ -~é]{0,40}".prop_map(|text: String| rmp_serde::to_vec(&text).expect("msgpack"));
    prop_oneof![4 => known, 1 => float, 1 => price, 1 => text]
}

/// A map with fields of a trade: missing ones, doubled ones, unknown ones.
fn element() -> impl Strategy<Value = Vec<u8>> {
    let base: Vec<(&str, Vec<u8>)> = vec![
        ("T", b"\xa1t".to_vec()),
        ("S", b"\xa4AAPL".to_vec()),
        ("p", b"\xcb\x40\x64\x5d\x70\xa3\xd7\x0a\x3d".to_vec()),
        ("s", b"\x03".to_vec()),
        ("t", b"\xd7\xff\xc7\xd9\xa2\x84\x64\x2e\xb2\xf2".to_vec()),
    ];
    let name = prop::sample::select(vec![
        "T", "S", "i", "x", "p", "s", "c", "z", "t", "tks", "r", "new",
    ]);
    let extra = prop::collection::vec((name, value()), 0..6);
    (any::<bool>(), extra).prop_map(move |(whole, extra)| {
        let is_free = |name: &str| !whole || !["T", "S", "p", "s", "t"].contains(&name);
        let extra = extra.into_iter().filter(|(name, _)| is_free(name));
        let fields: Vec<_> = if whole { base.clone() } else { vec![] }
            .into_iter()
            .chain(extra)
            .collect();
        let mut bytes = vec![0x80 | fields.len() as u8];
        for (name, value) in fields {
            bytes.push(0xa0 | name.len() as u8);
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&value);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_is_read_is_read_as_by_the_reader_of_everything(bytes in element(), cut in 0_usize..200) {
        let bytes = &bytes[..bytes.len().min(cut)];
        if let Some((read, length)) = trade(bytes, &mut String::new()) {
            prop_assert_eq!(element_end(bytes), Some(length));
            let mut frame = Frame::default();
            frame.take(Packed(&bytes[..length]));
            prop_assert_eq!(frame.trades, vec![read]);
        }
    }
}

#[test]
fn a_usual_trade_is_read_here() {
    let bytes = b"\x8a\xa1T\xa1t\xa1S\xa4AAPL\xa1i\xcd\x02\x74\xa1x\xa1K\xa1p\xcb\x40\x64\x5d\x70\xa3\xd7\x0a\x3d\xa1s\x03\xa1c\x92\xa1@\xa1I\xa1z\xa1C\
\xa1t\xd7\xff\xc7\xd9\xa2\x84\x64\x2e\xb2\xf2\xa1r\xd7\xff\xc7\xd9\xa2\x84\x64\x2e\xb2\xf2rest";
    let (trade, length) = trade(bytes, &mut String::new()).expect("nothing unusual");
    assert_eq!(length, bytes.len() - 4);
    assert_eq!((trade.price(), trade.size(), trade.id()), ("162.92", "3", 628));
    assert_eq!(trade.timestamp(), "2023-04-06T11:54:26.838232225Z");
}
