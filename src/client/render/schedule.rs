//! Schedules as text: the lines of `status`, and the list of `schedule list`.

use std::fmt::Write as _;

use crate::api::{Schedule, ScheduleResult, ScheduleRun};

use super::Paint;
use super::words::{clean, shorten, uptime, wrap};

/// Before each line.
const MARGIN: &str = "  ";
/// The least that is worth showing of what became of a run.
const LEAST: usize = 16;

/// The lines of `status`: one for each schedule; in brief, one for all of them and one for each that went wrong.
#[must_use]
pub(super) fn section(schedules: &[Schedule], brief: bool, width: Option<usize>, paint: Paint) -> String {
    let bad = |schedule: &&Schedule| schedule.last.as_ref().is_some_and(|last| last.result.is_bad());
    let mut text = String::new();
    if schedules.is_empty() {
        return text;
    }
    let shown: Vec<&Schedule> = if brief {
        schedules.iter().filter(bad).collect()
    } else {
        schedules.iter().collect()
    };
    if brief {
        let next = schedules
            .iter()
            .filter_map(|schedule| Some((schedule.next_in_s?, schedule)));
        let next = next.min_by(|(one, _), (other, _)| one.total_cmp(other));
        let next = next.map_or_else(String::new, |(in_s, schedule)| {
            format!(", next {} in {}", clean(&schedule.name), uptime(in_s))
        });
        let line = match schedules.len() {
            1 => format!("1 schedule{next}"),
            many => format!("{many} schedules{next}"),
        };
        let _ = writeln!(
            text,
            "{}",
            paint.faint(&shorten(&line, width.unwrap_or(usize::MAX)))
        );
    }
    let names = shown
        .iter()
        .map(|schedule| schedule.name.chars().count())
        .max()
        .unwrap_or(0)
        .min(24);
    for schedule in shown {
        text.push_str(&line(schedule, names, width, paint));
    }
    text
}

/// `  nightly  in 9h 20m  restart trade_stream  done 11-21 04:00, 3.2 s`
fn line(schedule: &Schedule, names: usize, width: Option<usize>, paint: Paint) -> String {
    let next = schedule
        .next_in_s
        .map_or_else(|| "no next time".into(), |in_s| format!("in {}", uptime(in_s)));
    let name = shorten(&clean(&schedule.name), names);
    let head = format!("{name:<names$}  {next:<10}");
    let room = width.map_or(usize::MAX, |width| {
        width.saturating_sub(MARGIN.len() + head.chars().count() + 2)
    });
    let last = schedule.last.as_ref().map(last_words).unwrap_or_default();
    let deed = clean(&schedule.deed).into_owned();
    let used = deed.chars().count() + 2;
    let mark = match schedule.last.as_ref().map(|last| last.result.is_bad()) {
        Some(true) => paint.bad("! "),
        Some(false) | None => MARGIN.to_owned(),
    };
    let last_room = room.saturating_sub(used);
    let tail = if last.is_empty() {
        shorten(&deed, room)
    } else if last_room >= LEAST.min(last.chars().count()) {
        format!(
            "{deed}  {}",
            by_result(schedule, paint, &shorten_end(&last, last_room))
        )
    } else {
        by_result(schedule, paint, &shorten_end(&last, room))
    };
    format!("{mark}{head}  {tail}\n")
}

fn by_result(schedule: &Schedule, paint: Paint, text: &str) -> String {
    match schedule.last.as_ref().map(|last| last.result) {
        Some(ScheduleResult::Failed | ScheduleResult::Missed) => paint.bad(text),
        Some(ScheduleResult::Done | ScheduleResult::Running | ScheduleResult::Skipped) | None => {
            text.to_owned()
        }
    }
}

/// `done 11-21 04:00, 3.2 s`, `skipped 11-21 04:00: the New York market is open`.
fn last_words(last: &ScheduleRun) -> String {
    let at = short_time(last.due.as_deref().unwrap_or(&last.began));
    let result = last.result.as_str();
    let why = last.line.as_deref().map(clean).unwrap_or_default();
    match (last.result, last.took_s) {
        (ScheduleResult::Running, _) => format!("running since {}", short_time(&last.began)),
        (ScheduleResult::Done, Some(took)) => format!("{result} {at}, {took:.1} s"),
        (ScheduleResult::Done, None) => format!("{result} {at}"),
        (ScheduleResult::Failed, _) => match last.exit_code {
            Some(code) => format!("{result} {at} (exit code {code}): {why}"),
            None => format!("{result} {at}: {why}"),
        },
        _ if why.is_empty() => format!("{result} {at}"),
        _ => format!("{result} {at}: {why}"),
    }
}

