//! Request number `i`, as bytes: a function of the settings and of `i` alone.

use crate::app::BodySum;

use super::config::{LoadConfig, Share};

/// Bodies are 1 to 4 KiB: large enough to notice a cut, small enough for one segment or three.
const BODY_MIN: u64 = 1024;
const BODY_MAX: u64 = 4096;

/// One request, ready to be written.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) post: bool,
    /// On a connection of its own, against a kept one.
    pub(super) fresh: bool,
    /// Head and body.
    pub(super) bytes: Vec<u8>,
    /// The checksum that has to come back.
    pub(super) body_sum: Option<String>,
    /// Which path it asks for: 0 the usual one, else that of a share, counted from 1.
    pub(super) path: usize,
    /// How many bytes the answer has to have, where that is known.
    pub(super) answer_len: Option<u64>,
}

impl Outgoing {
    /// Every four requests in a row hold each pairing of method and connection once, in an order of
    /// their own: a fixed order would give each of two replicas in turn nothing but POST or nothing but GET.
    pub(super) fn build(config: &LoadConfig, index: u64) -> Self {
        let mut pairings = [(true, true), (true, false), (false, true), (false, false)];
        let mut random = Random::new(config.seed, index / 4);
        for last in (1..4).rev() {
            pairings.swap(last, random.below(last as u64 + 1) as usize);
        }
        let (post, fresh) = pairings[(index % 4) as usize];
        let share = config.shares.iter().position(|share| (index + 1).is_multiple_of(share.every));
        let (path, share) = share.map_or((0, None), |at| (at + 1, config.shares.get(at)));
        // A proxy that is written in Go may cut a streamed answer to a request with a body (golang/go#40747): on a busy
        // host Traefik did so with nothing deployed.
        let post = post && share.is_none_or(|share| share.bytes.is_none());
        let body = match post {
            true => body(&mut Random::new(!config.seed, index)),
            false => Vec::new(),
        };
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: kit-load\r\nX-Load-Index: {index}\r\n",
            if post { "POST" } else { "GET" },
            share.map_or(&config.path, |share: &Share| &share.path),
            config.host,
        );
        for (name, value) in &config.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if post {
            head.push_str(&format!("Content-Type: application/octet-stream\r\nContent-Length: {}\r\n", body.len()));
        }
        if fresh {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        Self {
            post,
            fresh,
            body_sum: (post && config.check_body_sum).then(|| BodySum::hex_of(&body)),
            path,
            answer_len: share.and_then(|share| share.bytes),
            bytes: [head.into_bytes(), body].concat(),
        }
    }
}

fn body(random: &mut Random) -> Vec<u8> {
    let len = (BODY_MIN + random.below(BODY_MAX - BODY_MIN + 1)) as usize;
    let mut body = Vec::with_capacity(len + 8);
    while body.len() < len {
        body.extend_from_slice(&random.next().to_le_bytes());
    }
    body.truncate(len);
    body
}

/// SplitMix64: a few lines, good enough for bodies and orders, and the same in every run.
struct Random(u64);

impl Random {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    fn new(seed: u64, index: u64) -> Self {
        let mut mixed = Self(seed ^ index.wrapping_mul(Self::STEP));
        // Neighbouring indexes would otherwise give one sequence, shifted by a step.
        Self(mixed.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_four_hold_each_pairing_once_and_bodies_differ() {
        let config = LoadConfig::new(SocketAddr::from(([127, 0, 0, 1], 1)), "h", 1);
        let all: Vec<Outgoing> = (0..400).map(|i| Outgoing::build(&config, i)).collect();
        for four in all.chunks(4) {
            let pairings: HashSet<_> = four.iter().map(|o| (o.post, o.fresh)).collect();
            assert_eq!(pairings.len(), 4);
        }
        let even_posts = all.iter().step_by(2).filter(|o| o.post).count();
        assert!((70..130).contains(&even_posts), "{even_posts} of 200");
        let sums: HashSet<_> = all.iter().filter_map(|o| o.body_sum.as_ref()).collect();
        assert_eq!(sums.len(), 200);
    }

    #[test]
    fn a_share_is_one_in_so_many() {
        let mut config = LoadConfig::new(SocketAddr::from(([127, 0, 0, 1], 1)), "h", 1);
        config.shares = vec![Share::stream(50, 9, Duration::ZERO), Share::slow(10, Duration::from_secs(2))];
        let all: Vec<Outgoing> = (0..100).map(|i| Outgoing::build(&config, i)).collect();
        let count = |path| all.iter().filter(|outgoing| outgoing.path == path).count();
        assert_eq!((count(0), count(1), count(2)), (90, 2, 8));
        let slow = String::from_utf8_lossy(&all[9].bytes);
        assert!(slow.contains(" /?work=2000 HTTP/1.1\r\n"), "{slow}");
        assert_eq!((all[49].answer_len, all[9].answer_len), (Some(9), None));
        assert!(all.iter().all(|outgoing| !outgoing.post || outgoing.path != 1), "a stream is asked for by GET");
        assert!(all.iter().any(|outgoing| outgoing.post && outgoing.path == 2), "the others by POST as well");
    }

    #[test]
    fn bodies_have_the_sizes_promised() {
        let lens: Vec<usize> = (0..400).map(|i| body(&mut Random::new(1, i)).len()).collect();
        assert!(lens.iter().all(|len| (1024..=4096).contains(len)));
        assert!(lens.iter().any(|len| *len < 1500) && lens.iter().any(|len| *len > 3600));
    }
}
