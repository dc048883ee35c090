//! The guide in docs/: its commands are run, its services.toml examples checked; there are no other blocks.

use std::fs;
use std::path::Path;

use crate::blocks;
use crate::house::House;
use crate::scripts::Checkout;

/// (name, text) of every page.
fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let entries = fs::read_dir(folder).expect("docs/").flatten();
    let markdown = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "md"));
    let mut pages: Vec<(String, String)> = markdown
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).expect("a page");
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    pages.sort();
    pages
}

#[test]
fn its_commands_work() {
    let checkout = Checkout::new();
    checkout.sh("sentinel start");
    for (page, text) in pages() {
        for block in blocks::of(&text) {
            let ran = match block.kind.as_str() {
                "sh" => checkout.sh(&block.body),
                "toml" => {
                    let house = House::new("");
                    house.write(&block.body);
                    house.run(&["check"])
                }
                other => panic!("docs/{page}:{}: {other}", block.line),
            };
            assert_eq!(ran.code, 0, "docs/{page}:{}: {ran:#?}", block.line);
        }
    }
}
