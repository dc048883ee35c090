//! `include`: many files as one, and mistakes told where they stand.

use super::House;

fn house(main: &str, files: &[(&str, &str)]) -> House {
    let house = House::new(main);
    for (name, text) in files {
        let path = house.root().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("new folders");
        std::fs::write(path, text).expect("a new file");
    }
    house
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let house = house(
        "include = ['services.d/*.toml']\n[services.a]\ncommand = 'x'",
        &[
            (
                "services.d/20.toml",
                "[services.c]\ncommand = './run'\nafter = ['b']",
            ),
            (
                "services.d/10.toml",
                "[services.b]\ntemplate = 't'\nafter = ['a']",
            ),
            ("services.d/30.toml", "include = ['deep/t.toml']"),
            ("services.d/deep/t.toml", "[templates.t]\ncommand = 'y'"),
            ("services.d/not.txt", "nonsense"),
        ],
    );
    let config = house.load().expect("valid");
    let names: Vec<&str> = config.services.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let root = house.root();
    assert_eq!(config.services[2].command, [root.join("run").to_string_lossy()]);
    assert_eq!(
        config.services[1].cwd, root,
        "paths are relative to services.toml"
    );
    let files: Vec<_> = [
        "services.toml",
        "services.d/10.toml",
        "services.d/20.toml",
        "services.d/30.toml",
    ]
    .into_iter()
    .chain(["services.d/deep/t.toml"])
    .map(|name| root.join(name).canonicalize().expect("it is there"))
    .collect();
    assert_eq!(config.files[1..], files[1..]);
}

#[test]
fn a_pattern_that_matches_nothing_is_fine() {
    let house = house(
        "include = ['services.d/*.toml']\n[services.a]\ncommand = 'x'",
        &[],
    );
    assert_eq!(house.mistakes(), "valid");
}

#[test]
fn mistakes_name_their_own_file() {
    let house = house(
        "include = ['a.toml', 'gone.toml', 'b.toml']\n[services.one]\ncommand = 'x'\nports = [1]",
        &[
            (
                "a.toml",
                "\n[services.two]\ncomand = 'x'\n[sentinel]\nlog_dir = 'l'\n",
            ),
            (
                "b.toml",
                "[services.one]\ncommand = 'x'\n[services.three]\ncommand = 'x'\nports = [1\n[services.four]\nenv = 3",
            ),
        ],
    );
    assert_eq!(
        house.mistakes(),
        "services.toml:1:22: there is no file `gone.toml`; create it, or take it out; it was looked for at ROOT/gone.toml\n\
         a.toml:3:1: unknown key `comand`; did you mean `command`?\n\
         a.toml:4:2: `sentinel` can only stand in services.toml itself; an included file may hold services, templates, schedules\n\
         b.toml:1:11: `one` is declared twice; it is also at services.toml:2:11; give one of them another name\n\
         b.toml:5:9: unclosed array, expected `]`\n\
         b.toml:6:11: `four` has no command; say what to run, like command = [\"program\", \"--option\"]\n\
         b.toml:7:7: `env` wants a table of strings, like { NAME = \"value\" }, not an integer"
    );
}

#[test]
fn a_circle_is_told() {
    let house = house(
        "include = ['a.toml']\n[services.a]\ncommand = 'x'",
        &[
            ("a.toml", "include = ['b.toml']"),
            ("b.toml", "\ninclude = ['a.toml']"),
        ],
    );
    assert_eq!(
        house.mistakes(),
        "b.toml:2:12: files include each other: a.toml -> b.toml -> a.toml; take one of them out of the other's `include`"
    );
}

#[test]
fn what_is_no_list_of_files() {
    for (include, expected) in [
        (
            "3",
            "services.toml:1:11: `include` wants an array of strings, like [\"first\", \"second\"], not an integer",
        ),
        (
            "[3]",
            "services.toml:1:12: an item of `include` wants a string, not an integer; put it in quotes",
        ),
    ] {
        let text = format!("include = {include}\n[services.a]\ncommand = 'x'");
        assert_eq!(House::new(text).mistakes(), expected);
    }
}

#[test]
fn what_others_can_write_is_not_taken_in() {
    use std::os::unix::fs::PermissionsExt;
    let house = house(
        "include = ['a.toml']\n[services.a]\ncommand = 'x'",
        &[("a.toml", "[services.b]\ncommand = 'x'")],
    );
    let mode = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(house.root().join("a.toml"), mode).expect("our own file");
    let said = house.mistakes();
    assert!(
        said.starts_with("services.toml:1:12: everybody can write to a.toml (mode 666)"),
        "{said}"
    );
}