/// `11-21 04:00` of an RFC 3339 time.
fn short_time(text: &str) -> String {
    let day = text.get(5..10).unwrap_or(text);
    match text.get(11..16) {
        Some(time) => format!("{day} {time}"),
        None => day.to_owned(),
    }
}

fn shorten_end(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(2)).collect();
    format!("{kept}..")
}

/// `sentinel schedule list`.
#[must_use]
pub fn schedule_list(schedules: &[Schedule], supervised: bool, width: Option<usize>, paint: Paint) -> String {
    if schedules.is_empty() {
        return "services.toml has no schedules\n".into();
    }
    let mut text = String::new();
    if !supervised {
        let _ = writeln!(
            text,
            "{}",
            paint.bad("there is no supervisor: nothing is done by the clock")
        );
        let _ = writeln!(text, "{} sentinel start\n", paint.hint("try:"));
    }
    let width = width.unwrap_or(usize::MAX);
    for (index, schedule) in schedules.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let _ = writeln!(text, "{}  {}", clean(&schedule.name), clean(&schedule.deed));
        let mut say = |what: &str, words: &str| {
            let lines = wrap(words, width.saturating_sub(10));
            for (index, line) in lines.iter().enumerate() {
                let what = if index == 0 { what } else { "" };
                let _ = writeln!(text, "  {what:<6}  {line}");
            }
        };
        say("when", &format!("{} ({})", schedule.cron, schedule.timezone));
        if let (Some(next), Some(in_s)) = (&schedule.next, schedule.next_in_s) {
            say("next", &format!("{next}, in {}", uptime(in_s)));
        }
        if let Some(last) = &schedule.last {
            say("last", &last_words(last));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(result: ScheduleResult, line: Option<&str>) -> ScheduleRun {
        ScheduleRun {
            result,
            due: Some("2026-11-21T04:00:00-05:00".into()),
            began: "2026-11-21T04:00:01-05:00".into(),
            took_s: Some(3.21),
            exit_code: None,
            line: line.map(str::to_owned),
        }
    }

    fn schedule(name: &str, deed: &str, last: Option<ScheduleRun>) -> Schedule {
        Schedule {
            name: name.into(),
            deed: deed.into(),
            cron: "0 4 * * 1-5".into(),
            timezone: "America/New_York".into(),
            next: Some("2026-11-23T04:00:00-05:00".into()),
            next_in_s: Some(33_600.0),
            last,
        }
    }

    fn house() -> Vec<Schedule> {
        vec![
            schedule(
                "nightly",
                "restart trade_stream",
                Some(run(ScheduleResult::Done, None)),
            ),
            schedule(
                "flush",
                "flush",
                Some(run(ScheduleResult::Skipped, Some("the New York market is open"))),
            ),
            schedule(
                "backup",
                "/opt/backup --all --with-very-long-options=1 --and-more",
                Some(run(ScheduleResult::Failed, Some("no space left on device"))),
            ),
            schedule("new", "reload", None),
        ]
    }

    #[test]
    fn one_line_for_each() {
        let text = section(&house(), false, Some(80), Paint::PLAIN);
        assert_eq!(
            text,
            "  nightly  in 9h 20m   restart trade_stream  done 11-21 04:00, 3.2 s\n\
             \x20 flush    in 9h 20m   flush  skipped 11-21 04:00: the New York market is open\n\
             ! backup   in 9h 20m   failed 11-21 04:00: no space left on device\n\
             \x20 new      in 9h 20m   reload\n"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn in_brief_only_what_went_wrong() {
        assert_eq!(
            section(&house(), true, Some(80), Paint::PLAIN),
            "4 schedules, next nightly in 9h 20m\n! backup  in 9h 20m   failed 11-21 04:00: no space left on device\n"
        );
        assert_eq!(section(&[], true, None, Paint::PLAIN), "");
    }

    #[test]
    fn the_list_says_all() {
        assert_eq!(
            schedule_list(&house()[..1], false, Some(80), Paint::PLAIN),
            "there is no supervisor: nothing is done by the clock\ntry: sentinel start\n\n\
             nightly  restart trade_stream\n  when    0 4 * * 1-5 (America/New_York)\n\
             \x20 next    2026-11-23T04:00:00-05:00, in 9h 20m\n  last    done 11-21 04:00, 3.2 s\n"
        );
    }
}
