//! The few members of a payload that matter, found in one pass: what is not wanted is skipped and takes no memory,
//! however much of it there is and however deep it is.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What a member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Text(String),
    Number(u64),
    Flag(bool),
    Null,
    Object,
    /// What nothing wanted can be, in words.
    Other(&'static str),
}

/// The wanted members that are there, by path, for example `pull_request.head.sha`.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<&'static str, Found>);

impl Members {
    /// Reads a payload, which has to be one object. `wanted` names each member by its path, those around it included.
    ///
    /// # Errors
    /// It is no JSON, no object, or holds a wanted member twice. The sentence says which and where.
    pub(super) fn read(payload: &[u8], wanted: &'static [&'static str]) -> Result<Self, String> {
        let mut members = Self::default();
        let mut source = serde_json::Deserializer::from_slice(payload);
        let root = Place { wanted, path: "", members: &mut members };
        let found = root.deserialize(&mut source).and_then(|found| source.end().map(|()| found));
        match found {
            Ok(Found::Object) => Ok(members),
            Ok(other) => Err(format!("it is {}, where an object is expected", other.kind())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A text; null counts as absent.
    pub(super) fn text(&self, path: &str) -> Result<Option<&str>, String> {
        self.value(path, "text", |found| match found {
            Found::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A number from zero; null counts as absent.
    pub(super) fn number(&self, path: &str) -> Result<Option<u64>, String> {
        self.value(path, "a whole number", |found| match found {
            Found::Number(number) => Some(*number),
            _ => None,
        })
    }

    /// A yes or no; null counts as absent.
    pub(super) fn flag(&self, path: &str) -> Result<Option<bool>, String> {
        self.value(path, "`true` or `false`", |found| match found {
            Found::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    /// An object, or nothing; null counts as absent.
    pub(super) fn object(&self, path: &str) -> Result<bool, String> {
        self.value(path, "an object", |found| (*found == Found::Object).then_some(())).map(|found| found.is_some())
    }

    fn value<'a, T>(
        &'a self,
        path: &str,
        expected: &str,
        as_expected: impl FnOnce(&'a Found) -> Option<T>,
    ) -> Result<Option<T>, String> {
        match self.0.get(path) {
            None | Some(Found::Null) => Ok(None),
            Some(found) => {
                let wrong = || format!("`{path}` is {}, where {expected} is expected", found.kind());
                as_expected(found).map(Some).ok_or_else(wrong)
            }
        }
    }
}

impl Found {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Flag(_) => "`true` or `false`",
            Self::Null => "null",
            Self::Object => "an object",
            Self::Other(kind) => kind,
        }
    }
}

/// One place in the payload; fills in what is below it and gives what is at it.
struct Place<'m> {
    wanted: &'static [&'static str],
    path: &'static str,
    members: &'m mut Members,
}

impl Place<'_> {
    /// The wanted path of this place's member `key`.
    fn below(&self, key: &str) -> Option<&'static str> {
        self.wanted.iter().copied().find(|wanted| match wanted.rsplit_once('.') {
            Some((around, name)) => around == self.path && name == key,
            None => self.path.is_empty() && *wanted == key,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        Ok(Found::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Found, E> {
        Ok(Found::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(Found::Other("a negative number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Other("a fraction or too large a number"))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Found, E> {
        Ok(Found::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let Some(path) = self.below(&key) else {
                let _: IgnoredAny = map.next_value()?;
                continue;
            };
            let place = Place { wanted: self.wanted, path, members: &mut *self.members };
            let found = map.next_value_seed(place)?;
            // Readers differ in which of the two counts: whoever sent it may want just that.
            if self.members.0.insert(path, found).is_some() {
                return Err(A::Error::custom(format!("`{path}` is there twice")));
            }
        }
        Ok(Found::Object)
    }
}
