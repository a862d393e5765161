//! Durations as people and ISO 8601 write them: `90d`, `1h30m`, `PT2H`, `P1DT12H`.

/// Reads a duration in milliseconds. Years and months are not accepted, because their length varies.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn parse(text: &str) -> Result<i64, String> {
    let advice = || format!("invalid duration '{text}': use one such as 90d, 1h30m, 500ms or PT2H");
    let upper = text.trim().to_ascii_uppercase();
    let total = match upper.strip_prefix('P') {
        Some(iso) => {
            let (date, time) = iso.split_once('T').map_or((iso, None), |(date, time)| (date, Some(time)));
            let units = |rest: &str, units: &[(&str, i64)]| sum(rest, units);
            if time == Some("") || (date.is_empty() && time.is_none()) {
                return Err(advice());
            }
            let date = units(date, &[("W", 604_800_000), ("D", 86_400_000)]);
            let time = units(time.unwrap_or_default(), &[("H", 3_600_000), ("M", 60_000), ("S", 1000)]);
            date.zip(time).and_then(|(date, time)| date.checked_add(time))
        }
        None if upper.is_empty() => None,
        None => sum(
            &upper,
            &[("W", 604_800_000), ("D", 86_400_000), ("H", 3_600_000), ("MS", 1), ("M", 60_000), ("S", 1000)],
        ),
    };
    total.ok_or_else(advice)
}

/// The sum of `<number><unit>` parts, each unit at most once and from the longest to the shortest. `MS` stands before
/// `M` only so that it is tried first.
fn sum(mut rest: &str, units: &[(&str, i64)]) -> Option<i64> {
    let mut total = 0_i64;
    let mut last = i64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits).filter(|_| digits > 0)?;
        let after = after.trim_start();
        let (name, ms) = units.iter().find(|(name, _)| after.starts_with(name))?;
        if *ms >= last {
            return None;
        }
        last = *ms;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(*ms)?)?;
        rest = after.strip_prefix(name)?.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_in_both_spellings() {
        for (text, ms) in [
            ("90d", 90 * 86_400_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("500ms", 500),
            ("0s", 0),
            ("2w", 1_209_600_000),
            ("PT2H", 7_200_000),
            ("pt90s", 90_000),
            ("P1DT12H", 129_600_000),
            ("P1W", 604_800_000),
        ] {
            assert_eq!(parse(text), Ok(ms), "{text}");
        }
        for bad in [
            "",
            "90",
            "d",
            "-1d",
            "1.5h",
            "1h1h",
            "1m1h",
            "P",
            "PT",
            "P1H",
            "P1Y",
            "1d ago",
            "99999999999999999999d",
            "9223372036854775807d",
        ] {
            assert!(parse(bad).is_err(), "{bad}: {:?}", parse(bad));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}
