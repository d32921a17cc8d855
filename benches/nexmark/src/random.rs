//! [`Random`]: the numbers of one event, the same whenever it is made.

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Random(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The numbers of the event with this number.
    pub(crate) fn of(event: u64) -> Self {
        Self(mixed(event.wrapping_add(STEP)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// Evenly from 0 to `below`, which is left out.
    pub(crate) fn below(&mut self, below: i64) -> i64 {
        (self.next() % below as u64) as i64
    }

    /// True but for one time in `times`.
    pub(crate) fn but_one_in(&mut self, times: i64) -> bool {
        self.below(times) > 0
    }

    /// One of some.
    pub(crate) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as i64) as usize]
    }

    /// In cents, from one to a million dollars, each magnitude as likely as any other.
    pub(crate) fn price(&mut self) -> i64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (10_f64.powf(unit * 6.0) * 100.0).round() as i64
    }

    /// Appends a word of 3 to `most` letters.
    pub(crate) fn word(&mut self, most: usize, into: &mut String) {
        let letters = 3 + self.below(most as i64 - 2);
        self.letters(letters as usize, into);
    }

    /// Appends so many letters.
    pub(crate) fn letters(&mut self, count: usize, into: &mut String) {
        let mut bits = 0;
        for letter in 0..count {
            // Thirteen letters to a number: 26^13 < 2^64.
            if letter % 13 == 0 {
                bits = self.next();
            }
            into.push(char::from(b'a' + (bits % 26) as u8));
            bits /= 26;
        }
    }

    /// Appends so many digits.
    pub(crate) fn digits(&mut self, count: usize, into: &mut String) {
        for _ in 0..count {
            into.push(char::from(b'0' + self.below(10) as u8));
        }
    }

    /// Appends what fills a record that has `bytes` so far up to about `wanted`: a fifth less or more.
    pub(crate) fn filling(&mut self, bytes: usize, wanted: usize, into: &mut String) {
        let Some(missing) = wanted.checked_sub(bytes) else { return };
        let spread = missing / 5;
        let count = missing - spread + self.below(2 * spread as i64 + 1) as usize;
        self.letters(count, into);
    }
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
