//! What is answered, before it is known in which dialect.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use super::names::{Dialect, Name};

/// Named values, in order.
pub(super) type Object = Vec<(Name, Out)>;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Out {
    Bool(bool),
    /// 0 or 1 in the old dialect, `false` or `true` in JSON-RPC.
    Bit(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    /// A word that the dialects spell as they do names.
    Word(Name),
    List(Vec<Self>),
    Object(Object),
}

impl From<bool> for Out {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Out {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<u64> for Out {
    fn from(value: u64) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Out {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<usize> for Out {
    fn from(value: usize) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Out {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<String> for Out {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Out {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Object> for Out {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl FromIterator<Self> for Out {
    fn from_iter<I: IntoIterator<Item = Self>>(values: I) -> Self {
        Self::List(values.into_iter().collect())
    }
}

/// Something in the words of a dialect.
pub(super) struct Spoken<'a, T>(pub(super) &'a T, pub(super) Dialect);

impl Serialize for Spoken<'_, Out> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let dialect = self.1;
        match self.0 {
            Out::Bit(value) if dialect == Dialect::Old => serializer.serialize_u8((*value).into()),
            Out::Bool(value) | Out::Bit(value) => serializer.serialize_bool(*value),
            Out::Integer(value) => serializer.serialize_i64(*value),
            Out::Real(value) => serializer.serialize_f64(*value),
            Out::Text(value) => serializer.serialize_str(value),
            Out::Word(name) => serializer.serialize_str(&name.spelled(dialect)),
            Out::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Spoken(value, dialect))?;
                }
                list.end()
            }
            Out::Object(object) => Spoken(object, dialect).serialize(serializer),
        }
    }
}

impl Serialize for Spoken<'_, Object> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(&name.spelled(self.1), &Spoken(value, self.1))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_values_in_both_dialects() {
        let value: Out = vec![
            (Name::Camel("is_private"), true.into()),
            (Name::Kebab("alt_speed_up"), 50_u64.into()),
            (Name::Same("wanted"), [Out::Bit(true), Out::Bit(false)].into_iter().collect()),
            (Name::Same("torrents"), Out::List(vec![Out::List(vec![Out::Word(Name::Camel("piece_count"))])])),
        ]
        .into();
        let spoken = |dialect| serde_json::to_value(Spoken(&value, dialect)).unwrap();
        assert_eq!(
            spoken(Dialect::Old),
            json!({"isPrivate": true, "alt-speed-up": 50, "wanted": [1, 0], "torrents": [["pieceCount"]]})
        );
        assert_eq!(
            spoken(Dialect::JsonRpc),
            json!({"is_private": true, "alt_speed_up": 50, "wanted": [true, false], "torrents": [["piece_count"]]})
        );
    }
}
