//! Dates and times as the protocol's clients read them: ISO 8601, with the zone.

/// Digits of a number, and the least and the greatest that it may be.
type Number = (usize, u32, u32);

const DATE: [Number; 3] = [(4, 0, 9999), (2, 1, 12), (2, 1, 31)];
const TIME: [Number; 3] = [(2, 0, 23), (2, 0, 59), (2, 0, 59)];

/// Whether this looks like `2025-01-12T15:00:58Z`; seconds may be left out or have a fraction.
pub(crate) fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else {
        return false;
    };
    let zoned = match time.strip_suffix('Z') {
        Some(time) => Some((time, "00:00")),
        None => time
            .rfind(['+', '-'])
            .map(|at| (&time[..at], &time[at + 1..])),
    };
    zoned.is_some_and(|(time, zone)| {
        holds(date, '-', &DATE) && is_time(time) && holds(zone, ':', &TIME[..2])
    })
}

fn is_time(text: &str) -> bool {
    match text.split_once('.') {
        Some((time, fraction)) => {
            let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
            holds(time, ':', &TIME) && is_number && !fraction.is_empty()
        }
        None => holds(text, ':', &TIME) || holds(text, ':', &TIME[..2]),
    }
}

/// Whether a text is these numbers, separated.
fn holds(text: &str, separator: char, numbers: &[Number]) -> bool {
    let parts: Vec<&str> = text.split(separator).collect();
    let is_number = |(part, (digits, least, greatest)): (&&str, &Number)| {
        let known = part.bytes().all(|byte| byte.is_ascii_digit());
        let number = part.parse().ok().filter(|_| known);
        part.len() == *digits && number.is_some_and(|number| (*least..=*greatest).contains(&number))
    };
    parts.len() == numbers.len() && parts.iter().zip(numbers).all(is_number)
}

#[cfg(test)]
mod tests {
    use super::is_date_time;

    #[test]
    fn a_date_has_its_time_and_the_time_its_zone() {
        for right in [
            "2025-01-12T15:00:58Z",
            "2025-12-31T23:59:59.123456+02:00",
            "2025-01-01T00:00-11:30",
        ] {
            assert!(is_date_time(right), "{right}");
        }
        for wrong in [
            "",
            "today",
            "2025-01-12",
            "2025-01-12T15:00:58",
            "2025-01-12 15:00:58Z",
            "2025-1-12T15:00:58Z",
            "2025-13-12T15:00:58Z",
            "2025-00-12T15:00:58Z",
            "2025-01-32T15:00:58Z",
            "2025-01-12T24:00:00Z",
            "2025-01-12T15:60:00Z",
            "2025-01-12T15:00:58.Z",
            "2025-01-12T15:00.5Z",
            "2025-01-12T15:00:58+0200",
            "2025-01-12T15:00:58+02:00Z",
            "2025-01-12T+5:00:58Z",
            "2025-01-12T15:00:58z",
            "2025-01-12T15:00:58é",
        ] {
            assert!(!is_date_time(wrong), "{wrong}");
        }
    }
}
