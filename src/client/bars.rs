//! Progress on a terminal: a line for the phases, and one for each service, redrawn in place.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::api::{Event, Phase};

use super::render::words::shorten;
use super::render::{Paint, ended_line};
use super::stages::{Stages, Step, Weight};

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);
/// Names get as many columns; longer ones are shortened.
const NAME_WIDTH: usize = 24;

/// The lines on the screen. They are drawn on stderr.
#[derive(Debug)]
pub struct Bars {
    screen: MultiProgress,
    phases: ProgressBar,
    done: Vec<String>,
    services: Vec<(String, ProgressBar)>,
    stages: Stages,
    paint: Paint,
}

impl Bars {
    /// An empty screen.
    #[must_use]
    pub fn new(paint: Paint) -> Self {
        let screen = MultiProgress::new();
        let phases = screen.add(spinner());
        phases.enable_steady_tick(TURN);
        Self {
            screen,
            phases,
            done: Vec::new(),
            services: Vec::new(),
            stages: Stages::default(),
            paint,
        }
    }

    /// Redraws what the event changes.
    pub fn show(&mut self, event: &Event) {
        if let Some(step) = self.stages.note(event) {
            self.step(&step);
        }
        match event {
            Event::Began { phase } => self.set_phases(Some(*phase)),
            Event::Finished {
                phase, ok, took_ms, ..
            } => {
                let took = format!("{} {:.1} s", phase.as_str(), took_ms / 1000.0);
                self.done.push(if *ok {
                    self.paint.good(&took)
                } else {
                    self.paint.bad(&took)
                });
                self.set_phases(None);
            }
            // Above what is redrawn, and it stays.
            Event::Ended(ended) => drop(self.screen.println(ended_line(ended))),
            Event::Service { .. }
            | Event::Port { .. }
            | Event::Health { .. }
            | Event::Fact { .. }
            | Event::Upgrading { .. }
            | Event::Plan { .. }
            | Event::End(_) => {}
        }
    }

    /// Ends the drawing and leaves the lines, as plain text that scrolls away like any other.
    pub fn finish(&mut self) -> String {
        let mut text = self.done.join("  ");
        let shown: Vec<String> = self
            .services
            .iter()
            .map(|(name, _)| shorten(name, NAME_WIDTH))
            .collect();
        let width = shown.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, (_, bar)) in shown.iter().zip(&self.services) {
            let _ = write!(text, "\n  {name:<width$}  {}", bar.message());
        }
        // Each by itself: a spinner that still turns would draw itself anew.
        self.services
            .iter()
            .map(|(_, bar)| bar)
            .chain([&self.phases])
            .for_each(ProgressBar::finish_and_clear);
        if text.is_empty() { text } else { text + "\n" }
    }

    fn set_phases(&self, current: Option<Phase>) {
        let current = current.map(|phase| format!("{} …", phase.as_str()));
        let words: Vec<String> = self.done.iter().cloned().chain(current).collect();
        self.phases.set_message(words.join("  "));
    }

    fn step(&mut self, step: &Step) {
        let bar = self.bar(&step.service);
        match step.weight {
            Weight::Passing => bar.enable_steady_tick(TURN),
            Weight::Reached | Weight::Trouble => bar.disable_steady_tick(),
        }
        bar.set_message(match step.weight {
            Weight::Passing => self.paint.middling(&step.words),
            Weight::Reached => self.paint.good(&step.words),
            Weight::Trouble => self.paint.bad(&step.words),
        });
    }

    /// The line of this service; a new one when it is seen for the first time.
    fn bar(&mut self, service: &str) -> ProgressBar {
        if let Some((_, bar)) = self.services.iter().find(|(name, _)| name == service) {
            return bar.clone();
        }
        let bar = self.screen.add(spinner());
        bar.set_prefix(format!("{:<NAME_WIDTH$}", shorten(service, NAME_WIDTH)));
        self.services.push((service.to_owned(), bar.clone()));
        bar
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {prefix}{wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_strings(&["-", "\\", "|", "/", " "]);
    ProgressBar::new_spinner().with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::State;

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template("{spinner} {prefix}{wide_msg}").is_ok());
    }

    #[test]
    fn what_stays_on_the_screen_is_the_last_word_of_each_service() {
        let service = |name: &str, state, after_ms| Event::Service {
            name: name.into(),
            state,
            pid: None,
            reason: None,
            after_ms,
        };
        let mut bars = Bars::new(Paint::PLAIN);
        for event in [
            Event::Began { phase: Phase::Start },
            service("web", State::Starting, 0.0),
            service("job", State::Starting, 0.0),
            service("web", State::Running, 400.0),
            service("job", State::Fatal, 500.0),
            Event::Finished {
                phase: Phase::Start,
                ok: false,
                took_ms: 500.0,
                detail: None,
            },
        ] {
            bars.show(&event);
        }
        assert_eq!(
            bars.finish(),
            "start 0.5 s\n  web  ready in 0.4 s\n  job  given up\n"
        );
    }
}
