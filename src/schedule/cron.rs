//! The five fields of a crontab: minute, hour, day of month, month, day of week, as vixie-cron reads them.

use std::fmt;

/// When something is due, by the wall clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days: u64,
    pub(super) months: u64,
    /// Sunday is 0.
    pub(super) weekdays: u64,
    /// Either of the two day fields begins with `*`: then both must match, else one is enough.
    pub(super) both_days: bool,
    /// The hour begins with `*`: it follows elapsed time, and not the wall clock, when clocks change.
    pub(super) rolling: bool,
    text: String,
}

/// Why a text is no time of a crontab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The part that is wrong, as written.
    pub part: String,
    /// What is wrong with it.
    pub message: String,
    /// The way out.
    pub help: String,
}

/// One of the five.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names of values, from `least` on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const fn field(name: &'static str, least: u32, most: u32, names: &'static [&'static str]) -> Field {
    Field {
        name,
        least,
        most,
        names,
    }
}

const FIELDS: [Field; 5] = [
    field("minute", 0, 59, &[]),
    field("hour", 0, 23, &[]),
    field("day of month", 1, 31, &[]),
    field("month", 1, 12, &MONTHS),
    // 7 is Sunday too.
    field("day of week", 0, 7, &WEEKDAYS),
];

/// Words for five fields.
const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The longest that a month can be, from January on.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads `0 4 * * 1-5`, `*/15 9-16 * * mon-fri`, `@daily`.
    ///
    /// # Errors
    /// The part that is wrong, and the way out.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let trimmed = text.trim();
        let meant = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(trimmed));
        let parts: Vec<&str> = meant
            .map_or(trimmed, |(_, fields)| fields)
            .split_whitespace()
            .collect();
        let [minute, hour, day, month, weekday] = parts[..] else {
            return Err(not_five(trimmed, parts.len()));
        };
        let [minutes, hours, days, months] = [
            set(minute, &FIELDS[0])?,
            set(hour, &FIELDS[1])?,
            set(day, &FIELDS[2])?,
            set(month, &FIELDS[3])?,
        ];
        let weekdays = set(weekday, &FIELDS[4])?;
        let cron = Self {
            minutes,
            hours,
            days,
            months,
            weekdays: weekdays & 0x7f | weekdays >> 7 & 1,
            both_days: day.starts_with('*') || weekday.starts_with('*'),
            rolling: hour.starts_with('*'),
            text: trimmed.to_owned(),
        };
        if cron.both_days && weekday.starts_with('*') && !cron.has_a_day() {
            return Err(Wrong {
                part: format!("{day} {month}"),
                message: "this day never comes".into(),
                help: "no month of these is so long".into(),
            });
        }
        Ok(cron)
    }

    fn has_a_day(&self) -> bool {
        (1..=12)
            .zip(LENGTHS)
            .filter(|(month, _)| self.months >> month & 1 == 1)
            .any(|(_, length)| (1..=length).any(|day| self.days >> day & 1 == 1))
    }

    /// Whether it is due on this day at all.
    pub(super) fn has_date(&self, date: jiff::civil::Date) -> bool {
        let has = |set: u64, value: i8| u32::try_from(value).is_ok_and(|value| set >> value & 1 == 1);
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month())
            && if self.both_days {
                day && weekday
            } else {
                day || weekday
            }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn not_five(text: &str, count: usize) -> Wrong {
    let wrong = |message: String, help: &str| Wrong {
        part: text.to_owned(),
        message,
        help: help.to_owned(),
    };
    let known: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    if text.eq_ignore_ascii_case("@reboot") {
        return wrong(
            "`@reboot` is no time".into(),
            "services start with the supervisor; start that with `sentinel cron install` or systemd",
        );
    }
    if text.starts_with('@') {
        return wrong(
            format!("`{text}` is not a time"),
            &format!("there are {}", known.join(", ")),
        );
    }
    let message = format!("a time has five fields, and this has {count}");
    match count {
        6 | 7 => wrong(
            message,
            "seconds and years are not among them: minute hour day month weekday",
        ),
        _ => wrong(
            message,
            "write minute hour day month weekday, like \"0 4 * * 1-5\"",
        ),
    }
}

/// The values that a field means, as bits.
fn set(text: &str, field: &Field) -> Result<u64, Wrong> {
    text.split(',')
        .try_fold(0, |values, part| Ok(values | range(part, field)?))
}

/// `*`, `5`, `1-5`, each with or without `/2`.
fn range(part: &str, field: &Field) -> Result<u64, Wrong> {
    let wrong = |message: String, help: String| Wrong {
        part: part.to_owned(),
        message: format!("{}: {message}", field.name),
        help,
    };
    let (span, step) = match part.split_once('/') {
        Some((span, step)) => (span, Some(step)),
        None => (part, None),
    };
    let every = match step.map(str::parse::<u32>) {
        None => 1,
        Some(Ok(step)) if step > 0 => step,
        Some(_) => {
            return Err(wrong(
                format!("`{part}` has no step"),
                "a step is a number from 1, like */5".into(),
            ));
        }
    };
    let (first, last) = match (span, span.split_once('-')) {
        ("*", _) => (field.least, if field.most == 7 { 6 } else { field.most }),
        (_, Some((first, last))) => (value(first, part, field)?, value(last, part, field)?),
        // `5/10`: from 5 on.
        (only, None) if step.is_some() => (value(only, part, field)?, field.most),
        (only, None) => {
            let only = value(only, part, field)?;
            (only, only)
        }
    };
    // sat-sun: the week may end with Sunday.
    let last = if field.most == 7 && last == 0 && first > 0 {
        7
    } else {
        last
    };
    if first > last {
        let help = format!(
            "write it in two, like {first}-{},{}-{last}",
            field.most, field.least
        );
        return Err(wrong(format!("`{part}` goes backwards"), help));
    }
    Ok((first..=last)
        .step_by(every as usize)
        .fold(0, |bits, value| bits | 1 << value))
}

fn value(text: &str, part: &str, field: &Field) -> Result<u32, Wrong> {
    let named = |name: &&str| text.eq_ignore_ascii_case(name);
    let by_name = field
        .names
        .iter()
        .position(named)
        .and_then(|at| u32::try_from(at).ok());
    if let Some(at) = by_name {
        return Ok(field.least + at);
    }
    let legal = field.least..=field.most;
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text
        .parse::<u32>()
        .ok()
        .filter(|number| plain && legal.contains(number));
    number.ok_or_else(|| {
        let names = match field.names {
            [] => String::new(),
            [first, .., last] => format!(", or {first} to {last}"),
            [only] => format!(", or {only}"),
        };
        let help = match text {
            "?" | "L" | "W" => "`?`, `L`, `W` and `#` are not known here".to_owned(),
            _ if text.contains('#') => "`?`, `L`, `W` and `#` are not known here".to_owned(),
            _ => format!("it is {} to {}{names}", field.least, field.most),
        };
        Wrong {
            part: part.to_owned(),
            message: format!("{}: `{text}` is no value", field.name),
            help,
        }
    })
}
