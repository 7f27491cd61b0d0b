//! FNV-1a, 64 bits: a checksum small enough to need no dependency, good enough to see that a body
//! was cut, doubled or mixed with another one. Not a defence against anybody.

/// A checksum that grows with the bytes of a body.
#[derive(Debug, Clone)]
pub struct BodySum(u64);

impl Default for BodySum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl BodySum {
    /// The checksum of `bytes`, as 16 lower-case hexadecimal digits: what `X-Body-Sum` carries.
    pub fn hex_of(bytes: &[u8]) -> String {
        let mut sum = Self::default();
        sum.add(bytes);
        sum.hex()
    }

    /// Adds the next bytes of the body.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The checksum of all bytes added so far, as 16 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::BodySum;

    #[test]
    fn published_vectors() {
        assert_eq!(BodySum::hex_of(b""), "cbf29ce484222325");
        assert_eq!(BodySum::hex_of(b"a"), "af63dc4c8601ec8c");
        assert_eq!(BodySum::hex_of(b"foobar"), "85944171f73967e8");
    }
}
