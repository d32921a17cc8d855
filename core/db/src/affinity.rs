//! [`Affinity`]: the processor core that the database's own threads stay on.
//!
//! Pushes run on the threads that push, whose cores are the host's to choose; the database's own
//! threads are those of ad-hoc queries, of the timer, and the workers. Workers stand on the cores
//! behind it, one after the other.

use laminar_types::error::code;
use laminar_types::{Error, Result};

/// A core, or any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Affinity(Option<core_affinity::CoreId>);

impl Affinity {
    /// The core of a number.
    ///
    /// # Errors
    /// `CONFIG` when this process cannot run on it.
    pub(crate) fn of(core: Option<usize>) -> Result<Self> {
        let Some(wanted) = core else { return Ok(Self(None)) };
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        match cores.iter().find(|core| core.id == wanted) {
            Some(core) => Ok(Self(Some(*core))),
            None => {
                let known: Vec<String> = cores.iter().map(|core| core.id.to_string()).collect();
                Err(Error::new(
                    code::CONFIG,
                    format!(
                        "configuration key `core_affinity` cannot be `{wanted}`: this process can \
                         run on the cores {}",
                        known.join(", ")
                    ),
                ))
            }
        }
    }

    /// The core so many places behind this one, among those that this process can run on, in a circle.
    pub(crate) fn behind(self, places: usize) -> Self {
        let Some(core) = self.0 else { return self };
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        match cores.iter().position(|other| other.id == core.id) {
            Some(at) => Self(Some(cores[(at + places) % cores.len()])),
            None => self,
        }
    }

    /// Keeps the current thread on the core. Where the system does not do so, it runs on any.
    pub(crate) fn apply(self) {
        if let Some(core) = self.0 {
            core_affinity::set_for_current(core);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_is_not_there_is_refused() {
        let error = Affinity::of(Some(1 << 20)).unwrap_err();
        assert_eq!(error.code(), code::CONFIG);
        assert!(error.message().contains("can run on the cores"), "{error}");
        assert!(Affinity::of(None).is_ok());
    }

    #[test]
    fn the_cores_behind_one_are_a_circle() {
        let cores = core_affinity::get_core_ids().unwrap();
        let first = Affinity::of(Some(cores[0].id)).unwrap();
        let id = |affinity: Affinity| affinity.0.map(|core| core.id);
        assert_eq!(id(first.behind(0)), Some(cores[0].id));
        assert_eq!(id(first.behind(1)), Some(cores[1 % cores.len()].id));
        assert_eq!(id(first.behind(cores.len())), Some(cores[0].id));
        assert_eq!(id(Affinity::default().behind(1)), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_stays_on_its_core() {
        let core = core_affinity::get_core_ids().unwrap().pop().unwrap();
        let affinity = Affinity::of(Some(core.id)).unwrap();
        let allowed = std::thread::spawn(move || {
            affinity.apply();
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:"));
            line.unwrap().split_whitespace().last().unwrap().to_string()
        });
        assert_eq!(allowed.join().unwrap(), core.id.to_string());
    }
}
