//! Unix milliseconds and the proleptic Gregorian calendar in UTC; no leap seconds.

const DAY: u64 = 86_400_000;
const HOUR: u64 = 3_600_000;

/// Hour of the day, 0 to 23.
pub(crate) const fn hour(ms: u64) -> i64 {
    (ms % DAY / HOUR) as i64
}

/// ISO 8601 weekday: 1 Monday to 7 Sunday.
pub(crate) const fn weekday(ms: u64) -> i64 {
    // 1970-01-01 was a Thursday.
    ((ms / DAY + 3) % 7 + 1) as i64
}

/// `2026-11-21T09:30:00.000Z`; years have four digits for any time up to [`crate::MAX_TIME`].
pub(crate) fn text(ms: u64) -> String {
    let (year, month, day) = date(ms / DAY);
    let (hour, minute, second) = (ms % DAY / HOUR, ms % HOUR / 60_000, ms % 60_000 / 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// Days since 1970-01-01 of a date that exists, from 1970 on.
pub(crate) fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=month_length(year, month)).contains(&day) {
        return None;
    }
    let months: u64 = (1..month).map(|earlier| month_length(year, earlier)).sum();
    Some(year_start(year) + months + day - 1)
}

/// The date that many days after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // A mean year has 365.2425 days, so the estimate is off by one at most.
    let mut year = 1970 + days * 10_000 / 3_652_425;
    while year_start(year) > days {
        year -= 1;
    }
    while year_start(year + 1) <= days {
        year += 1;
    }
    let (mut month, mut rest) = (1, days - year_start(year));
    while rest >= month_length(year, month) {
        rest -= month_length(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

/// Days from 1970-01-01 to the first of January.
const fn year_start(year: u64) -> u64 {
    (year - 1970) * 365 + leap_days(year) - leap_days(1970)
}

/// Leap days before the first of January, since the year 1.
const fn leap_days(year: u64) -> u64 {
    let past = year - 1;
    past / 4 - past / 100 + past / 400
}

const fn month_length(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments() {
        // Computed with `date -u -d @SECONDS`.
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(text(1_795_253_400_123), "2026-11-21T09:30:00.123Z");
        assert_eq!(text(crate::MAX_TIME), "9999-12-31T23:59:59.999Z");
        assert_eq!((weekday(1_795_253_400_123), hour(1_795_253_400_123)), (6, 9), "a Saturday");
        assert_eq!(weekday(0), 4);
        assert_eq!((days(2026, 2, 29), days(1969, 1, 1), days(2026, 13, 1)), (None, None, None));
    }

    proptest! {
        #[test]
        fn dates_round_trip(day in 0..crate::MAX_TIME / DAY) {
            let (year, month, of_month) = date(day);
            prop_assert_eq!(days(year, month, of_month), Some(day));
        }
    }
}
