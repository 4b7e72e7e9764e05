//! What a setting's value may be: Kafka's types and validators, and its words for what is wrong.

/// A setting's type, with what is valid in it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A BOOLEAN.
    Boolean,
    /// A BOOLEAN that cannot be switched on.
    Off,
    /// An INT.
    Int {
        /// The least.
        min: i32,
        /// The greatest.
        max: i32,
    },
    /// As `Int`, or −1, which stands for the codec's own default.
    IntOrDefault {
        /// The least.
        min: i32,
        /// The greatest.
        max: i32,
    },
    /// A LONG.
    Long {
        /// The least.
        min: i64,
    },
    /// A DOUBLE from 0 to 1.
    Fraction,
    /// A STRING.
    OneOf(&'static [&'static str]),
    /// A LIST.
    ListOf(&'static [&'static str]),
    /// A LIST of `partition:broker`, or `*`.
    Replicas,
    /// A STRING that is shown and never parsed.
    Text,
    /// A LIST that is shown and never parsed.
    Texts,
}

impl Kind {
    /// Kafka's number of the type (`ConfigDef.Type` as DescribeConfigs has it).
    pub fn number(self) -> i8 {
        match self {
            Kind::Boolean | Kind::Off => 1,
            Kind::OneOf(_) | Kind::Text => 2,
            Kind::Int { .. } | Kind::IntOrDefault { .. } => 3,
            Kind::Long { .. } => 5,
            Kind::Fraction => 6,
            Kind::ListOf(_) | Kind::Replicas | Kind::Texts => 7,
        }
    }

    /// Whether values can be appended and subtracted.
    pub fn is_list(self) -> bool {
        self.number() == 7
    }

    /// A value in the form in which it is shown.
    ///
    /// # Errors
    /// What it is that is wrong, and in which way.
    pub fn normalise(self, value: &str) -> Result<String, (String, String)> {
        let trimmed = value.trim();
        let refused = |why: &str| Err((value.to_owned(), why.to_owned()));
        match self {
            Kind::Boolean => match trimmed.to_ascii_lowercase().as_str() {
                valid @ ("true" | "false") => Ok(valid.to_owned()),
                _ => refused("Expected value to be either true or false"),
            },
            Kind::Off => match trimmed.to_ascii_lowercase().as_str() {
                "false" => Ok("false".to_owned()),
                _ => refused("It is not offered, so the value has to be false"),
            },
            Kind::Int { min, max } => match trimmed.parse::<i32>() {
                Err(_) => refused("Not a number of type INT"),
                Ok(number) if number < min => refused(&format!("Value must be at least {min}")),
                Ok(number) if number > max => refused(&format!("Value must be no more than {max}")),
                Ok(number) => Ok(number.to_string()),
            },
            Kind::IntOrDefault { min, max } => match trimmed.parse::<i32>() {
                Err(_) => refused("Not a number of type INT"),
                Ok(number) if number == -1 || (min..=max).contains(&number) => Ok(number.to_string()),
                Ok(_) => refused(&format!("Value must be between {min} and {max} or equal to -1")),
            },
            Kind::Long { min } => match trimmed.parse::<i64>() {
                Err(_) => refused("Not a number of type LONG"),
                Ok(number) if number < min => refused(&format!("Value must be at least {min}")),
                Ok(number) => Ok(number.to_string()),
            },
            Kind::Fraction => match trimmed.parse::<f64>() {
                Err(_) => refused("Not a number of type DOUBLE"),
                Ok(number) if number > 1.0 => refused("Value must be no more than 1"),
                Ok(number) if number >= 0.0 => Ok(format!("{number:?}")),
                Ok(_) => refused("Value must be at least 0"),
            },
            Kind::OneOf(valid) if valid.contains(&value) => Ok(value.to_owned()),
            Kind::OneOf(valid) => refused(&format!("String must be one of: {}", valid.join(", "))),
            Kind::ListOf(valid) => {
                let parts = parts(trimmed);
                match parts.iter().find(|part| !valid.contains(part)) {
                    Some(part) => Err(((*part).to_owned(), format!("String must be one of: {}", valid.join(", ")))),
                    None => Ok(parts.join(",")),
                }
            }
            Kind::Replicas => {
                let parts = parts(trimmed);
                let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let is_pair = |part: &&str| part.split_once(':').is_some_and(|(a, b)| number(a) && number(b));
                if trimmed == "*" || parts.iter().all(is_pair) {
                    return Ok(parts.join(","));
                }
                let why = "must be the literal '*' or a list of replicas in the following format: \
                           [partitionId]:[brokerId],[partitionId]:[brokerId],...";
                Err((format!("[{}]", parts.join(", ")), why.to_owned()))
            }
            Kind::Text | Kind::Texts => Ok(value.to_owned()),
        }
    }
}

/// The parts of a list; none of an empty one.
fn parts(trimmed: &str) -> Vec<&str> {
    if trimmed.is_empty() { Vec::new() } else { trimmed.split(',').map(str::trim).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, value: &str, expected: Result<&str, &str>) {
        let found = kind.normalise(value).map_err(|(_, why)| why);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{value} as {kind:?}");
    }

    #[test]
    fn values_are_judged_as_kafka_judges_them() {
        check(Kind::Boolean, " TRUE", Ok("true"));
        check(Kind::Boolean, "maybe", Err("Expected value to be either true or false"));
        check(Kind::Int { min: 4, max: i32::MAX }, "3", Err("Value must be at least 4"));
        check(Kind::Int { min: 4, max: i32::MAX }, "2147483648", Err("Not a number of type INT"));
        check(Kind::Int { min: 1, max: 17 }, "18", Err("Value must be no more than 17"));
        check(Kind::IntOrDefault { min: 1, max: 9 }, "-1", Ok("-1"));
        check(Kind::IntOrDefault { min: 1, max: 9 }, "0", Err("Value must be between 1 and 9 or equal to -1"));
        check(Kind::Long { min: -1 }, " 5 ", Ok("5"));
        check(Kind::Long { min: -1 }, "", Err("Not a number of type LONG"));
        check(Kind::Fraction, "1", Ok("1.0"));
        check(Kind::Fraction, "NaN", Err("Value must be at least 0"));
        check(Kind::Fraction, "2", Err("Value must be no more than 1"));
        check(Kind::OneOf(&["gzip", "lz4"]), "GZIP", Err("String must be one of: gzip, lz4"));
        check(Kind::ListOf(&["compact", "delete"]), "delete, compact", Ok("delete,compact"));
        check(Kind::ListOf(&["compact", "delete"]), "", Ok(""));
        check(Kind::ListOf(&["compact", "delete"]), "delete,", Err("String must be one of: compact, delete"));
        check(Kind::Replicas, "0:1, 1:1", Ok("0:1,1:1"));
        check(Kind::Replicas, "*", Ok("*"));
        assert!(Kind::Replicas.normalise("0:1,*").is_err());
    }
}
