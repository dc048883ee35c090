//! Keys in, wishes out, over looks that change under the selection.

use super::*;
use crate::api::{HealthStatus, State};
use crate::client::sample;
use crate::verdict;

fn model(services: Vec<Service>) -> Model {
    let mut model = Model::default();
    model.see(look(services));
    model
}

fn look(services: Vec<Service>) -> Look {
    let status = sample::status(services);
    let concerns = verdict::concerns(&status);
    Look {
        status,
        concerns,
        under_way: None,
    }
}

fn service(name: &str) -> Service {
    sample::service(name, State::Running, true)
}

fn three() -> Vec<Service> {
    ["a", "b", "c"].map(service).to_vec()
}

fn names(model: &Model) -> Vec<&str> {
    model
        .shown()
        .iter()
        .map(|(service, _)| service.name.as_str())
        .collect()
}

#[test]
fn the_selection_moves_and_stays_on_the_screen() {
    let mut model = model(three());
    assert_eq!(model.selected(), Some("a"));
    for (key, selected) in [
        (Key::Down, "b"),
        (Key::Char('j'), "c"),
        (Key::Down, "c"),
        (Key::Up, "b"),
        (Key::Home, "a"),
        (Key::Up, "a"),
        (Key::End, "c"),
        (Key::PageUp, "a"),
    ] {
        assert_eq!(model.press(key), None);
        assert_eq!(model.selected(), Some(selected), "{key:?}");
    }
}

#[test]
fn what_is_wrong_is_selected_first_and_a_choice_is_kept() {
    let mut services = three();
    services[1].state = State::Fatal;
    let mut model = model(services.clone());
    assert_eq!(model.selected(), Some("b"));
    model.press(Key::Down);
    services[0].state = State::Fatal;
    model.see(look(services));
    assert_eq!(model.selected(), Some("c"));
}

#[test]
fn what_stops_a_service_is_asked_first() {
    let mut model = model(three());
    for (key, deed) in [('x', Deed::Stop), ('r', Deed::Restart)] {
        assert_eq!(model.press(Key::Char(key)), None);
        assert_eq!(
            model.press(Key::Char('y')),
            Some(Wish::Ask(deed, vec!["a".into()]))
        );
        model.press(Key::Char(key));
        assert_eq!(model.press(Key::Enter), None, "anything but y is no");
        assert_eq!(model.asking, Asking::Nothing);
    }
    model.press(Key::Char('R'));
    assert_eq!(
        model.press(Key::Char('y')),
        Some(Wish::Ask(Deed::Restart, Vec::new()))
    );
    assert_eq!(
        model.press(Key::Char('s')),
        Some(Wish::Ask(Deed::Start, vec!["a".into()]))
    );
}

#[test]
fn a_question_is_about_what_was_selected_when_it_was_asked() {
    let mut model = model(three());
    model.press(Key::Char('x'));
    model.see(look(three()[1..].to_vec()));
    assert_eq!(
        model.press(Key::Char('y')),
        Some(Wish::Ask(Deed::Stop, vec!["a".into()]))
    );
}

#[test]
fn letters_filter_names_until_escape() {
    let mut model = model(["trade", "proxy", "web"].map(service).to_vec());
    for key in [Key::Char('/'), Key::Char('r'), Key::Char('o'), Key::Enter] {
        assert_eq!(model.press(key), None);
    }
    assert_eq!(names(&model), ["proxy"]);
    assert_eq!(model.selected(), Some("proxy"));
    assert_eq!(model.press(Key::Escape), None, "the first Escape shows all again");
    assert_eq!(names(&model).len(), 3);
    assert_eq!(model.press(Key::Escape), Some(Wish::Quit));
}

#[test]
fn q_typed_into_the_filter_does_not_leave() {
    let mut model = model(three());
    model.press(Key::Char('/'));
    assert_eq!(model.press(Key::Char('q')), None);
    assert_eq!(names(&model), Vec::<&str>::new());
    assert_eq!(model.press(Key::Backspace), None);
    assert_eq!(names(&model).len(), 3);
}

#[test]
fn problems_alone_can_be_shown_and_nothing_can_be_stopped_when_nothing_is() {
    let mut services = three();
    services[2].health.status = HealthStatus::Unhealthy;
    let mut model = model(services);
    model.press(Key::Char('p'));
    assert_eq!(names(&model), ["c"]);
    model.see(look(three()));
    assert_eq!(names(&model), Vec::<&str>::new());
    assert_eq!(model.press(Key::Char('x')), None);
    assert_eq!(model.asking, Asking::Nothing);
    assert_eq!(model.press(Key::Char('q')), Some(Wish::Quit));
}
