//! [`Random`]: the same numbers for the same seed (Steele et al., SplitMix64, 2014).

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Mixed, or neighbouring seeds would give the same numbers, one later.
        Self(mixed(seed.wrapping_add(STEP)))
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// A number in `[low, high)`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.number() % (high - low) as u64) as i64
    }

    pub fn chance(&mut self, percent: i64) -> bool {
        self.range(0, 100) < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.range(0, of.len() as i64) as usize]
    }
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Runs a test for many seeds and names the one that failed. `LAMINAR_SEED` runs one alone,
/// `LAMINAR_SEEDS` another number of them.
pub fn for_seeds(count: u64, test: impl Fn(u64)) {
    let setting = |name: &str| {
        std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a seed is a number"))
    };
    if let Some(seed) = setting("LAMINAR_SEED") {
        return test(seed);
    }
    for seed in 0..setting("LAMINAR_SEEDS").unwrap_or(count) {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(seed)));
        if let Err(panic) = result {
            eprintln!("failed for LAMINAR_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
