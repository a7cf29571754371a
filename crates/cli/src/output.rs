//! What is printed: for people, for scripts, for machines. Results go to stdout, all else to stderr.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::time::Duration;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::Failure;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// Only the value that a script would go on with.
    Quiet,
}

/// Where commands print. Functions that do the work never print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    form: Form,
}

impl Output {
    /// Prints in this form.
    pub(crate) const fn new(form: Form) -> Self {
        Self { form }
    }

    /// Whether people read it.
    pub(crate) fn is_text(&self) -> bool {
        self.form == Form::Text
    }

    /// The result of a command, in the form asked for: `value` as JSON, `essence` for scripts, `text` for people.
    pub(crate) fn result(&self, value: &impl Serialize, essence: &str, text: &str) {
        match self.form {
            Form::Text => line(text),
            Form::Quiet => line(essence),
            Form::Json => line(&serde_json::to_string(value).expect("our results have string keys only")),
        }
    }

    /// A remark for people while a command is at work.
    pub(crate) fn note(&self, text: &str) {
        if self.is_text() {
            // Without a reader of stderr there is nobody to tell.
            let _ = writeln!(stderr(), "{text}");
        }
    }

    /// A failure: for people on stderr; as one JSON object on stdout where JSON is asked for.
    pub(crate) fn failure(&self, failure: Failure) {
        match self.form {
            Form::Json => line(&failure.json().to_string()),
            Form::Text | Form::Quiet => {
                let _ = write!(stderr(), "{}", failure.render(stderr().is_terminal()));
            }
        }
    }

    /// A spinner on stderr, when that is a terminal; it vanishes when dropped.
    pub(crate) fn waiting(&self, message: impl Into<String>) -> Waiting {
        if !self.is_text() || !stderr().is_terminal() {
            return Waiting(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("a valid template");
        let bar = ProgressBar::new_spinner().with_style(style).with_message(message.into());
        bar.enable_steady_tick(Duration::from_millis(120));
        Waiting(bar)
    }
}

/// A spinner that vanishes when dropped.
pub(crate) struct Waiting(ProgressBar);

impl Waiting {
    /// Says what is waited for now.
    pub(crate) fn say(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A table for people; `nothing` where it has no rows.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>, nothing: &str) -> String {
    if rows.is_empty() {
        return nothing.to_owned();
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table.add_rows(rows);
    table.trim_fmt()
}

/// Names and values beneath each other.
pub(crate) fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    fields.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect::<Vec<_>>().join("\n")
}

/// An identifier's first twelve digits, which are enough to name it.
pub(crate) fn short(id: impl ToString) -> String {
    id.to_string().chars().take(12).collect()
}

/// A moment in UTC: `2026-11-21 09:30:00`.
pub(crate) fn moment(milliseconds: u64) -> String {
    let (days, seconds) = (milliseconds / 86_400_000, milliseconds / 1000 % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Reads a moment in UTC, `2026-11-21`, `2026-11-21T09:30` or `2026-11-21T09:30:00`, or how long before `now` it was: `90m`, `12h`, `7d`. Milliseconds.
pub(crate) fn parse_moment(text: &str, now: u64) -> Option<u64> {
    let number = |text: &str, least: u64, most: u64| {
        let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.then(|| text.parse().ok()).flatten()?;
        (least..=most).contains(&number).then_some(number)
    };
    let units = [('m', 60_000), ('h', 3_600_000), ('d', 86_400_000)];
    if let Some((unit, length)) = units.into_iter().find(|(unit, _)| text.ends_with(*unit)) {
        return Some(now.saturating_sub(number(text.strip_suffix(unit)?, 0, 999_999_999)? * length));
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let [year, month, day] = date.split('-').collect::<Vec<_>>().try_into().ok()?;
    let (year, month, day) = (number(year, 1970, 9999)?, number(month, 1, 12)?, number(day, 1, 31)?);
    let time: Vec<&str> = time.split(':').collect();
    let (hour, minute, second) = match time[..] {
        [hour, minute] => (hour, minute, "0"),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let seconds = number(hour, 0, 23)? * 3600 + number(minute, 0, 59)? * 60 + number(second, 0, 59)?;
    let days = days(year, month, day);
    // The 31st of a month that has none is another day.
    (civil(days) == (year, month, day)).then_some((days * 86_400 + seconds) * 1000)
}

/// The day since 1970 of a date (as above, `days_from_civil`).
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let y = if month <= 2 { year - 1 } else { year };
    let yoe = y % 400;
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    y / 400 * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Year, month and day of a day since 1970 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`).
const fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + if month <= 2 { 1 } else { 0 }, month, doy - (153 * mp + 2) / 5 + 1)
}

fn line(text: &str) {
    // A reader that went away (`| head`) is no failure.
    let _ = writeln!(stdout().lock(), "{}", text.trim_end());
    let _ = stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        assert_eq!(moment(0), "1970-01-01 00:00:00");
        assert_eq!(moment(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(moment(1_795_253_400_000), "2026-11-21 09:30:00");
        assert_eq!(moment(4_102_444_799_999), "2099-12-31 23:59:59");
    }

    #[test]
    fn what_is_printed_is_read_again() {
        for at in [0, 951_782_400_000, 1_795_253_400_000, 4_102_444_799_000] {
            assert_eq!(parse_moment(&moment(at), 0), Some(at), "{}", moment(at));
            assert_eq!(parse_moment(&moment(at).replace(' ', "T"), 0), Some(at));
        }
        assert_eq!(parse_moment("2026-11-21", 0), parse_moment("2026-11-21T00:00:00", 0));
        assert_eq!(parse_moment("90m", 6_000_000), Some(600_000));
        assert_eq!(parse_moment("7d", 5), Some(0));
        for wrong in [
            "",
            "d",
            "2026-02-30",
            "2026-13-01",
            "1969-12-31",
            "2026-11-21T24:00",
            "2026-11-21T09",
            "-1h",
            "+7d",
            "now",
        ] {
            assert_eq!(parse_moment(wrong, 0), None, "{wrong}");
        }
    }

    #[test]
    fn fields_line_up_and_tables_may_be_empty() {
        assert_eq!(fields(&[("a", "1".into()), ("long", "2".into())]), "a     1\nlong  2");
        assert_eq!(table(&["a"], vec![], "none"), "none");
        assert!(table(&["name"], vec![vec!["x".into()]], "none").contains("name"));
    }
}
