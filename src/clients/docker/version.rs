//! Which engine it is, and what it can do.

/// What the engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Engine version, for example `20.10.24`.
    pub engine: String,
    /// API version, for example `1.41`.
    pub api: String,
    /// `linux/amd64`.
    pub platform: String,
}

impl Version {
    /// Whether its BuildKit can be used: from Engine 20.10 on, which is API 1.41.
    #[must_use]
    pub fn builds(&self) -> bool {
        let number = |part: Option<&str>| part.and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut parts = self.api.split('.');
        (number(parts.next()), number(parts.next())) >= (1_u32, 41)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn engines_that_are_too_old_to_build_are_told_apart() {
        for (api, builds) in
            [("1.41", true), ("1.52", true), ("2.0", true), ("1.40", false), ("1.9", false), ("unknown", false)]
        {
            let version = Version { engine: String::new(), api: api.to_owned(), platform: String::new() };
            assert_eq!(version.builds(), builds, "{api}");
        }
    }
}
