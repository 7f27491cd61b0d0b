//! Identifiers that look like AWS's and are the same in every run: a counter, scattered.

const UPPER: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Hands out identifiers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    count: u64,
}

impl Ids {
    /// The next number, far from the one before it.
    fn next(&mut self) -> u64 {
        self.count += 1;
        let mut mixed = self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Upper-case letters and digits, as in the id of a deployment of CodeDeploy.
    pub(crate) fn upper(&mut self, length: usize) -> String {
        let mut number = self.next();
        let mut text = String::new();
        for _ in 0..length {
            text.push(char::from(UPPER[usize::try_from(number % 36).unwrap_or_default()]));
            number = if number < 36 { self.next() } else { number / 36 };
        }
        text
    }

    /// Nineteen digits, as after `ecs-svc/`.
    pub(crate) fn digits(&mut self) -> String {
        format!("{:019}", self.next() % 10_000_000_000_000_000_000)
    }

    /// Thirty-two hexadecimal digits, as in a task's name.
    pub(crate) fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }

    /// A UUID, as in a service event.
    pub(crate) fn uuid(&mut self) -> String {
        let hex = self.hex();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}
