//! Texts, numbers, sizes and times.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use negotiation::{PORT_IKE, PORT_NAT};
use schemars::{Schema, json_schema};

use crate::field::Scalar;

/// Text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

/// A number between bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within<const MIN: u32, const MAX: u32>(pub u32);

/// The UDP port at which IKE begins: 500, or 4500 at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkePort(pub u16);

/// A number of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Octets(pub u64);

/// A number of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64);

impl Scalar for Text {
    const EXPECTED: &'static str = "some text";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("this text is empty".to_owned()) } else { Ok(Self(text.to_owned())) }
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number"], "minLength": 1 })
    }
}

impl Scalar for PathBuf {
    const EXPECTED: &'static str = "a path such as `/etc/quadspan/tunnel.psk`";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') { Err("this is not a path".to_owned()) } else { Ok(text.into()) }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is neither `true` nor `false`"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

impl<const MIN: u32, const MAX: u32> Scalar for Within<MIN, MAX> {
    const EXPECTED: &'static str = "a whole number";

    fn expected() -> Cow<'static, str> {
        Cow::Owned(format!("a whole number from {MIN} to {MAX}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse::<u64>().map_err(|_| format!("`{text}` is not a whole number"))?;
        match u32::try_from(number) {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            Ok(_) | Err(_) => Err(format!("{number} is not between {MIN} and {MAX}")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

impl Scalar for IkePort {
    const EXPECTED: &'static str = "`500` or `4500`";

    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(port @ (PORT_IKE | PORT_NAT)) => Ok(Self(port)),
            Ok(_) | Err(_) => Err(format!("IKE does not begin on `{text}`")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": [PORT_IKE, PORT_NAT] })
    }
}

impl Scalar for Count {
    const EXPECTED: &'static str = "a whole number above zero such as `1000000000`";

    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Err("zero is not a limit".to_owned()),
            Ok(count) => Ok(Self(count)),
            Err(_) => Err(format!("`{text}` is not a whole number")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 1 })
    }
}

impl Scalar for Octets {
    const EXPECTED: &'static str = "a size such as `100MB`, `4GiB` or `102400000KiB`";

    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split_number(text);
        let unit = match unit.trim() {
            "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "" => return Err(format!("`{text}` has no unit")),
            unit => return Err(format!("`{unit}` is not a unit of size")),
        };
        let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a size"))?;
        number.checked_mul(unit).map(Self).ok_or_else(|| format!("`{text}` is beyond 16 EiB"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ ?([kKMGT]i?)?B$" })
    }
}

impl Scalar for Duration {
    const EXPECTED: &'static str = "a duration such as `500ms`, `30s`, `5m`, `8h`, `1d` or `1h30m`";

    fn parse(text: &str) -> Result<Self, String> {
        let beyond = || format!("`{text}` is beyond 10 years");
        let mut rest = text;
        let mut total = Self::ZERO;
        while !rest.is_empty() || text.is_empty() {
            let (number, after) = split_number(rest);
            let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
            let milliseconds: u64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "" if !number.is_empty() => return Err(format!("`{text}` has no unit")),
                _ => return Err(format!("`{text}` is not a duration")),
            };
            let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a duration"))?;
            let part = number.checked_mul(milliseconds).map(Self::from_millis).ok_or_else(beyond)?;
            total = total.checked_add(part).ok_or_else(beyond)?;
            rest = after;
        }
        if total > Self::from_secs(10 * 366 * 86_400) { Err(beyond()) } else { Ok(total) }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$" })
    }
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_their_parts() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("0s", 0),
            ("27000s", 27_000_000),
        ] {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in
            ["", "30", "s", "1x", "1 s", "-1s", "1h30", "3661d", "99999999999999999999s", "18446744073709551615d"]
        {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(Octets::parse("102400000KiB"), Ok(Octets(104_857_600_000)));
        assert_eq!(Octets::parse("100 MB"), Ok(Octets(100_000_000)));
        for text in ["", "5", "KB", "5 parsec", "-1B", "99999999999TiB"] {
            assert!(Octets::parse(text).is_err(), "{text}");
        }
    }
}
